"""What an agent is told when it begins, and what is remembered when it is done."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from executions import conversations, services
from executions.engine.agents import AgentRun, begun_tools
from executions.engine.versions import CompiledVersion
from executions.exceptions import NotRunnable
from executions.models import WorkflowExecution
from workflows.definition.schema import Node
from workflows.nodes.base import NodeError
from workflows.services import workflow_called


def told(execution: WorkflowExecution, version: CompiledVersion, agent: AgentRun, *, now: datetime) -> dict[str, Any]:
    """Return the tools and the memory of an agent that begins.

    :raises NodeError: ``unknown_workflow``, if one of its tools is a workflow that is not there.
    """
    inputs_of = {
        node_id: _inputs_of(node, execution)
        for node_id, node in agent.agent_body.attached.items()
        if _workflow_of(node) is not None
    }
    memory = agent.settings.memory
    recalled = (
        []
        if memory is None
        else conversations.recall(execution.project_id, memory.key, window=memory.window, is_test=execution.is_test)
    )
    return {"tools": begun_tools(agent.agent_body, version, inputs_of), "memory": recalled}


def remember(execution: WorkflowExecution, done: Iterable[tuple[AgentRun, Any]], *, now: datetime) -> None:
    """Add what agents were asked and have answered to their conversations. Belongs into the commit that records it."""
    for agent, answer in done:
        memory = agent.settings.memory
        assert memory is not None  # noqa: S101 - the caller has looked
        text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
        messages = [{"role": "user", "content": agent.settings.prompt}, {"role": "assistant", "content": text}]
        conversations.remember(
            execution.project_id,
            memory.key,
            messages,
            execution_id=execution.pk,
            node_run_id=agent.row.pk,
            agent_id=agent.node_id,
            is_test=execution.is_test,
            now=now,
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
