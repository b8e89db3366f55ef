"""What must hold in a live database at every moment, each as a query for the rows that break it.

Ids in brackets are those of the reliability requirements (I1 to I10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Cast, Coalesce

from executions.engine.limits import IS_COUNTED, limited
from executions.models import (
    ENDED,
    LIVE,
    Approval,
    ApprovalStatus,
    BlockedOn,
    ExecutionStatus,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from projects.files import default_storage
from workflows.models import Workflow

# What a sweep puts right may be wrong for so long.
GRACE = timedelta(seconds=60)
# Why a live execution may have neither a lease nor a time.
WITHOUT_TIME = (BlockedOn.PAUSED, BlockedOn.CALLBACK, BlockedOn.APPROVAL, BlockedOn.CONCURRENCY, BlockedOn.BUDGET)


@dataclass(frozen=True)
class Invariant:
    """A rule, and how to find what breaks it."""

    name: str
    rule: str
    broken: Callable[[datetime], QuerySet[Any]]


_invariants: list[Invariant] = []


def invariant(name: str, rule: str) -> Callable[[Callable[[datetime], QuerySet[Any]]], Any]:
    """Add a rule. Other apps add theirs."""

    def add(broken: Callable[[datetime], QuerySet[Any]]) -> Callable[[datetime], QuerySet[Any]]:
        _invariants.append(Invariant(name, rule, broken))
        return broken

    return add


def check_all(now: datetime) -> list[tuple[Invariant, list[str]]]:
    """Return every rule with up to ten ids of rows that break it."""
    return [
        (rule, [str(pk) for pk in rule.broken(now).order_by("pk").values_list("pk", flat=True)[:10]])
        for rule in _invariants
    ]


@invariant("held_or_due", "A live execution has a lease, a time to wake, or a reason to have neither.")
def _held_or_due(now: datetime) -> QuerySet[Any]:
    return WorkflowExecution.objects.filter(status__in=LIVE, lease_owner__isnull=True, wake_at__isnull=True).exclude(
        blocked_on__in=WITHOUT_TIME
    )


@invariant("lease_renewed", "No lease is long expired. [I3]")
def _lease_renewed(now: datetime) -> QuerySet[Any]:
    return WorkflowExecution.objects.filter(lease_expires_at__lt=now - GRACE)


@invariant("completed_once", "A node completes once in each iteration of an execution. [I4]")
def _completed_once(now: datetime) -> QuerySet[Any]:
    doubles = (
        WorkflowExecutionLog.objects.filter(status=ExecutionStatus.COMPLETED)
        .values("execution", "node_id", "iteration")
        .annotate(times=Count("pk"))
        .filter(times__gt=1)
    )
    return WorkflowExecution.objects.filter(pk__in=doubles.values("execution"))


@invariant("nothing_after_completion", "No attempt of a node starts after it has completed. [I5]")
def _nothing_after_completion(now: datetime) -> QuerySet[Any]:
    completed = WorkflowExecutionLog.objects.filter(
        execution=OuterRef("execution"),
        node_id=OuterRef("node_id"),
        iteration=OuterRef("iteration"),
        status=ExecutionStatus.COMPLETED,
        attempt__lt=OuterRef("attempt"),
    )
    return WorkflowExecutionLog.objects.filter(Exists(completed))


@invariant("ended_is_ended", "An ended execution has no live node run. [I6]")
def _ended_is_ended(now: datetime) -> QuerySet[Any]:
    return WorkflowExecutionLog.objects.filter(execution__status__in=ENDED, status__in=LIVE)


@invariant("child_ends_with_parent", "No live execution is waited for by one that has ended.")
def _child_ends_with_parent(now: datetime) -> QuerySet[Any]:
    return WorkflowExecution.objects.filter(status__in=LIVE, is_waited_for=True, parent__status__in=ENDED)


@invariant("end_is_told", "No node run waits for a sub-workflow that has ended without its answer.")
def _end_is_told(now: datetime) -> QuerySet[Any]:
    told = WorkflowExecution.objects.filter(parent_node_run_id=OuterRef("pk"), is_waited_for=True, status__in=ENDED)
    return WorkflowExecutionLog.objects.filter(Exists(told), status__in=LIVE, answer__isnull=True)


@invariant("open_is_awaited", "An approval is open as long as its node run waits for it, and no longer.")
def _open_is_awaited(now: datetime) -> QuerySet[Any]:
    waits = WorkflowExecutionLog.objects.filter(
        pk=OuterRef("node_run_id"), status=ExecutionStatus.RUNNING, answer__isnull=True
    )
    return Approval.objects.open().filter(~Exists(waits))


@invariant("decided_is_told", "No node run waits for an approval that was decided.")
def _decided_is_told(now: datetime) -> QuerySet[Any]:
    decided = Approval.objects.filter(
        node_run_id=OuterRef("pk"), status__in=[ApprovalStatus.APPROVED, ApprovalStatus.REJECTED]
    )
    return WorkflowExecutionLog.objects.filter(Exists(decided), status__in=LIVE, answer__isnull=True)


@invariant("overdue_is_ended", "Nothing lives long past its deadline.")
def _overdue_is_ended(now: datetime) -> QuerySet[Any]:
    return WorkflowExecution.objects.filter(status__in=LIVE, deadline_at__lt=now - GRACE)


@invariant("end_has_a_reason", "An execution that did not complete says why.")
def _end_has_a_reason(now: datetime) -> QuerySet[Any]:
    return WorkflowExecution.objects.filter(
        status__in=[status for status in ENDED if status != ExecutionStatus.COMPLETED], error__isnull=True
    )


@invariant("times_in_order", "An execution does not end before it was accepted.")
def _times_in_order(now: datetime) -> QuerySet[Any]:
    return WorkflowExecution.objects.filter(completed_at__lt=F("started_at"))


@invariant("file_is_there", "Every file that a node run names lies in the storage.")
def _file_is_there(now: datetime) -> QuerySet[Any]:
    runs, storage = WorkflowExecutionLog.objects.filter(output_file__isnull=False), default_storage()
    named = runs.values_list("pk", "output_file").iterator()
    missing = [pk for pk, name in named if name is not None and not storage.exists(name)]
    # Asked once more by their ids: what the clean-up has removed meanwhile, row and file, is not missing.
    return runs.filter(pk__in=missing)


# The limit of an execution's own version.
_LIMIT = "workflow_version__definition__settings__concurrency"


def _max_of_its_version() -> Cast:
    return Cast(F(f"{_LIMIT}__max"), IntegerField())


@invariant("within_limit", "Of a group, no more executions are under way than the largest limit among them allows.")
def _within_limit(now: datetime) -> QuerySet[Any]:
    # The one that was let in last found room for all that are still under way, itself included, within its own limit.
    groups = limited().filter(IS_COUNTED).values("workflow", "concurrency_key")
    too_full = groups.annotate(under_way=Count("pk"), most=Max(_max_of_its_version())).filter(under_way__gt=F("most"))
    return Workflow.objects.filter(pk__in=too_full.values("workflow"))


@invariant("room_is_given", "No execution waits for long that is the first in line and for which there is room.")
def _room_is_given(now: datetime) -> QuerySet[Any]:
    same_group = limited().filter(workflow=OuterRef("workflow"), concurrency_key=OuterRef("concurrency_key"))
    waiting = limited().filter(blocked_on=BlockedOn.CONCURRENCY)
    before_it = Q(created_at__lt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk"))
    is_first = ~Exists(same_group.filter(before_it, blocked_on=BlockedOn.CONCURRENCY))
    counted = same_group.filter(IS_COUNTED).order_by().values("workflow").annotate(counted=Count("pk"))
    under_way = Coalesce(Subquery(counted.values("counted")), 0)
    first = waiting.filter(is_first, created_at__lt=now - GRACE)
    # One that replaces the oldest waits for nothing but the end of that one.
    has_room = Q(under_way__lt=F("most")) | Q(**{f"{_LIMIT}__on_limit": "cancel_oldest"})
    return first.annotate(under_way=under_way, most=_max_of_its_version()).filter(has_room)
