"""How it stands with a trigger: when it fired last, what came of it, when it fires next, and why it does not.

Each kind of trigger has one function, which :func:`status_of_kind` registers. What holds for all kinds is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from executions.models import WorkflowExecution
from projects.exceptions import Unavailable
from triggers.models import (
    DeliveryVerdict,
    EventMatch,
    MatchVerdict,
    Poll,
    ScheduledJob,
    SkippedSlots,
    SkipReason,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
)
from triggers.services.webhook_secrets import facts_of_secrets
from triggers.webhooks.signatures import scheme_or_closed
from workflows.models import TriggerType, WorkflowStatus
from workflows.services import workflow_called

# How far back one looks for the last execution where no index leads to it.
EXECUTIONS_LOOKED_AT = 1000
# Why slots did not fire, as the end of a sentence.
_WHY_SKIPPED = {
    SkipReason.MISSED: "nobody could fire them in time",
    SkipReason.OVERLAP: "an execution of the trigger had not ended",
    SkipReason.RESUMED: "the schedule was paused",
}
# What is large, and not needed to say what came of an execution.
_LARGE = ("execution_context", "result", "error")


@dataclass(frozen=True)
class Reason:
    """A stable code, and a sentence that says what is so and what to do."""

    code: str
    message: str


@dataclass(frozen=True)
class Findings:
    """What a kind of trigger knows of one of its own.

    :param obstacles: why it does not fire.
    :param remarks: what one should know besides, while it fires.
    :param next_fire_at: the next moment at which it fires by itself, if nothing is in the way.
    """

    obstacles: tuple[Reason, ...] = ()
    remarks: tuple[Reason, ...] = ()
    last_execution: WorkflowExecution | None = None
    next_fire_at: datetime | None = None


@dataclass(frozen=True)
class TriggerStatus:
    """How it stands with a trigger. ``next_fire_at`` is null while there are obstacles."""

    obstacles: tuple[Reason, ...]
    remarks: tuple[Reason, ...]
    last_execution: WorkflowExecution | None
    next_fire_at: datetime | None

    @property
    def fires(self) -> bool:
        """Whether it would start an execution now, if its moment came."""
        return not self.obstacles

    @property
    def last_fired_at(self) -> datetime | None:
        return self.last_execution.created_at if self.last_execution else None


Find = Callable[[Trigger, datetime], Findings]

_kinds: dict[str, Find] = {}


def status_of_kind(kind: TriggerType) -> Callable[[Find], Find]:
    """Add the function that looks at triggers of a kind; a second one for the same kind is refused."""

    def add(find: Find) -> Find:
        if kind in _kinds:
            raise ValueError(f"Two functions look at triggers of kind {kind}.")
        _kinds[kind] = find
        return find

    return add


def status_of(trigger: Trigger, *, now: datetime) -> TriggerStatus:
    """Return how it stands with a trigger."""
    found = _kinds[trigger.type](trigger, now)
    obstacles = (*_obstacles_of_all(trigger), *found.obstacles)
    return TriggerStatus(obstacles, found.remarks, found.last_execution, None if obstacles else found.next_fire_at)


def newest(executions: QuerySet[WorkflowExecution]) -> WorkflowExecution | None:
    """Return the newest of these executions, without what is large."""
    return executions.order_by("-created_at", "-id").defer(*_LARGE).first()


def _obstacles_of_all(trigger: Trigger) -> list[Reason]:
    obstacles = []
    if not trigger.is_registered:
        obstacles.append(
            Reason("node_gone", f"The newest version has no trigger node {trigger.node_id}, or it is disabled there.")
        )
    # A start by hand asks no switch.
    if not trigger.is_active and trigger.type != TriggerType.MANUAL:
        obstacles.append(Reason("switched_off", "The trigger is switched off. Switch it on."))
    workflow = trigger.workflow
    match workflow.status:
        case WorkflowStatus.DRAFT:
            obstacles.append(Reason("workflow_draft", "The workflow is a draft. Publish it."))
        case WorkflowStatus.DISABLED:
            reason = _sentence(workflow.status_reason or "no reason was given")
            obstacles.append(Reason("workflow_disabled", f"The workflow is disabled: {reason} Enable it."))
        case WorkflowStatus.ARCHIVED:
            obstacles.append(Reason("workflow_archived", "The workflow is archived. Restore it."))
    return obstacles


def _sentence(words: str) -> str:
    """Return what a person has written with a full stop, so that more can follow."""
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _held(trigger: Trigger) -> tuple[Reason, ...]:
    """Return the remark on a paused workflow, for kinds whose executions are accepted and wait."""
    if trigger.workflow.status != WorkflowStatus.PAUSED:
        return ()
    return (
        Reason("workflow_paused", "The workflow is paused: what comes is accepted, and waits until it is resumed."),
    )


def _recent(trigger: Trigger, *, kind: TriggerType, trigger_id: UUID | None = None) -> WorkflowExecution | None:
    """Return the newest execution of a kind among the workflow's last ones, if one is among them."""
    executions = WorkflowExecution.objects.filter(workflow_id=trigger.workflow_id).order_by("-created_at", "-id")
    rows = executions.values_list("pk", "triggered_by", "trigger_id")[:EXECUTIONS_LOOKED_AT]
    last = next((pk for pk, *of in rows if of[0] == kind and (trigger_id is None or of[1] == trigger_id)), None)
    return newest(WorkflowExecution.objects.filter(pk=last)) if last else None


# --- Manual -------------------------------------------------------------------------------------------------------------


@status_of_kind(TriggerType.MANUAL)
def _manual(trigger: Trigger, now: datetime) -> Findings:
    return Findings(remarks=_held(trigger), last_execution=_recent(trigger, kind=TriggerType.MANUAL))


# --- Webhooks -----------------------------------------------------------------------------------------------------------


@status_of_kind(TriggerType.WEBHOOK)
def _webhook(trigger: Trigger, now: datetime) -> Findings:
    registration = (
        WebhookRegistration.objects.filter(trigger=trigger).select_related("workflow__project", "trigger").first()
    )
    if registration is None:
        return Findings((Reason("no_route", "The webhook has no address. Publish the workflow again."),))
    deliveries = WebhookDelivery.objects.filter(registration=registration).order_by("-received_at", "-id")
    last = deliveries.filter(verdict=DeliveryVerdict.ACCEPTED).values_list("execution_id", flat=True).first()
    return Findings(
        obstacles=(*_route_closed(registration), *_nobody_gets_in(registration, now)),
        remarks=(*_held(trigger), *_last_refusal(deliveries)),
        last_execution=newest(WorkflowExecution.objects.filter(pk=last)) if last else None,
    )


def _route_closed(registration: WebhookRegistration) -> tuple[Reason, ...]:
    if registration.is_active:
        return ()
    return (Reason("route_closed", "The webhook's address is closed, and answers as if it did not exist. Open it."),)


def _nobody_gets_in(registration: WebhookRegistration, now: datetime) -> tuple[Reason, ...]:
    scheme = scheme_or_closed(registration.auth)
    if not scheme.needs_secret:
        return () if scheme.key != "closed" else (Reason("scheme_unknown", "The signature scheme is not known."),)
    try:
        secrets = facts_of_secrets(registration, now)
    except Unavailable as error:
        return (Reason("secret_unreadable", error.message),)
    if not secrets:
        return (Reason("secret_not_set", "No secret is set, so everything is refused. Set one."),)
    if not any(secret.is_usable for secret in secrets):
        return (
            Reason("secret_unusable", f"No secret fits the scheme {scheme.key}, so everything is refused. Set one."),
        )
    return ()


def _last_refusal(deliveries: QuerySet[WebhookDelivery]) -> tuple[Reason, ...]:
    """Return the remark on the newest delivery, if it was refused."""
    last = deliveries.exclude(verdict=DeliveryVerdict.HANDSHAKE).values("verdict", "received_at", "reason").first()
    if last is None or last["verdict"] != DeliveryVerdict.REJECTED:
        return ()
    return (
        Reason(
            "last_refused",
            f"The last delivery, of {last['received_at']:%Y-%m-%d %H:%M:%S} UTC, was refused: {last['reason']}",
        ),
    )


# --- Schedules ----------------------------------------------------------------------------------------------------------


@status_of_kind(TriggerType.SCHEDULE)
def _schedule(trigger: Trigger, now: datetime) -> Findings:
    job = ScheduledJob.objects.filter(trigger=trigger).first()
    if job is None:
        return Findings((Reason("no_clock", "The schedule has no clock. Publish the workflow again."),))
    # Not by the time of creation: the unique index leads to the last slot.
    of_slots = WorkflowExecution.objects.filter(
        trigger_id=trigger.pk, scheduled_for__isnull=False, rerun_of__isnull=True
    )
    last = of_slots.order_by("-scheduled_for").defer(*_LARGE).first()
    return Findings(
        obstacles=_clock_stands(trigger, job),
        remarks=(*_waits(job, now), *_last_skipped(job, last)),
        last_execution=last,
        next_fire_at=job.next_run,
    )


def _clock_stands(trigger: Trigger, job: ScheduledJob) -> tuple[Reason, ...]:
    obstacles = []
    if trigger.workflow.status == WorkflowStatus.PAUSED:
        obstacles.append(Reason("workflow_paused", "The workflow is paused, and no slot fires. Resume it."))
    if not job.is_active:
        obstacles.append(
            Reason(
                "paused", f"The schedule is paused: {_sentence(job.paused_reason or 'no reason was given')} Resume it."
            )
        )
    if job.next_run is None:
        obstacles.append(
            Reason("no_more_slots", "The schedule has no further slot: its end is reached, or it has none.")
        )
    return tuple(obstacles)


def _waits(job: ScheduledJob, now: datetime) -> tuple[Reason, ...]:
    """Return the remark on a slot that is due and stands in the queue."""
    if job.waits_for is None or job.next_run is None or job.next_run > now:
        return ()
    return (
        Reason(
            "slot_waits",
            f"The slot of {job.next_run:%Y-%m-%d %H:%M:%S} UTC waits until execution {job.waits_for} has ended.",
        ),
    )


def _last_skipped(job: ScheduledJob, last: WorkflowExecution | None) -> tuple[Reason, ...]:
    """Return the remark on the newest slots that did not fire, if none has fired since."""
    skipped = SkippedSlots.objects.filter(job=job).order_by("-created_at", "-id").first()
    if skipped is None or (last and last.scheduled_for and last.scheduled_for > skipped.last_slot):
        return ()
    why = skipped.detail or _WHY_SKIPPED[SkipReason(skipped.reason)]
    return (
        Reason(
            "last_skipped",
            f"The slots from {skipped.first_slot:%Y-%m-%d %H:%M:%S} to {skipped.last_slot:%Y-%m-%d %H:%M:%S} UTC "
            f"({skipped.count}) did not fire: {_sentence(why)}",
        ),
    )


# --- Events, and the ends of other workflows ----------------------------------------------------------------------------


@status_of_kind(TriggerType.WORKFLOW)
def _following(trigger: Trigger, now: datetime) -> Findings:
    return replace(_listening(trigger, now), obstacles=_nobody_to_follow(trigger))


def _nobody_to_follow(trigger: Trigger) -> tuple[Reason, ...]:
    """Return what is wrong with the workflow that a trigger names: names are looked up when something ends."""
    name = str(trigger.config.get("workflow", ""))
    followed = workflow_called(name, project_id=trigger.workflow.project_id)
    if followed is None:
        return (
            Reason(
                "followed_unknown",
                f"The project has no workflow with the name or id `{name[:100]}`. Was it renamed? Name it by its id.",
            ),
        )
    if followed.status == WorkflowStatus.ARCHIVED:
        return (
            Reason("followed_archived", f"Workflow {followed.name!r} is archived, and starts nothing. Restore it."),
        )
    return ()


@status_of_kind(TriggerType.EVENT)
def _listening(trigger: Trigger, now: datetime) -> Findings:
    matches = EventMatch.objects.filter(trigger=trigger).order_by("-created_at", "-id")
    last = matches.filter(verdict=MatchVerdict.MATCHED).values_list("execution_id", flat=True).first()
    return Findings(
        remarks=(*_held(trigger), *_last_without_effect(matches)),
        last_execution=newest(WorkflowExecution.objects.filter(pk=last)) if last else None,
    )


def _last_without_effect(matches: QuerySet[EventMatch]) -> tuple[Reason, ...]:
    """Return the remark on the newest thing that it heard, if that started nothing."""
    last = matches.values("verdict", "created_at", "reason", "event__name").first()
    if last is None or last["verdict"] == MatchVerdict.MATCHED:
        return ()
    return (
        Reason(
            f"last_{last['verdict']}",
            f"The last one, {last['event__name']} of {last['created_at']:%Y-%m-%d %H:%M:%S} UTC, started nothing: {last['reason']}",
        ),
    )


# --- Polls --------------------------------------------------------------------------------------------------------------


@status_of_kind(TriggerType.POLLING)
def _polling(trigger: Trigger, now: datetime) -> Findings:
    poll = Poll.objects.filter(trigger=trigger).first()
    if poll is None:
        return Findings((Reason("no_poll", "The poll has no memory. Publish the workflow again."),))
    obstacles = []
    if trigger.workflow.status == WorkflowStatus.PAUSED:
        obstacles.append(Reason("workflow_paused", "The workflow is paused, and nothing is looked for. Resume it."))
    if not poll.is_active:
        obstacles.append(
            Reason("paused", f"The poll is paused: {_sentence(poll.paused_reason or 'no reason was given')} Resume it.")
        )
    return Findings(
        obstacles=tuple(obstacles),
        remarks=_last_error(poll),
        last_execution=_recent(trigger, kind=TriggerType.POLLING, trigger_id=trigger.pk),
        next_fire_at=poll.next_run,
    )


def _last_error(poll: Poll) -> tuple[Reason, ...]:
    if not poll.consecutive_errors or not poll.last_error:
        return ()
    times = "The last poll" if poll.consecutive_errors == 1 else f"The last {poll.consecutive_errors} polls"
    return (Reason("last_failed", f"{times} failed: {poll.last_error['message']}"),)
