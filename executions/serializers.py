"""Executions and node runs as the API shows them."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from executions import worker_processes
from executions.blockers import MOST_BLOCKERS, blockers
from executions.downloads import download_path
from executions.engine.clock import database_now
from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.reference import FILE_COLUMNS
from executions.services.links import open_waits
from executions.tree import Relation
from projects.rest import StrictSerializer

MAX_WAIT_SECONDS = 60


class ExecutionSerializer(serializers.ModelSerializer[WorkflowExecution]):
    """An execution in a list: what happened, without what went in and came out."""

    version = serializers.IntegerField(
        source="workflow_version.number", read_only=True, allow_null=True, help_text="Null: a draft that was tried."
    )

    blocked_detail = serializers.SerializerMethodField(help_text="More about `blocked_on`, in a sentence.")

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
            "queue",
            "wake_at",
            "triggered_by",
            "trigger_id",
            "scheduled_for",
            "is_test",
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
            "is_cost_complete",
            "error",
        ]
        read_only_fields = fields

    def get_blocked_detail(self, execution: WorkflowExecution) -> str:
        """Return why it does not move; also that nobody will take it, which no row says."""
        if worker_processes.is_left_waiting(execution, now=timezone.now()) and execution.queue in self._unserved:
            return worker_processes.nobody_serves(execution.queue)
        return execution.blocked_detail

    @property
    def _unserved(self) -> frozenset[str]:
        # Once for a list, however many of its executions wait.
        context = cast(dict[str, Any], self.context)
        if "unserved" not in context:
            context["unserved"] = worker_processes.unserved(database_now())
        return cast(frozenset[str], context["unserved"])


class BlockerSerializer(serializers.ModelSerializer[WorkflowExecution]):
    """An execution that another one waits for."""

    class Meta:
        model = WorkflowExecution
        fields: ClassVar[list[str]] = ["id", "workflow_name", "status", "blocked_on", "created_at"]
        read_only_fields = fields


class WaitSerializer(serializers.Serializer[Any]):
    """A node that waits for somebody outside."""

    node_id = serializers.CharField()
    iteration = serializers.CharField()
    waits_for = serializers.CharField(help_text="`callback` or `approval`.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    approval = serializers.UUIDField(allow_null=True)


class OutputFileSerializer(serializers.Serializer[Any]):
    """An output that is too large to be shown with its node run."""

    size = serializers.IntegerField(help_text="Bytes of JSON.")
    sha256 = serializers.CharField()
    url = serializers.CharField(help_text="Where it can be downloaded.")


def _shown_file(node_run: WorkflowExecutionLog) -> dict[str, Any] | None:
    """Return what is said of the file in which a node run's output lies; None if it is in the row. Reads no file."""
    file = node_run.file
    if file is None:
        return None
    url = f"{settings.WEBHOOK_BASE_URL}{download_path(node_run)}"
    return {"size": file.size, "sha256": file.sha256, "url": url}


class ExecutionDetailSerializer(ExecutionSerializer):
    """One execution with what went in and came out."""

    result_file = serializers.SerializerMethodField(
        help_text="Of a large result, which `result` leaves out: where the output is of which it is the `value`."
    )

    blocked_by = serializers.SerializerMethodField(
        help_text=f"Executions that must end before this one goes on: its sub-workflows, or those that are under way when it "
        f"waits for its turn. The oldest {MOST_BLOCKERS} of them."
    )

    waits = serializers.SerializerMethodField(
        help_text="Nodes that wait for a call or an approval: since when, until when, and for which approval."
    )

    class Meta(ExecutionSerializer.Meta):
        fields: ClassVar[list[str]] = [
            *ExecutionSerializer.Meta.fields,
            "waits",
            "execution_context",
            "result",
            "result_file",
            "started_by",
            "blocked_by",
            "idempotency_key",
            "ip_address",
            "user_agent",
        ]
        read_only_fields = fields

    @extend_schema_field(OutputFileSerializer(allow_null=True))
    def get_result_file(self, execution: WorkflowExecution) -> dict[str, Any] | None:
        """Say where a large result is."""
        if execution.result_in is None:
            return None
        run = execution.node_runs.only("execution_id", *FILE_COLUMNS).filter(pk=execution.result_in).first()
        return None if run is None else _shown_file(run)

    @extend_schema_field(WaitSerializer(many=True))
    def get_waits(self, execution: WorkflowExecution) -> list[Any]:
        """Return what it waits for from outside."""
        if execution.has_ended or execution.status == ExecutionStatus.PENDING:
            return []
        return list(WaitSerializer(open_waits(execution), many=True).data)

    @extend_schema_field(BlockerSerializer(many=True))
    def get_blocked_by(self, execution: WorkflowExecution) -> list[Any]:
        """Return what it waits for, so far as other executions are that."""
        rows = blockers(execution).defer("execution_context", "result", "error")[:MOST_BLOCKERS]
        return list(BlockerSerializer(rows, many=True).data)


class PassesSerializer(serializers.Serializer[Any]):
    """How far the passes of a scope have come."""

    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    open = serializers.IntegerField()
    total = serializers.IntegerField(
        allow_null=True, help_text="How many there will be; null while nobody can know, as with `while`."
    )


class NodeStateSerializer(serializers.Serializer[Any]):
    """What has become of one node of an execution."""

    node_id = serializers.CharField()
    state = serializers.CharField(
        help_text="`completed`, `running`, `waiting`, `retrying`, `failed`, `timeout`, `cancelled`, `skipped` or `pending`. Of a "
        "node in a scope, the one of its `counts` that most wants attention."
    )
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Of a node in a scope: how many of its runs are, or ended, in which state.",
    )
    passes = PassesSerializer(allow_null=True, help_text="Of a scope that lies in no other one.")


class NodeRunSerializer(serializers.ModelSerializer[WorkflowExecutionLog]):
    """One attempt of one node."""

    # Not the model's choices: packages add types of their own.
    node_type = serializers.CharField(read_only=True)
    is_pinned = serializers.BooleanField(
        read_only=True, help_text="Not run: the node is pinned, and the execution a test."
    )
    is_edited = serializers.BooleanField(
        read_only=True, help_text="Taken over with an output that was given when the execution was run again."
    )
    output_file = serializers.SerializerMethodField(
        help_text="Of a large output, which `output_data` leaves out: its size, its SHA-256, and where it can be downloaded."
    )

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
            "waits_for",
            "state",
            "wake_at",
            "reused_from",
            "is_edited",
            "is_pinned",
            "started_at",
            "completed_at",
            "duration_ms",
            "input_data",
            "output_data",
            "output_file",
            "error",
            "tokens_used",
            "cost",
        ]
        read_only_fields = fields

    @extend_schema_field(OutputFileSerializer(allow_null=True))
    def get_output_file(self, node_run: WorkflowExecutionLog) -> dict[str, Any] | None:
        """Say where a large output is."""
        return _shown_file(node_run)


class WaitingInput(StrictSerializer):
    """How long whoever starts something waits for its end."""

    wait_seconds = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=MAX_WAIT_SECONDS,
        help_text="How long to wait for the end before answering.",
    )


class TestNodeSerializer(WaitingInput):
    """A run of one node of the draft alone."""

    node_id = serializers.CharField(max_length=64)
    input = serializers.JSONField(required=False, allow_null=True, default=None, help_text="What comes over its edge.")
    trigger = serializers.JSONField(
        required=False, allow_null=True, default=None, help_text="What expressions see as `trigger`."
    )
    outputs = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        default=dict,
        help_text="What other nodes have put out, by their ids. Those that are pinned are known without.",
    )
    items = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        default=dict,
        help_text="For a node in a scope: what the pass is about, by the scope's id.",
    )
    allow_write = serializers.BooleanField(
        required=False, default=False, help_text="Run it even if it changes something outside."
    )


class TestSerializer(WaitingInput):
    """A run of the draft."""

    input = serializers.JSONField(
        required=False,
        default=None,
        help_text="Must fit the workflow's `inputs`. Left out: what the trigger node has pinned, or an empty object.",
    )
    trigger = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=64,
        help_text="The id of the trigger node to begin at.",
    )


class RunSerializer(TestSerializer):
    """A manual start."""

    input = serializers.JSONField(required=False, default=dict, help_text="Must fit the workflow's `inputs`.")

    idempotency_key = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=255,
        help_text="Asked again with the same key and input, the answer is the first execution.",
    )


class RerunSerializer(StrictSerializer):
    """Running an ended execution again."""

    input = serializers.JSONField(required=False, help_text="Another value for `trigger`; without it, the same.")
    newest = serializers.BooleanField(required=False, default=False, help_text="On the newest version, not its own.")
    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, max_value=2**31 - 1, help_text="On this version."
    )
    from_node = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=64,
        help_text="Only from this node on; what ran before it or beside it is taken over.",
    )
    iteration = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=100,
        help_text="The pass in which `from_node` lies, such as `3` or `3.1`; of a scope itself, the pass to begin with.",
    )
    outputs = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        default=dict,
        help_text="Other outputs for nodes that come before `from_node`, by node id.",
    )


class RelativeSerializer(serializers.Serializer[Any]):
    """An execution in a tree, and how it came to be there."""

    relation = serializers.ChoiceField(
        choices=Relation.choices, allow_null=True, help_text="What it is to the one above it. Of the root, null."
    )
    above = serializers.UUIDField(allow_null=True, help_text="The execution right above it.")
    execution = ExecutionSerializer()


class TreeSerializer(serializers.Serializer[Any]):
    """Everything that an execution belongs to: sub-workflows, reruns, error workflows."""

    root = serializers.UUIDField(help_text="The execution with which it began.")  # type: ignore[assignment]
    executions = RelativeSerializer(many=True, help_text="All of them, the oldest first.")
    is_cut = serializers.BooleanField(help_text="There are more than are shown.")


class CancelSerializer(StrictSerializer):
    """Why an execution is stopped."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=300)
