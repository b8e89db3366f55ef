"""Executions and node runs as the API shows them."""

from __future__ import annotations

from typing import ClassVar

from rest_framework import serializers

from executions.models import WorkflowExecution, WorkflowExecutionLog
from projects.rest import StrictSerializer

MAX_WAIT_SECONDS = 60


class ExecutionSerializer(serializers.ModelSerializer[WorkflowExecution]):
    """An execution in a list: what happened, without what went in and came out."""

    version = serializers.IntegerField(source="workflow_version.number", read_only=True)

    class Meta:
        model = WorkflowExecution
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "workflow_name",
            "version",
            "status",
            "blocked_on",
            "blocked_detail",
            "wake_at",
            "triggered_by",
            "trigger_id",
            "scheduled_for",
            "rerun_of",
            "parent",
            "depth",
            "failure_of",
            "created_at",
            "started_at",
            "completed_at",
            "deadline_at",
            "duration_seconds",
            "nodes_executed",
            "tokens_used",
            "cost",
            "error",
        ]
        read_only_fields = fields


class ExecutionDetailSerializer(ExecutionSerializer):
    """One execution with what went in and came out."""

    class Meta(ExecutionSerializer.Meta):
        fields: ClassVar[list[str]] = [
            *ExecutionSerializer.Meta.fields,
            "execution_context",
            "result",
            "started_by",
            "idempotency_key",
            "ip_address",
            "user_agent",
        ]
        read_only_fields = fields


class NodeRunSerializer(serializers.ModelSerializer[WorkflowExecutionLog]):
    """One attempt of one node."""

    class Meta:
        model = WorkflowExecutionLog
        fields: ClassVar[list[str]] = [
            "id",
            "node_id",
            "node_name",
            "node_type",
            "iteration",
            "attempt",
            "interruptions",
            "status",
            "ports",
            "wake_at",
            "started_at",
            "completed_at",
            "duration_ms",
            "input_data",
            "output_data",
            "error",
            "tokens_used",
            "cost",
        ]
        read_only_fields = fields


class RunSerializer(StrictSerializer):
    """A manual start."""

    input = serializers.JSONField(required=False, default=dict, help_text="Must fit the workflow's `inputs`.")
    trigger = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=64,
        help_text="The id of the trigger node to begin at.",
    )
    idempotency_key = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=255,
        help_text="Asked again with the same key and input, the answer is the first execution.",
    )
    wait_seconds = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=MAX_WAIT_SECONDS,
        help_text="How long to wait for the end before answering.",
    )


class RerunSerializer(StrictSerializer):
    """Running a finished execution again."""

    input = serializers.JSONField(required=False, help_text="Another value for `trigger`; without it, the same.")
    newest = serializers.BooleanField(required=False, default=False, help_text="On the newest version, not its own.")


class CancelSerializer(StrictSerializer):
    """Why an execution is stopped."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
