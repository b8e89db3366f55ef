"""Whether a call may go out now: the rules of its project, read from and kept in the database.

A rate is a bucket in the limit's row (GCRA, see :mod:`projects.pacing`), and a call that has to wait for long takes its turn at
once: it is told when that comes, and keeps it while it sleeps. So those that wait do not wake each other up in vain. What
is under way at once are rows that expire. All that belongs to a limit happens under the lock of its row.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from executions.engine.clock import database_now, recent_database_now
from executions.models import OutgoingCall, OutgoingHold, OutgoingLimit
from projects.ids import new_id
from workflows.http.urls import host_matches

# How long a process believes what it read of a project's rules. Within this time others may have changed them.
RULES_HOLD_SECONDS = 1.0
# A call's row outlives the call by this much, for what lies between the two.
GRACE = timedelta(seconds=5)
# No turn is taken that comes later than this: whoever waits asks again by then.
FURTHEST = timedelta(hours=1)
# How long a call that found all places taken waits before it asks again, at most; it doubles from one second.
LONGEST_QUEUEING = 30.0
SECOND_US = 1_000_000


@dataclass(frozen=True)
class Turn:
    """What a call may do that had to wait for its rate: so many requests, from a moment on (microseconds since 1970)."""

    requests: int
    from_us: int


@dataclass
class Permit:
    """What a node run has waited for already, and takes along while it sleeps.

    :param turns: by the id of the limit.
    :param queued: how often in a row it went to sleep because all places were taken.
    """

    turns: dict[str, Turn] = field(default_factory=dict)
    queued: int = 0

    @classmethod
    def from_json(cls, value: Mapping[str, object] | None) -> Permit:
        """Read what :meth:`to_json` wrote."""
        if not value:
            return cls()
        turns = value["turns"]
        assert isinstance(turns, dict)  # noqa: S101 - written below
        return cls({key: Turn(*each) for key, each in turns.items()}, int(str(value["queued"])))

    def to_json(self) -> dict[str, object]:
        """Return it as JSON data."""
        return {
            "turns": {key: [each.requests, each.from_us] for key, each in self.turns.items()},
            "queued": self.queued,
        }


@dataclass(frozen=True)
class Asked:
    """A request that wants to go out.

    :param seconds: how long it may last.
    :param made: how many requests the node run has made under each limit that would be made again if it were put off now.
    :param takes_turns: whether it can wait for its turn, however long that is; else it comes back and asks anew.
    """

    project_id: str
    host: str
    secrets: frozenset[str]
    seconds: float
    made: Mapping[str, int]
    takes_turns: bool = True


@dataclass(frozen=True)
class Entered:
    """It may go out. ``calls`` are the rows to remove when it is back, ``limits`` the ids of those that it counts under."""

    calls: tuple[UUID, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Later:
    """It has to wait, and for what. ``reason`` fits after "Waits".

    :param is_queueing: whether that may be over earlier, so that asking again earlier makes sense.
    """

    seconds: float
    reason: str
    is_queueing: bool = False


@dataclass(frozen=True)
class _Rules:
    limits: tuple[OutgoingLimit, ...]
    holds: Mapping[str, datetime]
    read_at: float


_rules: dict[str, _Rules] = {}


def enter(asked: Asked, permit: Permit) -> Entered | Later:
    """Let a request out, or say when to ask again; what it has waited for is noted in ``permit``.

    A project without rules for this request costs no statement, except once a second.
    """
    rules = _rules_of(asked.project_id)
    held = rules.holds.get(asked.host)
    if held is not None and (seconds := (held - recent_database_now()).total_seconds()) > 0:
        return Later(seconds, f"for {asked.host}, which has asked for it (Retry-After)")
    wanted = [limit.pk for limit in rules.limits if _speaks_of(limit, asked)]
    return _enter(asked, permit, wanted) if wanted else Entered()


def leave(calls: Iterable[UUID]) -> None:
    """Note that requests are back."""
    OutgoingCall.objects.filter(pk__in=list(calls)).delete()


def hold(project_id: str, host: str, seconds: float) -> None:
    """Have all calls of a project to a host wait. A longer wait that is known already stands."""
    now = database_now()
    until = now + timedelta(seconds=seconds)
    with transaction.atomic():
        OutgoingHold.objects.filter(project_id=project_id, until__lte=now).delete()
        row = OutgoingHold(project_id=project_id, host=host, until=until, created_at=now)
        OutgoingHold.objects.bulk_create([row], ignore_conflicts=True)
        OutgoingHold.objects.filter(project_id=project_id, host=host, until__lt=until).update(until=until)
    _rules.pop(project_id, None)


def forget_rules() -> None:
    """Have the rules of all projects read anew by this process."""
    _rules.clear()


def _rules_of(project_id: str) -> _Rules:
    known = _rules.get(project_id)
    if known is None or time.monotonic() - known.read_at > RULES_HOLD_SECONDS:
        read_at = time.monotonic()
        holds = OutgoingHold.objects.filter(project_id=project_id, until__gt=recent_database_now())
        known = _rules[project_id] = _Rules(
            tuple(OutgoingLimit.objects.filter(project_id=project_id)),
            dict(holds.values_list("host", "until")),
            read_at,
        )
    return known


def _speaks_of(limit: OutgoingLimit, asked: Asked) -> bool:
    return limit.secret_name in asked.secrets if limit.secret_name else host_matches(asked.host, limit.host)


@transaction.atomic
def _enter(asked: Asked, permit: Permit, wanted: list[UUID]) -> Entered | Later:
    # In the order of their ids, as everybody who locks several.
    limits = list(OutgoingLimit.objects.select_for_update().filter(pk__in=wanted).order_by("id"))
    now = database_now()
    if (full := _full(limits, now)) is not None:
        longest = min(2.0 ** min(permit.queued, 10), LONGEST_QUEUEING)
        seconds = random.uniform(0.5, 1.0) * longest  # noqa: S311 - so that not all come at once
        return Later(
            seconds, f"for one of the {full.at_once} calls at once that {_told(full)} may have", is_queueing=True
        )
    if (later := _paced(limits, asked, permit, now)) is not None:
        return later
    for limit in limits:
        _use(permit, limit)
    permit.queued = 0
    expires_at = now + timedelta(seconds=asked.seconds) + GRACE
    calls = [
        OutgoingCall(id=new_id(), limit=limit, expires_at=expires_at, created_at=now)
        for limit in limits
        if limit.at_once is not None
    ]
    OutgoingCall.objects.bulk_create(calls)
    return Entered(tuple(call.pk for call in calls), tuple(str(limit.pk) for limit in limits))


def _full(limits: Iterable[OutgoingLimit], now: datetime) -> OutgoingLimit | None:
    """Return a limit whose places are all taken, if there is one."""
    for limit in limits:
        if limit.at_once is None:
            continue
        limit.calls.filter(expires_at__lte=now).delete()
        if limit.calls.count() >= limit.at_once:
            return limit
    return None


def _paced(limits: Iterable[OutgoingLimit], asked: Asked, permit: Permit, now: datetime) -> Later | None:
    """Take a turn under every limit that has a rate and none taken yet; return how long until all of them have come."""
    now_us = int(now.timestamp() * SECOND_US)
    paced = [limit for limit in limits if limit.per_minute is not None]
    missing = [limit for limit in paced if str(limit.pk) not in permit.turns]
    turns = {str(limit.pk): _next_turn(limit, asked, now_us) for limit in missing}
    latest = max((turn.from_us for turn in turns.values()), default=now_us)
    if latest > now_us and not (asked.takes_turns and latest - now_us <= FURTHEST.total_seconds() * SECOND_US):
        return Later(min((latest - now_us) / SECOND_US, FURTHEST.total_seconds()), _rate_told(paced, turns))
    for limit in missing:
        turn = turns[str(limit.pk)]
        limit.paced_until_us = max(limit.paced_until_us, now_us) + turn.requests * limit.pace_us
        limit.save(update_fields=["paced_until_us"])
        permit.turns[str(limit.pk)] = turn
    mine = {str(limit.pk): permit.turns[str(limit.pk)] for limit in paced}
    wait_us = max((turn.from_us for turn in mine.values()), default=now_us) - now_us
    return Later(wait_us / SECOND_US, _rate_told(paced, mine)) if wait_us > 0 else None


def _next_turn(limit: OutgoingLimit, asked: Asked, now_us: int) -> Turn:
    """Return the turn that a request gets. One that waits for long is made again with those before it: they need a turn too."""
    burst = limit.burst or limit.per_minute or 1
    begins = max(limit.paced_until_us, now_us) - (burst - 1) * limit.pace_us
    if begins <= now_us:
        return Turn(1, now_us)
    requests = 1 + asked.made.get(str(limit.pk), 0)
    return Turn(requests, begins + (requests - 1) * limit.pace_us)


def _use(permit: Permit, limit: OutgoingLimit) -> None:
    turn = permit.turns.pop(str(limit.pk), None)
    if turn is not None and turn.requests > 1:
        permit.turns[str(limit.pk)] = Turn(turn.requests - 1, turn.from_us)


def _rate_told(limits: Iterable[OutgoingLimit], turns: Mapping[str, Turn]) -> str:
    slowest = max((limit for limit in limits if str(limit.pk) in turns), key=lambda limit: turns[str(limit.pk)].from_us)
    return f"for its turn among the {slowest.per_minute} calls a minute that {_told(slowest)} may have"


def _told(limit: OutgoingLimit) -> str:
    return f"the secret {limit.secret_name}" if limit.secret_name else limit.host
