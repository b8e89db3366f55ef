"""What an agent is told when it begins, and what is remembered when it is done."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from executions import services
from executions.conversations.memory import Memory, recall, remember_all, usable_key
from executions.engine.agents import AgentRun, begun_tools
from executions.engine.versions import CompiledVersion
from executions.exceptions import NotRunnable
from executions.models import WorkflowExecution
from workflows.definition.schema import Node
from workflows.nodes.base import NodeError
from workflows.services import workflow_called


def told(execution: WorkflowExecution, version: CompiledVersion, agent: AgentRun) -> dict[str, Any]:
    """Return the tools and the memory of an agent that begins.

    :raises NodeError: ``unknown_workflow``, if one of its tools is a workflow that is not there; ``invalid_memory_key``.
    """
    inputs_of = {
        node_id: _inputs_of(node, execution)
        for node_id, node in agent.agent_body.attached.items()
        if _workflow_of(node) is not None
    }
    return {"tools": begun_tools(agent.agent_body, version, inputs_of), "memory": _recalled(execution, agent)}


def _recalled(execution: WorkflowExecution, agent: AgentRun) -> list[Any]:
    memory = agent.settings.memory
    if memory is None:
        return []
    return list(recall(execution.project_id, usable_key(memory.key), memory.window, is_test=execution.is_test))


def remember(execution: WorkflowExecution, done: Iterable[tuple[AgentRun, Any]], *, now: datetime) -> None:
    """Add what agents were asked and have answered, without secrets, to their conversations. Belongs into the commit that records it."""
    remember_all([_memory_of(execution, agent, answer) for agent, answer in done], now=now)


def _memory_of(execution: WorkflowExecution, agent: AgentRun, answer: Any) -> Memory:
    memory = agent.settings.memory
    assert memory is not None  # noqa: S101 - the caller has looked
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return Memory(
        execution.project_id,
        usable_key(memory.key),
        [{"role": "user", "content": agent.settings.prompt}, {"role": "assistant", "content": text}],
        execution.pk,
        agent.node_id,
        agent.row.pk,
        execution.is_test,
    )


def _workflow_of(node: Node) -> str | None:
    """Return which workflow an attached node runs, if it runs one."""
    if node.type != "tool" or node.config.get("tool") != "workflow.run":
        return None
    name = node.config.get("with", {}).get("workflow")
    return name if isinstance(name, str) else None


def _inputs_of(node: Node, execution: WorkflowExecution) -> dict[str, Any]:
    """Return what the workflow that a node runs takes as input, but for what the node gives itself."""
    name = _workflow_of(node) or ""
    workflow = workflow_called(name, project_id=execution.project_id)
    if workflow is None:
        raise NodeError(
            "unknown_workflow", f"`{node.id}`: the project has no workflow with the name or id {name[:200]!r}."
        )
    try:
        version = services.newest_version(workflow)
    except NotRunnable as error:
        raise NodeError("workflow_not_runnable", f"`{node.id}`: {error.message}") from error
    schema: dict[str, Any] = dict(version.definition.get("inputs") or {"type": "object"})
    fixed = node.config["with"].get("input", {})
    if not isinstance(fixed, dict) or not fixed or "properties" not in schema:
        return schema
    properties = {key: value for key, value in schema["properties"].items() if key not in fixed}
    required = [key for key in schema.get("required", []) if key not in fixed]
    return schema | {"properties": properties, "required": required}
