"""The events of an execution, as data and as they go over the wire (server-sent events, WHATWG HTML 9.2)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.utils.encoders import JSONEncoder

from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.serializers import NodeRunSerializer

KEEP_ALIVE = ": keep-alive\n\n"


class Kind(StrEnum):
    """What an event tells of."""

    EXECUTION = "execution"  # Its status, or why it does not move, has changed.
    NODE_RUN = "node_run"  # One has begun, waits, goes on, or has ended.
    TEXT = "text"  # A piece of what a model is answering.
    END = "end"  # It has ended, and everything was told.


@dataclass(frozen=True)
class Event:
    """One event. ``id`` says how far its receiver was told when it has come."""

    kind: Kind
    data: dict[str, Any]
    id: str

    def on_the_wire(self) -> str:
        """Return the event as it is sent."""
        data = json.dumps(self.data, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))
        return f"id: {self.id}\nevent: {self.kind}\ndata: {data}\n\n"


def retry_in(seconds: float) -> str:
    """Return what tells a receiver when to come back once the connection ends."""
    return f"retry: {int(seconds * 1000)}\n\n"


class ExecutionEventSerializer(serializers.ModelSerializer[WorkflowExecution]):
    """What an event tells of the execution itself."""

    class Meta:
        model = WorkflowExecution
        fields: ClassVar[list[str]] = [
            "id",
            "status",
            "blocked_on",
            "blocked_detail",
            "wake_at",
            "started_at",
            "completed_at",
            "duration_seconds",
            "nodes_executed",
            "tokens_used",
            "cost",
            "error",
        ]
        read_only_fields = fields


class NodeRunEventSerializer(NodeRunSerializer):
    """What an event tells of a node run: not what went in and came out, which may be megabytes."""

    class Meta(NodeRunSerializer.Meta):
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
            "wake_at",
            "started_at",
            "completed_at",
            "duration_ms",
            "error",
            "tokens_used",
            "cost",
        ]
        read_only_fields = fields


# What is read of a node run for that.
NODE_RUN_COLUMNS = NodeRunEventSerializer.Meta.fields


def told_of_execution(execution: WorkflowExecution) -> dict[str, Any]:
    """Return what an event tells of an execution."""
    return dict(ExecutionEventSerializer(execution).data)


def told_of_node_run(row: WorkflowExecutionLog) -> dict[str, Any]:
    """Return what an event tells of a node run."""
    return dict(NodeRunEventSerializer(row).data)
