"""Which triggers listen to a name, and whether their filters let something pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Q

from triggers.models import MatchVerdict, Subscription, Trigger
from workflows.expressions import Expression, ExpressionError, parse_template, shared_evaluator
from workflows.models import TriggerType, Workflow, WorkflowStatus, WorkflowVersion

# Triggers that one event starts at most.
MAX_LISTENERS = 1_000
# Filters that are evaluated in one round trip; all of them together have two seconds.
FILTERS_AT_ONCE = 20


@dataclass(frozen=True)
class Verdict:
    """What is decided about one trigger before anything is written."""

    verdict: MatchVerdict
    reason_code: str = ""
    reason: str = ""


MATCHED = Verdict(MatchVerdict.MATCHED)


@dataclass(frozen=True)
class Listener:
    """A trigger that listens, and the version that it starts."""

    trigger: Trigger
    version: WorkflowVersion

    @property
    def workflow(self) -> Workflow:
        """The workflow that it starts."""
        return self.version.workflow


def listeners(project_id: UUID, type: TriggerType, topics: Q) -> tuple[list[Listener], int]:
    """Return who listens, and how many more do than may.

    Also those that are switched off, so that it can be said why they do nothing. Archived workflows are silent.

    :param topics: a condition on subscriptions.
    """
    subscribed = Subscription.objects.filter(topics, project_id=project_id, type=type)
    found = Trigger.objects.filter(
        pk__in=subscribed.values("trigger_id"),
        is_registered=True,
        type=type,
        workflow__versions__number=F("workflow__version"),
    ).exclude(workflow__status=WorkflowStatus.ARCHIVED)
    # In the order in which their workflows' rows are locked, where they limit concurrency: everybody locks in the same one.
    rows = list(
        found.order_by("workflow_id", "id")
        .annotate(version_id=F("workflow__versions__id"), has_agent=F("workflow__versions__has_agent"))
        .select_related("workflow")
        .defer("workflow__definition")[: MAX_LISTENERS + 1]
    )
    left_out = found.count() - MAX_LISTENERS if len(rows) > MAX_LISTENERS else 0
    return [_listener(trigger) for trigger in rows[:MAX_LISTENERS]], left_out


def _listener(trigger: Trigger) -> Listener:
    version = WorkflowVersion(
        id=trigger.version_id,  # type: ignore[attr-defined]
        workflow=trigger.workflow,
        number=trigger.workflow.version,
        has_agent=trigger.has_agent,  # type: ignore[attr-defined]
    )
    version._state.adding = False
    return Listener(trigger, version)


def off(listener: Listener) -> Verdict | None:
    """Return why a trigger may start nothing now, if it may not."""
    if not listener.trigger.is_active:
        return Verdict(MatchVerdict.REFUSED, "trigger_off", "The trigger is switched off.")
    if listener.workflow.status == WorkflowStatus.DISABLED:
        why = f" ({listener.workflow.status_reason})" if listener.workflow.status_reason else ""
        return Verdict(MatchVerdict.REFUSED, "workflow_disabled", f"The workflow is disabled{why}.")
    return None


def filtered(triggers: Sequence[Trigger], value: Mapping[str, Any], *, now: datetime) -> dict[UUID, Verdict]:
    """Return what the filters of triggers say to something, by the triggers' ids. One without a filter lets all pass.

    :param value: what expressions see as ``trigger``.
    """
    verdicts = {trigger.pk: MATCHED for trigger in triggers}
    filters = list(_filters(triggers))
    for start in range(0, len(filters), FILTERS_AT_ONCE):
        verdicts |= _evaluated(filters[start : start + FILTERS_AT_ONCE], value, now)
    return verdicts


def _filters(triggers: Iterable[Trigger]) -> Iterator[tuple[UUID, str]]:
    for trigger in triggers:
        if text := trigger.config.get("filter"):
            (expression,) = parse_template(text).interpolations
            yield trigger.pk, expression.source


def _evaluated(filters: Sequence[tuple[UUID, str]], value: Mapping[str, Any], now: datetime) -> dict[UUID, Verdict]:
    expressions = [Expression(source) for _, source in filters]
    try:
        results = shared_evaluator().evaluate(expressions, {"trigger": value}, now=now)
    except ExpressionError as error:  # The evaluator itself broke down.
        return {trigger_id: _failed(error) for trigger_id, _ in filters}
    return {
        trigger_id: _failed(result.error) if result.error else _said(result.value)
        for (trigger_id, _), result in zip(filters, results, strict=True)
    }


def _failed(error: ExpressionError) -> Verdict:
    return Verdict(MatchVerdict.FAILED, "filter_failed", f"The filter failed ({error.code}): {error.message}")


def _said(value: Any) -> Verdict:
    if value is True:
        return MATCHED
    if value is False:
        return Verdict(MatchVerdict.FILTERED, "filtered", "The filter said no.")
    return Verdict(MatchVerdict.FAILED, "filter_not_boolean", "The filter is neither true nor false.")
