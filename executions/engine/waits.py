"""What an execution waits for, in one look: its next moment, the reason, and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from executions.engine.journal import Journal
from executions.engine.planner import Plan
from executions.engine.scopes import Pass
from executions.models import BlockedOn

# More names than these help nobody.
MOST_NAMED = 5
MOST_OF_A_TITLE = 60


@dataclass(frozen=True)
class _Wait:
    reason: BlockedOn
    until: datetime | None
    what: str


@dataclass
class Waits:
    """Collects what the open passes of an execution wait for."""

    _waits: list[_Wait] = field(default_factory=list)
    _deadlines: list[datetime] = field(default_factory=list)

    def add(self, here: Pass, plan: Plan, journal: Journal) -> None:
        """Add what one pass waits for."""
        at = f" in pass {here.iteration}" if here.iteration else ""
        for timer in plan.timers:
            if timer.node_id in plan.unanswered:
                continue
            reason = BlockedOn.RETRY if timer.is_retry else BlockedOn.TIMER
            kept = journal.kept_by(journal.row(here.iteration, timer.node_id))
            what = f" {kept['waits']}," if kept is not None else ""
            self._waits.append(
                _Wait(reason, timer.wake_at, f"`{timer.node_id}`{at}{what} until {_told(timer.wake_at)}")
            )
        for node_id in plan.unanswered:
            row = journal.row(here.iteration, node_id)
            reason = BlockedOn(row.waits_for or BlockedOn.CALLBACK)
            until = f", until {_told(row.wake_at)} at the latest" if row.wake_at else ""
            self._waits.append(
                _Wait(reason, row.wake_at, f"`{node_id}`{at} for {_awaited(row.output_data, reason)}{until}")
            )
        self._deadlines += [scope.deadline for scope in here.scopes.values() if scope.deadline is not None]

    @property
    def next_at(self) -> datetime | None:
        """When something is due next; None if that has no time."""
        moments = [wait.until for wait in self._waits if wait.until is not None]
        return min([*moments, *self._deadlines], default=None)

    @property
    def blocked_on(self) -> BlockedOn:
        """What is likely to come first."""
        return self._ordered()[0].reason

    @property
    def detail(self) -> str:
        """A sentence that names what it waits for."""
        ordered = self._ordered()
        more = len(ordered) - MOST_NAMED
        named = ", ".join(wait.what for wait in ordered[:MOST_NAMED])
        return f"Waits for {named}{f' and {more} more' if more > 0 else ''}."

    def _ordered(self) -> list[_Wait]:
        assert self._waits, "What starts nothing and waits for nothing is over."  # noqa: S101
        return sorted(self._waits, key=lambda wait: (wait.until is None, wait.until, wait.what))


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _awaited(output: object, reason: BlockedOn) -> str:
    match output:
        case {"execution_id": str(execution_id)}:
            return f"execution {execution_id}"
        case {"title": str(title)}:
            return f"an approval ({title if len(title) <= MOST_OF_A_TITLE else title[: MOST_OF_A_TITLE - 1] + '…'})"
        case _:
            return dict.fromkeys((BlockedOn.APPROVAL, BlockedOn.BUDGET), "an approval").get(
                reason, "a call of its link"
            )
