"""Whether the author of a URL has said which host it leads to."""

from __future__ import annotations

import re
from typing import Any

from workflows.expressions.errors import ExpressionError
from workflows.expressions.references import references
from workflows.expressions.templates import parse_template


def has_open_host(url: Any) -> bool:
    """Return whether the host of a raw URL is not written out."""
    return not isinstance(url, str) or "{{" in (re.match(r"[^/]*//[^/]*|.*", url, re.DOTALL) or [url])[0]


def has_host_from_elsewhere(url: Any) -> bool:
    """Return whether the host of a raw URL is neither written out nor taken from variables, which people set. Never raises."""
    if not has_open_host(url):
        return False
    try:
        sources = [each.source for each in parse_template(url).interpolations] if isinstance(url, str) else None
    except ExpressionError:
        return True
    return sources is None or any(references(source).roots - {"vars"} for source in sources)
