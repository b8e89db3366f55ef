"""``If-Match`` (RFC 9110, 13.1.1) for drafts, whose tag is the number of their last save in quotes."""

from __future__ import annotations

import re

_TAG = re.compile(r'"([0-9]{1,9})"')


def revisions(if_match: str | None) -> frozenset[int] | None:
    """Return the revisions that a header lets pass; None for every one.

    A malformed tag matches none: who sends the header wants to be stopped rather than to overwrite. Weak tags count as
    strong ones, because proxies that compress make them weak, and a revision number is exact all the same.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    return frozenset(int(number) for number in _TAG.findall(if_match))
