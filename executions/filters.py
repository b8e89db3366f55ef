"""What lists of executions can be narrowed by."""

from __future__ import annotations

import django_filters

from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from workflows.models import TriggerType


class ExecutionFilter(django_filters.FilterSet):
    """By project, workflow, status, time, and what started it."""

    project = django_filters.UUIDFilter(field_name="project_id")
    workflow = django_filters.UUIDFilter(field_name="workflow_id")
    status = django_filters.MultipleChoiceFilter(choices=ExecutionStatus.choices)
    triggered_by = django_filters.ChoiceFilter(choices=TriggerType.choices)
    trigger = django_filters.UUIDFilter(field_name="trigger_id")
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")
    rerun_of = django_filters.UUIDFilter(field_name="rerun_of_id")
    parent = django_filters.UUIDFilter(field_name="parent_id")
    failure_of = django_filters.UUIDFilter(field_name="failure_of_id")

    class Meta:
        model = WorkflowExecution
        fields: list[str] = []


class NodeRunFilter(django_filters.FilterSet):
    """By node and status."""

    node_id = django_filters.CharFilter(max_length=64)
    status = django_filters.MultipleChoiceFilter(choices=ExecutionStatus.choices)

    class Meta:
        model = WorkflowExecutionLog
        fields: list[str] = []
