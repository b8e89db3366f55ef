"""What a scope does with the nodes in it, in a few words: what it goes over, how many at once, until when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCOPES = ("loop", "parallel")
# Numbers beyond it are mistakes, and some are too long to be written.
MOST = 1_000_000_000


def in_words(node_type: str, config: Any, *, branches: int) -> str:
    """Return what stands in the header of a scope's frame. A draft's config may be anything; what makes sense is said.

    :param branches: how many parts of its body no edge connects.
    """
    if node_type not in SCOPES:
        return "holds other nodes, which only a loop or a parallel can"
    config = config if isinstance(config, Mapping) else {}
    parts = [_over(node_type, config, branches), _cap(node_type, config), _until(config)]
    return " · ".join(part for part in parts if part)


def _over(node_type: str, config: Mapping[str, Any], branches: int) -> str:
    if config.get("items") is not None:
        size = config.get("batch_size")
        each = f"each {size} of" if _is_count(size) else "each of"
        return f"for {each} {_value(config['items'])}"
    if config.get("while") is not None:
        return f"while {_value(config['while'])}"
    if node_type == "parallel":
        return _counted(branches, "branch", "branches")
    return "over nothing yet"


def _cap(node_type: str, config: Mapping[str, Any]) -> str:
    if node_type == "parallel":
        most = config.get("max_concurrent")
        return f"{most:,} at once" if _is_count(most) else ""
    most = config.get("max_passes")
    return f"at most {_counted(most, 'pass', 'passes')}" if _is_count(most) and config.get("items") is None else ""


def _until(config: Mapping[str, Any]) -> str:
    enough = config.get("done_when")
    if enough == "any" or (_is_count(enough) and enough == 1):
        return "until one has succeeded"
    if _is_count(enough):
        return f"until {enough:,} have succeeded"
    stop = config.get("break_when")
    return f"until {_value(stop)}" if isinstance(stop, str) else ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < MOST


def _counted(count: Any, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _value(value: Any) -> str:
    """Return an expression without its braces, and of a list how long it is."""
    if isinstance(value, list):
        return _counted(len(value), "item", "items")
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return "what is no expression"
    text = value.strip()
    is_alone = text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1
    return text[2:-2].strip() if is_alone else text
