"""Which passes of a scope begin, and when it is done. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from workflows.nodes.scopes import Rules


@dataclass(frozen=True, slots=True)
class Tally:
    """How far the passes of a scope have come.

    :param total: how many there will be; None where that shows only as they go.
    :param next: the number of the pass that begins next; so many have begun.
    :param open: how many of them are under way.
    :param is_stopped: no further pass begins.
    """

    total: int | None
    next: int = 0
    open: int = 0
    succeeded: int = 0
    failed: int = 0
    is_stopped: bool = False


class Verdict(Enum):
    """What has become of the scope as a whole."""

    GOES_ON = "goes on"
    DONE = "done"  # Passes that are still open are cancelled.
    FAILED = "failed"  # A pass has failed, and that fails the scope.
    TOO_FEW = "too few"  # So many must succeed can no longer happen.


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a tally: the verdict, and how many passes to begin now."""

    verdict: Verdict
    begin: int = 0


def decide(rules: Rules, tally: Tally) -> Decision:
    """Return whether a scope is done, and how many passes to begin."""
    if tally.failed and not rules.collects:
        return Decision(Verdict.FAILED)
    if rules.enough is not None and tally.succeeded >= rules.enough:
        return Decision(Verdict.DONE)
    to_come = 0 if tally.is_stopped else None if tally.total is None else tally.total - tally.next
    if rules.enough is not None and to_come is not None and tally.succeeded + tally.open + to_come < rules.enough:
        return Decision(Verdict.TOO_FEW)
    if to_come == 0 and not tally.open:
        return Decision(Verdict.DONE)
    room = max(rules.at_once - tally.open, 0)
    return Decision(Verdict.GOES_ON, begin=room if to_come is None else min(room, to_come))
