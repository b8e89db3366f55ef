"""An agent that is under way: a scope whose passes are its steps.

What it does next, :mod:`workflows.nodes.agent.steps` says; here is what its rows say of the steps so far, and what each step is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from executions.engine.journal import Journal
from executions.engine.planner import Frame
from executions.engine.scopes import Pass, Scope
from executions.engine.versions import AgentBody, CompiledVersion, approval_node, is_server
from executions.models import ExecutionStatus, WorkflowExecutionLog
from executions.outputs.for_nodes import opened
from workflows.catalogue import description_of
from workflows.definition.schema import Node
from workflows.graph import AGENT, Graph
from workflows.nodes.agent.asking import edited, refuse_misfit
from workflows.nodes.agent.config import AgentConfig
from workflows.nodes.agent.conversation import instructions_of, messages_of, with_repair
from workflows.nodes.agent.node import TASK
from workflows.nodes.agent.server_tools import told_of, tools_of
from workflows.nodes.agent.steps import Begin, Decision, Fail, Finish, History, Result, Step, Tool, decide
from workflows.nodes.base import NodeError
from workflows.nodes.webhook.approve import REJECTED
from workflows.tools.base import catalogue
from workflows.tools.storage import contents

# The kinds of step that run a node; a refused call is over before it begins.
_RUN = ("model", "tool", "ask", "list")


@dataclass(eq=False)
class AgentRun(Scope):
    """An agent whose steps are under way. ``row`` is its node run.

    :param config: evaluated, but for its models.
    :param told: what was looked up when it began: ``{"tools": […], "memory": […]}``. Recorded, so that a replay sees the same.
    """

    config: AgentConfig | None = None
    told: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    # What its model calls, and those of the agents that it has as tools, have used; None: the price of one is not known.
    tokens: int = 0
    cost: Decimal | None = Decimal(0)
    _tools: dict[str, Tool] | None = None

    @property
    def agent_body(self) -> AgentBody:
        """What its steps run."""
        assert isinstance(self.body, AgentBody)  # noqa: S101 - only agents are made into one
        return self.body

    @property
    def settings(self) -> AgentConfig:
        """Its config."""
        assert self.config is not None  # noqa: S101 - it is given
        return self.config

    def state(self) -> dict[str, Any]:
        """Return its steps, as they are recorded; what they came to is in their own node runs."""
        steps = [step.to_json() for step in self.history.steps]
        return {"next": len(steps), "open": sorted(self.open), "steps": steps}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what is recorded of its steps."""
        self.history.steps = [Step.from_json(each) for each in state["steps"]]

    def graph_of(self, index: int) -> Graph:
        """Return what a step runs."""
        step = self.history.steps[index]
        return self.agent_body.graph_of_step(step.kind, self.node_id, step.node)

    # --- What follows -----------------------------------------------------------------------------------------------

    def decide(self) -> Decision | None:
        """Return what follows; None while a step is under way."""
        if not self.history.is_at_rest:
            return None
        servers = [
            node_id for node_id, node in self.agent_body.attached.items() if is_server(node) and not node.disabled
        ]
        try:
            tools = self.tools
        except NodeError as error:
            return Fail(error)
        return decide(self.settings, tools, servers, self.history)

    def begin(self, decision: Begin) -> list[Pass]:
        """Note the steps that begin, and open the passes of those that run something."""
        opened = []
        for step in decision.steps:
            index = len(self.history.steps)
            self.history.steps.append(step)
            if step.kind in _RUN:
                opened.append(self.new_pass(index))
            else:
                self.history.results[index] = Result(error={"code": "refused", "message": step.said})
        return opened

    def note_done(self, here: Pass, outputs: Mapping[str, Any]) -> None:
        """Note that a step is done.

        :param outputs: of the nodes of its pass that have settled.
        """
        step = self.history.steps[here.index]
        if step.kind == "tool" and step.node not in outputs:
            self.history.results[here.index] = Result(rejected=_rejected(outputs.get(approval_node(step.node))))
            return
        (output,) = [outputs[node_id] for node_id in here.frame.graph.ends() if node_id in outputs]
        if step.kind == "tool":
            output = _told(self.agent_body.attached[step.node], output)
        self.history.results[here.index] = Result(output)

    def spend(self, tokens: int, cost: Decimal | None) -> None:
        """Count what a model call has used."""
        self.tokens += tokens
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def spend_below(self, tokens: int, cost: Decimal | None) -> None:
        """Count what an agent that is a tool of this one has used."""
        self.history.tokens_below += tokens
        self.spend(tokens, cost)

    def note_failed(self, index: int, row: WorkflowExecutionLog) -> None:
        """Note that a step has failed."""
        error = {**(row.error or {}), "node_id": row.node_id, "iteration": row.iteration}
        self.history.results[index] = Result(error=error)

    def recall(self, journal: Journal) -> None:
        """Read what the steps came to that ended before this process took over."""
        wanted = [
            index for index, step in enumerate(self.history.steps) if index not in self.open and step.kind in _RUN
        ]
        rows = journal.ended_in([self.path_of(index) for index in wanted], self.body.node_ids)
        for index, step in enumerate(self.history.steps):
            if index in self.open:
                continue
            if step.kind not in _RUN:
                self.history.results[index] = Result(error={"code": "refused", "message": step.said})
                continue
            attempts = [row for row in rows if row.iteration == self.path_of(index)]
            for row in attempts:
                if step.kind == "model":
                    self.spend(row.tokens_used, row.cost)
                elif step.kind == "tool" and row.node_type == AGENT:
                    self.spend_below(row.tokens_used, row.cost)
            in_pass = {row.node_id: row for row in attempts}  # The last one of each node.
            uncaught = [row for row in in_pass.values() if row.status == ExecutionStatus.FAILED and not row.ports]
            failed = next(iter(uncaught), None)
            if failed is not None:
                self.note_failed(index, failed)
            else:
                outputs = {node_id: opened(row.file or row.output_data, node_id) for node_id, row in in_pass.items()}
                self.note_done(Pass(self.path_of(index), Frame(self.graph_of(index)), scope=self, index=index), outputs)

    # --- What a step is given ---------------------------------------------------------------------------------------

    @property
    def tools(self) -> dict[str, Tool]:
        """What the model may call, by name; those of servers once they are known.

        :raises NodeError: if a server has not what the author lists.
        """
        if self._tools is None:
            found = [Tool(**each) for each in self.told["tools"]]
            is_known = True
            for number, step in enumerate(self.history.steps):
                if step.kind != "list":
                    continue
                result = self.history.results.get(number)
                if result is None or result.error is not None:
                    is_known = False
                    continue
                node = self.agent_body.attached[step.node]
                wanted = node.as_tool.tools if node.as_tool else None
                found += tools_of(node.id, wanted or (), result.output["tools"])
            by_name = {tool.name: tool for tool in found}
            if len(by_name) < len(found):
                raise NodeError(
                    "duplicate_tool",
                    f"Two tools of `{self.node_id}` have one name, or names of which only signs that no provider takes differ. "
                    "Shorten the ids of its servers' nodes, or list fewer of their tools.",
                )
            if not self.history.steps or not is_known:
                return by_name
            self._tools = by_name
        return self._tools

    def call_of(self, index: int) -> Mapping[str, Any]:
        """Return the tool call, as the model wrote it, that a step carries out."""
        number, at = self.history.steps[index].call
        call: Mapping[str, Any] = self.history.results[number].output["parts"][at]
        return call

    def input_for(self, here: Pass, node_id: str, journal: Journal) -> Any:
        """Return what a node of a step is given.

        :raises NodeError: if that is not what it takes.
        """
        step = self.history.steps[here.index]
        match step.kind:
            case "model":
                return self._question(here.index, step)
            case "ask":
                return {"question": step.question, "details": self._so_far()}
            case "list":
                return None
        call = self.call_of(here.index)
        tool = self.tools[call["name"]]
        arguments = call["arguments"]
        if node_id == approval_node(step.node):
            return {"arguments": arguments, "parameters": tool.parameters}
        if approval_node(step.node) in here.frame.graph.nodes:
            decision = journal.outputs(here.iteration, [approval_node(step.node)])[approval_node(step.node)]
            arguments = edited(arguments, decision.get("form") or {})
        refuse_misfit(tool.name, tool.parameters, arguments)
        return {"tool": tool.remote, "arguments": arguments} if tool.remote else arguments

    def seen_of(self, here: Pass, node_id: str, given: Any) -> Any:
        """Return what the expressions of a node of a step see as ``input``, of what the node is given."""
        step = self.history.steps[here.index]
        if step.kind == "model":
            return self.input  # What its models are called is written for what comes to the agent, as its prompt is.
        # ``approval`` is written for the arguments, as everything that a tool says is.
        return given["arguments"] if step.kind == "tool" and node_id == approval_node(step.node) else given

    def shown_of(self, index: int, given: Any) -> dict[str, Any]:
        """Return what a node run records of what it was given: of a model call only what is new, the rest is recorded already."""
        step = self.history.steps[index]
        if step.kind != "model":
            return {"given": given}
        known = max((number for number, _, _ in self.history.answers() if number < index), default=None)
        messages = given["messages"]
        if known is not None:
            # Behind the last answer.
            last = max(at for at, message in enumerate(messages) if message["role"] == "assistant")
            messages = messages[last + 1 :]
        return {"choice": step.choice, "new_messages": messages, "tools": [each["name"] for each in given["tools"]]}

    def _question(self, index: int, step: Step) -> dict[str, Any]:
        config, before = self.settings, History(self.history.steps[:index], self.history.results)
        files = [{"name": name, "media_type": contents.guessed_type(name)} for name in config.files]
        tools = self.tools
        messages = messages_of(config.prompt, files, self.told["memory"], before)
        return {
            "choice": step.choice,
            "instructions": instructions_of(config.instructions, has_tools=bool(tools)),
            "messages": with_repair(messages, step),
            "tools": [tool.to_json() for tool in tools.values()],
            "output_schema": config.output_schema,
            "files": list(config.files),
        }

    def _so_far(self) -> dict[str, Any]:
        return {
            "turns": sum(step.kind == "model" for step in self.history.steps),
            "tool_calls": self.history.tool_calls,
            "tokens": self.history.tokens,
            "limits": self.settings.limits.model_dump(),
        }

    # --- What it comes to -------------------------------------------------------------------------------------------

    def output(self, finish: Finish) -> dict[str, Any]:
        """Return the agent's output. Its ``cost`` is in US dollars, as text; null if the price of a call is not known."""
        answers = self.history.answers()
        usage: dict[str, int] = {}
        for _, _, answer in answers:
            for key, value in answer.get("usage", {}).items():
                usage[key] = usage.get(key, 0) + (value or 0)
        return {
            "answer": finish.answer,
            "model": self.history.results[finish.step].output.get("model"),
            "turns": sum(step.kind == "model" for step in self.history.steps),
            "tool_calls": self.history.tool_calls,
            "usage": usage,
            "cost": None if self.cost is None else str(self.cost),
        }


def begun_tools(body: AgentBody, version: CompiledVersion, inputs_of: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the model of an agent is told of what is attached to it, but for servers.

    :param inputs_of: the ``inputs`` of the workflows that are called, by the ids of the nodes that call them.
    """
    found = []
    for node_id, node in body.attached.items():
        if node.disabled or is_server(node):
            continue
        said = node.as_tool
        description = said.description if said and said.description else description_of(node)
        parameters: Any = said.parameters if said and said.parameters is not None else inputs_of.get(node_id)
        if parameters is None:
            parameters = TASK if node.type == "agent" else _open_schema(version, node_id)
        found.append(Tool(said.name if said and said.name else node_id, node_id, description, parameters).to_json())
    return found


def _open_schema(version: CompiledVersion, node_id: str) -> dict[str, Any]:
    config = version.nodes[node_id].node.config
    return catalogue()[config["tool"]].open_schema(config.get("with", {}))


def _told(tool: Node, output: Any) -> Any:
    """Return what a model is told of what a tool put out."""
    if tool.type == AGENT and isinstance(output, Mapping):
        return output.get("answer", output)
    return told_of(output) if tool.config.get("tool") == "mcp.call" else output


def _rejected(decision: Any) -> str:
    """Return what a model is told of a call that people did not approve."""
    if not isinstance(decision, Mapping) or decision.get("decision") != REJECTED:
        return "This call was not made."
    by = f" by {decision['decided_by']}" if decision.get("decided_by") else ""
    comment = str(decision.get("comment") or "").rstrip(".")
    return f"A person had to approve this call, and it was rejected{by}{f': {comment}' if comment else ''}. It was not made."
