"""Events: what happened is kept, with what it starts and why it starts nothing else, in one commit."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q

from executions import quotas
from executions.models import WorkflowExecution
from executions.services import start_execution
from projects.access import Actor
from projects.exceptions import SegueError, TooLarge
from projects.failpoints import failpoint
from projects.inserting import insert
from projects.models import Project
from projects.payloads import storable
from triggers.events.listeners import Listener, Verdict, filtered, listeners, off
from triggers.exceptions import EventMismatch, InvalidEvent
from triggers.models import Event, EventMatch, MatchVerdict
from workflows.http.hops import MAX_HOPS
from workflows.models import TriggerType
from workflows.nodes.trigger.event import MAX_NAME, NAME_PATTERN, patterns_for

logger = logging.getLogger(__name__)

MAX_REASON = 500
MAX_ID = 255
MAX_SOURCE = 200
# What Segue itself sends is believed by those who listen: nobody else may call an event so, or say that Segue is its source.
OWN_SOURCE = "segue"
SCHEDULE_PAUSED, POLL_PAUSED = "schedule.paused", "poll.paused"
OWN_NAMES = frozenset((SCHEDULE_PAUSED, POLL_PAUSED))
REMOVED_AT_ONCE = 500


@dataclass
class Plan:
    """What an event will come to: what was decided before the transaction that writes it."""

    event: Event
    payload: dict[str, Any]
    verdicts: list[tuple[Listener, Verdict]] = field(default_factory=list)

    @property
    def starts_something(self) -> bool:
        """Whether any trigger matches."""
        return any(verdict.verdict is MatchVerdict.MATCHED for _, verdict in self.verdicts)


# --- Emitting -----------------------------------------------------------------------------------------------------------


def emit(
    project: Project,
    name: str,
    data: Any = None,
    *,
    now: datetime,
    id: str | None = None,
    by: Actor | None = None,
    source: str = "",
    depth: int = 0,
    hops: int = 0,
    emitted_by: WorkflowExecution | None = None,
) -> Event:
    """Keep an event and start every trigger of the project that listens to it, all in one commit.

    The same id again answers with the first event, which then ``is_duplicate``. Triggers that are switched off, whose filter
    says no, or that cannot start are kept with the reason. With an actor, the project's quota counts the event as one start.

    :param name: parts with dots between them: ``order.created``.
    :param id: the sender's id of it.
    :param by: who sends it; nobody, if Segue itself does.
    :param depth: how many executions lie above those that it starts: one more than that of an execution that emits it.
        Beyond ``WORKFLOW_MAX_DEPTH`` it starts nothing, so that no circle goes on for ever.
    :param hops: through how many workflows its request came.
    :param emitted_by: the execution that emits it.
    :raises InvalidEvent: if the name, the id or the source is none, or is Segue's own.
    :raises TooLarge: if the data is larger than ``WEBHOOK_MAX_BODY_BYTES``.
    :raises EventMismatch: if the id was here with another name or other data.
    :raises TooMany: if the project may start nothing now.
    """
    if by is not None:
        refuse_own(name, source)
    event = new_event(
        project.pk,
        name,
        data,
        id=id,
        source=source,
        received_at=now,
        sent_by_id=by.user_id or None if by else None,
        emitted_by=emitted_by,
        depth=depth,
        hops=hops,
    )
    if first := first_like(event):
        return same_again(first, event)
    plan = plan_sent(event, now=now)
    if by is not None and plan.starts_something:
        quotas.take_start(project.pk, now=now)
    try:
        return write_event(plan, now=now)
    except IntegrityError:
        if first := first_like(event):
            return same_again(first, event)
        raise


def new_event(project_id: UUID, name: str, data: Any, *, id: str | None, source: str, **more: Any) -> Event:
    """Return an event of the kind ``event`` that nobody has written yet.

    :raises InvalidEvent: if the name, the id or the source is none.
    :raises TooLarge: if the data is larger than ``WEBHOOK_MAX_BODY_BYTES``.
    """
    _check(name, id=id, source=source)
    return Event(
        project_id=project_id,
        type=TriggerType.EVENT,
        name=name,
        data=_kept(data),
        source=source,
        dedupe_key=id,
        **more,
    )


def plan_sent(event: Event, *, now: datetime) -> Plan:
    """Decide what an event that was sent or emitted comes to. See :func:`plan_event`."""
    return plan_event(event, _payload(event), Q(topic__in=patterns_for(event.name)), now=now)


def plan_event(event: Event, payload: dict[str, Any], topics: Q, *, now: datetime) -> Plan:
    """Decide what an event comes to at each trigger that listens. Belongs before the transaction: filters take their time.

    :param payload: what expressions see as ``trigger``.
    :param topics: a condition on subscriptions.
    """
    found, event.left_out_count = listeners(event.project_id, TriggerType(event.type), topics)
    endless = _endless(event)
    decided: dict[Any, Verdict] = {}
    for listener in found:
        if verdict := endless or off(listener):
            decided[listener.trigger.pk] = verdict
    open_ones = [listener.trigger for listener in found if listener.trigger.pk not in decided]
    decided |= filtered(open_ones, payload, now=now)
    return Plan(event, payload, [(listener, decided[listener.trigger.pk]) for listener in found])


@transaction.atomic
def write_event(plan: Plan, *, now: datetime) -> Event:
    """Write an event, what came of it at each trigger, and the executions that it starts: all or nothing."""
    event = plan.event
    failpoint("event.before")
    insert([event])
    matches = [_match(plan, listener, verdict, now=now) for listener, verdict in plan.verdicts]
    insert(matches)
    counts = Counter(match.verdict for match in matches)
    event.matched_count = counts[MatchVerdict.MATCHED]
    event.filtered_count = counts[MatchVerdict.FILTERED]
    event.failed_count = counts[MatchVerdict.FAILED]
    event.refused_count = counts[MatchVerdict.REFUSED]
    if matches:
        event.save(update_fields=["matched_count", "filtered_count", "failed_count", "refused_count"])
    failpoint("event.inside")
    return event


def _match(plan: Plan, listener: Listener, verdict: Verdict, *, now: datetime) -> EventMatch:
    event = plan.event
    match = EventMatch(event=event, trigger=listener.trigger, created_at=now, verdict=verdict.verdict)
    if verdict.verdict is MatchVerdict.MATCHED:
        try:
            with transaction.atomic():  # A savepoint: one trigger that cannot start must not stop the others.
                match.execution = start_execution(
                    listener.version,
                    kind=TriggerType(event.type),
                    node_id=listener.trigger.node_id,
                    payload=plan.payload,
                    now=now,
                    trigger_id=listener.trigger.pk,
                    hops=event.hops,
                    depth=event.depth,
                )
        except DatabaseError:
            raise
        except SegueError as error:
            verdict = Verdict(MatchVerdict.REFUSED, error.code, error.message)
        except Exception as error:
            logger.exception("An event could not start an execution.", extra={"trigger_id": str(listener.trigger.pk)})
            verdict = Verdict(MatchVerdict.FAILED, "start_failed", f"The start failed with {type(error).__name__}.")
    match.verdict = verdict.verdict
    match.reason_code, match.reason = verdict.reason_code, verdict.reason[:MAX_REASON]
    return match


def _endless(event: Event) -> Verdict | None:
    """Return why an event may start nothing at all, because it seems to go round in a circle."""
    most = settings.WORKFLOW_MAX_DEPTH
    if event.depth > most:
        reason = (
            f"{event.depth} executions lie above what this would start, and at most {most} may (WORKFLOW_MAX_DEPTH). Look for "
            "workflows that start each other in a circle."
        )
        return Verdict(MatchVerdict.REFUSED, "too_deep", reason)
    if event.hops > MAX_HOPS:
        reason = f"The request came through more than {MAX_HOPS} workflows; they seem to call each other in a circle."
        return Verdict(MatchVerdict.REFUSED, "too_many_hops", reason)
    return None


def _payload(event: Event) -> dict[str, Any]:
    return {
        "event_id": str(event.pk),
        "name": event.name,
        "data": event.data,
        "id": event.dedupe_key,
        "source": event.source,
        "received_at": event.received_at.isoformat(),
    }


# --- Checking -----------------------------------------------------------------------------------------------------------


def _check(name: str, *, id: str | None, source: str) -> None:
    if len(name) > MAX_NAME or not re.fullmatch(NAME_PATTERN, name):
        raise InvalidEvent(
            f"{name[:60]!r} is no name of an event.",
            path="/name",
            hint="Letters, digits, - and _, in at most 20 parts with dots between them: order.created.",
        )
    if id is not None and not 0 < len(id) <= MAX_ID:
        raise InvalidEvent(f"The id of an event has 1 to {MAX_ID} characters.", path="/id")
    if len(source) > MAX_SOURCE:
        raise InvalidEvent(f"The source of an event has at most {MAX_SOURCE} characters.", path="/source")


def refuse_own(name: str, source: str = "") -> None:
    """Refuse a name and a source that only Segue itself may use.

    :raises InvalidEvent: if it is one.
    """
    if name in OWN_NAMES:
        raise InvalidEvent(f"Events with the name {name} are sent by Segue alone.", path="/name")
    if source.strip().casefold() == OWN_SOURCE:
        raise InvalidEvent(f"The source {OWN_SOURCE} is Segue's own.", path="/source")


def _kept(data: Any) -> Any:
    kept = storable(data)
    size, most = len(orjson.dumps(kept)), settings.WEBHOOK_MAX_BODY_BYTES
    if size > most:
        raise TooLarge(f"The event's data has {size:,} bytes; at most {most:,} are possible.", path="/data")
    return kept


def first_like(event: Event) -> Event | None:
    """Return the event that has this one's id already, if there is one."""
    if event.dedupe_key is None:
        return None
    return Event.objects.filter(project_id=event.project_id, dedupe_key=event.dedupe_key).first()


def same_again(first: Event, event: Event) -> Event:
    """Return the first event of an id, marked as here before.

    :raises EventMismatch: if this one has another name or other data.
    """
    if (first.name, first.data) != (event.name, event.data):
        raise EventMismatch(
            "An event with this id was here before, with another name or other data. Use a new id for a new event.",
            path="/id",
        )
    first.is_duplicate = True
    return first


# --- Forgetting ---------------------------------------------------------------------------------------------------------


def remove_old_events(now: datetime) -> int:
    """Remove some events that are older than ``EXECUTION_RETENTION_DAYS``, with their matches; returns how many events.

    Their ids are forgotten with them: the same one later is a new event.
    """
    before = now - timedelta(days=settings.EXECUTION_RETENTION_DAYS)
    old: Sequence[Any] = list(
        Event.objects.filter(received_at__lt=before)
        .order_by("received_at", "id")
        .values_list("pk", flat=True)[:REMOVED_AT_ONCE]
    )
    if not old:
        return 0
    _, by_model = Event.objects.filter(pk__in=old).delete()
    return by_model.get(Event._meta.label, 0)
