"""What lists of executions can be narrowed by."""

from __future__ import annotations

import django_filters
from django.db.models import Q, QuerySet

from executions.models import (
    Approval,
    ApprovalQuerySet,
    ApprovalStatus,
    ExecutionQueue,
    ExecutionStatus,
    GoneEndpoint,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from projects.filters import MomentFilter, TrueOrFalseFilter
from workflows.models import TriggerType


class ExecutionFilter(django_filters.FilterSet):
    """By project, workflow, status, time, and what started it."""

    project = django_filters.UUIDFilter(field_name="project_id")
    workflow = django_filters.UUIDFilter(field_name="workflow_id")
    # Not distinct: no row comes twice, and DISTINCT would read and sort all that fit before the first page.
    status = django_filters.MultipleChoiceFilter(choices=ExecutionStatus.choices, distinct=False)
    queue = django_filters.ChoiceFilter(choices=ExecutionQueue.choices)
    triggered_by = django_filters.ChoiceFilter(choices=TriggerType.choices)
    trigger = django_filters.UUIDFilter(field_name="trigger_id")
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")
    is_test = TrueOrFalseFilter(help_text="Those that try drafts, or those that do not.")
    rerun_of = django_filters.UUIDFilter(field_name="rerun_of_id")
    parent = django_filters.UUIDFilter(field_name="parent_id")
    failure_of = django_filters.UUIDFilter(field_name="failure_of_id")

    class Meta:
        model = WorkflowExecution
        fields: list[str] = []


class NodeRunFilter(django_filters.FilterSet):
    """By node, pass, attempt and status."""

    node_id = django_filters.CharFilter(max_length=64)
    iteration = django_filters.CharFilter(
        max_length=100, help_text="The path of one pass, such as `3` or `3.1`. Given and empty: what lies in no scope."
    )
    within = django_filters.CharFilter(
        max_length=100, method="in_pass", help_text="The path of a pass: what ran in it, and in the scopes in it."
    )
    attempt = django_filters.NumberFilter(min_value=1, max_value=32_767)
    status = django_filters.MultipleChoiceFilter(choices=ExecutionStatus.choices, distinct=False)

    class Meta:
        model = WorkflowExecutionLog
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[WorkflowExecutionLog]) -> QuerySet[WorkflowExecutionLog]:
        """Take an empty iteration for what it is: that of the top. Other empty filters are none."""
        found = super().filter_queryset(queryset)
        return found.filter(iteration="") if (self.data or {}).get("iteration") == "" else found

    def in_pass(self, queryset: QuerySet[WorkflowExecutionLog], _: str, path: str) -> QuerySet[WorkflowExecutionLog]:
        return queryset.filter(Q(iteration=path) | Q(iteration__startswith=f"{path}."))


class ApprovalFilter(django_filters.FilterSet):
    """By project, workflow, execution, status, and whether it still waits."""

    project = django_filters.UUIDFilter(field_name="project_id")
    workflow = django_filters.UUIDFilter(field_name="workflow_id")
    execution = django_filters.UUIDFilter(field_name="execution_id")
    status = django_filters.MultipleChoiceFilter(choices=ApprovalStatus.choices, method="of_status")
    open = TrueOrFalseFilter(field_name="ended_at", lookup_expr="isnull")

    class Meta:
        model = Approval
        fields: list[str] = []

    def of_status(self, queryset: ApprovalQuerySet, name: str, statuses: list[str]) -> QuerySet[Approval]:
        """Keep those with one of some statuses. The few that are open have an index of their own."""
        return queryset.open() if statuses == [ApprovalStatus.OPEN] else queryset.filter(status__in=statuses)


class GoneEndpointFilter(django_filters.FilterSet):
    """By project."""

    project = django_filters.UUIDFilter(field_name="project_id")

    class Meta:
        model = GoneEndpoint
        fields: list[str] = []
