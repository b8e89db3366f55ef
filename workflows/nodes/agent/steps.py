"""What an agent does next. Pure: its steps so far in, the next ones out; asked twice with the same steps, it says the same.

A *step* is one thing that an agent has done or is doing: a call of a model, a call of a tool, a question to people whether it may
go on, the look-up of a server's tools. The engine runs each as a pass of the agent and records it before it asks for the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from projects.exceptions import Invalid, TooLarge
from projects.payloads import parse_json
from workflows.definition.json_schema import value_problems
from workflows.llm.messages import ToolCallPart, text_in
from workflows.nodes.agent.config import MOST_TOOL_CALLS, AgentConfig
from workflows.nodes.base import NodeError

Kind = Literal["model", "tool", "refused", "ask", "list"]
# Codes of the errors with which a model call says that there is no money for it.
BUDGET_EXCEEDED, PRICE_UNKNOWN = "budget_exceeded", "price_unknown"
MOST_OF_A_PROBLEM = 5
_MOST_OF_AN_ANSWER = 4 * 1024 * 1024
# What people may be asked about.
MONEY, TURNS, TOKENS, TOOL_CALLS = "money", "turns", "tokens", "tool_calls"
# The choice of the model that is cheaper.
CHEAPER = -1


@dataclass(frozen=True)
class Step:
    """One step. Its number is its place in the list of all.

    :param node: the node that runs: the attached one of a tool call or a list; "" for the agent's own.
    :param choice: of a model call, the number of the model in the config; :data:`CHEAPER` is the cheaper one.
    :param call: of a tool call, the step and the part of its answer in which the model asked for it.
    :param beyond: of a model call, that people have allowed it to go beyond the budget.
    :param said: of a refused call, why; of a model call that is a repair, what was wrong with the answer before.
    :param about: of a question to people, which limit it is about; ``choice``, ``call`` and ``said`` are those of the step that
        follows if they allow it.
    :param question: what they are asked.
    """

    kind: Kind
    node: str = ""
    choice: int = 0
    call: tuple[int, int] = (0, 0)
    beyond: bool = False
    said: str = ""
    about: str = ""
    question: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        written = {key: value for key, value in asdict(self).items() if value and key != "call"}
        return written | ({"call": list(self.call)} if self.kind not in ("model", "list") else {})

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Step:
        """Return what :meth:`to_json` has written."""
        return cls(**{**written, "call": tuple(written.get("call", (0, 0)))})


@dataclass(frozen=True)
class Result:
    """What a step came to: an output, or an error (``{"code", "message", …}``)."""

    output: Any = None
    error: Mapping[str, Any] | None = None
    # Of a tool call that people had to approve and did not: what they said.
    rejected: str = ""


@dataclass(frozen=True)
class Tool:
    """What a model is told of a tool, and which node runs when it calls it.

    :param remote: of a server's tool, its name there.
    """

    name: str
    node: str
    description: str
    parameters: Mapping[str, Any]
    remote: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as it is recorded."""
        return {
            "name": self.name,
            "node": self.node,
            "description": self.description,
            "parameters": self.parameters,
            "remote": self.remote,
        }


@dataclass(frozen=True)
class Begin:
    """Begin these steps. They run at once."""

    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Finish:
    """The agent is done: with this answer, which that step gave."""

    answer: Any
    step: int


@dataclass(frozen=True)
class Fail:
    """The agent has failed."""

    error: NodeError


Decision = Begin | Finish | Fail


@dataclass
class History:
    """Steps of an agent, and what they came to as far as they are done; by their numbers."""

    steps: list[Step] = field(default_factory=list)
    results: dict[int, Result] = field(default_factory=dict)
    # Tokens of the agents that are tools of this one.
    tokens_below: int = 0

    @property
    def is_at_rest(self) -> bool:
        """Whether no step is under way."""
        return len(self.results) == len(self.steps)

    def answers(self) -> list[tuple[int, Step, Mapping[str, Any]]]:
        """Return the model calls that were answered: number, step, answer."""
        found = []
        for number, step in enumerate(self.steps):
            if step.kind == "model" and number in self.results and self.results[number].error is None:
                found.append((number, step, self.results[number].output))
        return found

    @property
    def tokens(self) -> int:
        """The tokens of all model calls, those of the agents that are its tools among them."""
        return sum(tokens_of(answer) for _, _, answer in self.answers()) + self.tokens_below

    @property
    def tool_calls(self) -> int:
        """How many calls of tools there were."""
        return sum(step.kind == "tool" for step in self.steps)


def tokens_of(answer: Mapping[str, Any]) -> int:
    """Return the tokens of one model call, input and output."""
    usage = answer.get("usage", {})
    return int(usage.get("input_tokens", 0)) + int(usage.get("output_tokens", 0))


def calls_in(answer: Mapping[str, Any]) -> list[tuple[int, ToolCallPart]]:
    """Return the tool calls that a model's answer asks for, each with the number of its part."""
    return [(at, part) for at, part in enumerate(answer["parts"]) if part["type"] == "tool_call"]


def decide(config: AgentConfig, tools: Mapping[str, Tool], servers: Sequence[str], history: History) -> Decision:
    """Return what follows, once no step is under way.

    :param tools: what the model may call, by name; those of servers as far as they are known.
    :param servers: attached nodes that stand for a server of tools, which is asked for them first.
    """
    if not history.steps and servers:
        return Begin(tuple(Step("list", node=node) for node in servers))
    for number, step in enumerate(history.steps):
        if step.kind == "list" and (error := history.results[number].error) is not None:
            return Fail(_failed("tools_unknown", f"The tools of `{step.node}` could not be asked for", error))
    leading = [number for number, step in enumerate(history.steps) if step.kind in ("model", "ask")]
    if not leading:
        return _model_call(config, history, Step("model"))
    last, step = leading[-1], history.steps[leading[-1]]
    result = history.results[last]
    if result.error is not None:
        return _after_failure(config, history, step, result.error)
    if step.kind == "ask":
        if result.output.get("decision") != "approved":
            return Fail(_not_allowed(step, result.output))
        if step.about != TOOL_CALLS:
            beyond = step.about == MONEY or _is_beyond(history)
            return _model_call(config, history, Step("model", choice=step.choice, beyond=beyond, said=step.said))
        return _after_answer(config, tools, history, step.call[0], since=last)
    return _after_answer(config, tools, history, last, since=last)


def _after_answer(
    config: AgentConfig, tools: Mapping[str, Tool], history: History, number: int, *, since: int
) -> Decision:
    """Return what follows on a model's answer.

    :param since: the last step before the calls that it asks for, if they have begun.
    """
    step, answer = history.steps[number], history.results[number].output
    calls = calls_in(answer)
    if not calls:
        return _final(config, history, number, step, answer)
    begun = list(enumerate(history.steps))[since + 1 :]
    if not begun:
        return _tool_calls(config, tools, history, number, calls)
    for at, each in begun:
        error = history.results[at].error
        if config.on_tool_error == "fail" and each.kind == "tool" and error is not None:
            return Fail(_failed("tool_failed", f"Its tool `{each.node}` failed", error))
    return _model_call(config, history, Step("model", choice=step.choice, beyond=step.beyond))


def _final(config: AgentConfig, history: History, number: int, step: Step, answer: Mapping[str, Any]) -> Decision:
    text = text_in(answer["parts"])
    if answer.get("finish_reason") == "length":
        return Fail(
            NodeError(
                "model_answer_cut",
                "The model's answer was cut off at `max_tokens`. Raise it, or ask for a shorter answer.",
                details={"answer": text[:2_000]},
            )
        )
    if config.output_schema is None:
        return Finish(text, number)
    value, problem = read_structured(text, config.output_schema)
    if not problem:
        return Finish(value, number)
    return _model_call(config, history, Step("model", choice=step.choice, beyond=step.beyond, said=problem))


def read_structured(text: str, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the JSON that a text holds, and what is wrong with it; "" if nothing is.

    A text that is fenced as code is taken without its fence: models do so whatever they are told.
    """
    stripped = text.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        stripped = stripped[stripped.index("\n") + 1 : -3].strip()
    try:
        value = parse_json(stripped.encode(errors="replace"), max_bytes=_MOST_OF_AN_ANSWER)
    except (Invalid, TooLarge) as error:
        return None, f"The answer is no JSON: {error.message}"
    problems = value_problems(schema, value)[:MOST_OF_A_PROBLEM]
    return value, " ".join(f"At {problem.path or 'the top'}: {problem.message}" for problem in problems)


def _tool_calls(
    config: AgentConfig,
    tools: Mapping[str, Tool],
    history: History,
    number: int,
    calls: Sequence[tuple[int, ToolCallPart]],
) -> Decision:
    if len(calls) > MOST_TOOL_CALLS:  # Also those that are refused are recorded, each with what the model is told.
        message = f"The model asks for {len(calls):,} calls of tools in one answer; {MOST_TOOL_CALLS} are looked at."
        return Fail(NodeError("too_many_tool_calls", message, details={"calls": len(calls)}))
    steps: list[Step] = []
    # Where none are allowed, people allow one after the other.
    more = max(config.limits.tool_calls, 1) * _times_allowed(history, TOOL_CALLS)
    room = config.limits.tool_calls + more - history.tool_calls
    for at, call in calls:
        tool = tools.get(call["name"])
        if tool is None:
            named = ", ".join(f"`{name}`" for name in sorted(tools)) or "none"
            said = f"There is no tool `{call['name'][:100]}`. There are: {named}."
            steps.append(Step("refused", call=(number, at), said=said))
        elif call.get("arguments") is None:
            said = f"The arguments are no JSON object: {str(call.get('malformed'))[:300]}"
            steps.append(Step("refused", node=tool.node, call=(number, at), said=said))
        elif room <= 0:
            then = Step("ask", call=(number, 0))
            return _exceeded(config, TOOL_CALLS, config.limits.tool_calls, history.tool_calls, then, asked=len(calls))
        else:
            room -= 1
            steps.append(Step("tool", node=tool.node, call=(number, at)))
    return Begin(tuple(steps))


def _after_failure(config: AgentConfig, history: History, step: Step, error: Mapping[str, Any]) -> Decision:
    code = error.get("code")
    if step.kind == "ask":
        return Fail(_again(error))
    if code in (BUDGET_EXCEEDED, PRICE_UNKNOWN):
        if config.on_exceeded == "approve" and code == BUDGET_EXCEEDED and not step.beyond:
            question = str(error.get("message", ""))
            return Begin((Step("ask", choice=step.choice, said=step.said, about=MONEY, question=question),))
        if config.on_exceeded == "cheaper" and step.choice != CHEAPER:
            return _model_call(config, history, Step("model", choice=CHEAPER, said=step.said))
        return Fail(_again(error))
    if step.choice != CHEAPER and step.choice + 1 < len(config.models):
        following = Step("model", choice=step.choice + 1, beyond=step.beyond, said=step.said)
        return _model_call(config, history, following)
    return Fail(_again(error))


def _not_allowed(step: Step, output: Mapping[str, Any]) -> NodeError:
    who = f" by {output['decided_by']}" if output.get("decided_by") else ""
    why = f": {output['comment']}" if output.get("comment") else "."
    return NodeError("going_on_rejected", f"{step.question} To go on was rejected{who}{why}")


def _model_call(config: AgentConfig, history: History, step: Step) -> Decision:
    turns = sum(each.kind == "model" for each in history.steps)
    if turns >= config.limits.turns * (1 + _times_allowed(history, TURNS)):
        return _exceeded(config, TURNS, config.limits.turns, turns, step)
    if history.tokens >= config.limits.tokens * (1 + _times_allowed(history, TOKENS)):
        return _exceeded(config, TOKENS, config.limits.tokens, history.tokens, step)
    return Begin((step,))


def _times_allowed(history: History, about: str) -> int:
    """Return how often people have allowed it to go on beyond a limit: each time as far again as the limit says."""
    return sum(
        step.kind == "ask" and step.about == about and history.results[number].error is None
        for number, step in enumerate(history.steps)
        if number in history.results
    )


def _is_beyond(history: History) -> bool:
    """Return whether people have allowed it to go beyond the budget. They do so for the rest of its run."""
    return any(step.kind == "model" and step.beyond for step in history.steps)


def _exceeded(config: AgentConfig, about: str, most: int, used: int, then: Step, *, asked: int = 0) -> Decision:
    more = f" and asks for {asked:,} more at once" if asked else ""
    message = f"The agent has used {used:,} {about.replace('_', ' ')}{more}, and its limit is {most:,}."
    if config.on_exceeded == "approve":
        ask = Step("ask", choice=then.choice, call=then.call, said=then.said, about=about, question=message)
        return Begin((ask,))
    error = NodeError(
        "limit_exceeded",
        f"{message} Raise `limits.{about}`, or look why the agent does not come to an end.",
        details={"limit": about, "most": most, "used": used},
    )
    return Fail(error)


def _failed(code: str, what: str, error: Mapping[str, Any]) -> NodeError:
    cause = {key: error[key] for key in ("code", "message", "node_id", "iteration") if key in error}
    return NodeError(code, f"{what}: {error.get('message', '')}", details={"cause_of": cause})


def _again(error: Mapping[str, Any]) -> NodeError:
    return NodeError(str(error["code"]), str(error["message"]), details=error.get("details") or {})
