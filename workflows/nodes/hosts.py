"""Whether the author of a URL has said which host it leads to."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from workflows.expressions.errors import ExpressionError
from workflows.expressions.references import references
from workflows.expressions.templates import parse_template


def has_open_host(url: Any) -> bool:
    """Return whether the host of a raw URL is not written out."""
    return not isinstance(url, str) or "{{" in (re.match(r"[^/]*//[^/]*|.*", url, re.DOTALL) or [url])[0]


def has_host_from_elsewhere(url: Any) -> bool:
    """Return whether the host of a raw URL is neither written out nor taken from variables, which people set. Never raises."""
    return has_open_host(url) and has_parts_beside(url, {"vars"})


def has_parts_beside(text: Any, roots: Collection[str]) -> bool:
    """Return whether expressions in a raw text mention anything but these roots. Never raises: what cannot be read may."""
    try:
        sources = [each.source for each in parse_template(text).interpolations] if isinstance(text, str) else None
    except ExpressionError:
        return True
    return sources is None or any(references(source).roots - set(roots) for source in sources)
