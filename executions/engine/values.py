"""The values that a node's expressions see, and what is kept of a node run."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson
from django.conf import settings
from django.utils import timezone

from executions.engine.agents import AgentRun
from executions.engine.context import RunContext, without_marks
from executions.engine.journal import Journal
from executions.engine.planner import Progress, taken_edges
from executions.engine.scopes import Pass
from executions.engine.versions import CompiledNode, CompiledVersion, Fields, Mentions, Templates
from executions.links import Place, url_of
from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.for_nodes import put_away
from executions.outputs.reference import OutputFile, result_in
from projects.exceptions import Invalid
from projects.masking import Masker
from projects.payloads import storable
from workflows import services as workflows
from workflows.definition.schema import Edge
from workflows.expressions import Evaluator, ExpressionError, RenderError, prepared, render_each, script_evaluator
from workflows.expressions.templates import substitute
from workflows.expressions.vocabulary import ITEM_ROOTS
from workflows.http.secrets import Secret
from workflows.nodes.base import NodeError
from workflows.nodes.fields import Unevaluated

# What is kept of an error's text.
MOST_OF_A_MESSAGE = 2_000
# What is kept in a row beside an output, which alone may become a file: inputs, items, errors, what an approval asks.
MOST_BYTES_IN_A_ROW = 5 * 1024 * 1024


@dataclass(frozen=True)
class Prepared:
    """A node run that can begin: its config, its view of the world, and what is recorded of its input."""

    config: Any
    context: RunContext
    shown: dict[str, Any]
    links: tuple[Place, ...] = ()  # What it tells the outside, and so must lead somewhere before it begins.


class Values:
    """The values of one execution, looked up only as far as expressions mention them."""

    def __init__(
        self, execution: WorkflowExecution, version: CompiledVersion, journal: Journal, sandbox: Evaluator
    ) -> None:
        self._execution = execution
        self._version = version
        self._journal = journal
        self._sandbox = sandbox

    def prepare(self, compiled: CompiledNode, here: Pass, row: WorkflowExecutionLog) -> Prepared:
        """Evaluate a node's config and put together what it needs to run.

        :raises NodeError: if an expression fails, or a value is not what its field needs.
        """
        mentions = compiled.begin.mentions
        may_have_secrets = compiled.takes_secrets or bool(compiled.type.secret_fields)
        mark = secrets.token_hex(8) if may_have_secrets else ""
        input = self.input_of(here, row.node_id)
        seen = here.scope.seen_of(here, row.node_id, input) if isinstance(here.scope, AgentRun) else input
        given = self._given(
            mentions, here, now=row.started_at, input=seen, secret_mark=mark if may_have_secrets else None
        )
        places = self._linked(mentions.links, here)
        if places:
            given.roots["links"] = {node_id: f"⟦link:{node_id}:{mark}⟧" for node_id in places}
        results = self._rendered(compiled.begin.templates, given, lazy=compiled.lazy)
        if compiled.body is not None:
            results = self._masker.mask(results)  # What a scope has begun with is read again after a crash.
        config = compiled.configured(results, given=input)
        context = RunContext(
            input=input,
            now=row.started_at,
            idempotency_key=f"{self._execution.pk}:{row.node_id}:{row.iteration}",
            hops=self._execution.execution_context.get("hops", 0),
            project_id=str(self._execution.project_id),
            default_timezone=self._version.definition.settings.timezone,
            secret_mark=mark,
            secrets={name: self._secrets[name] for name in mentions.secrets if name in self._secrets},
            masker=self._masker,
            links={node_id: url for node_id, (_, url) in places.items()},
            evaluate_items=lambda text, items: self._evaluate_items(text, items, given),
            run_body=lambda body, items: self._run_script(body, items, given),
            run_body_each=lambda body, items: self._run_script_each(body, items, given),
        )
        shown: dict[str, Any] = {"from": [edge.source for edge in _taken(here, row.node_id)]}
        values = {pointer: value for pointer, value in results.items() if not isinstance(value, Unevaluated)}
        if values:
            shown["values"] = self._masker.mask(without_marks(values) if may_have_secrets else values)
        if isinstance(here.scope, AgentRun):
            shown |= here.scope.shown_of(here.index, input)
        return Prepared(config, context, shown, tuple(place for place, _ in places.values()))

    def fitting(self, shown: dict[str, Any]) -> dict[str, Any]:
        """Return what is recorded beside an output, or a note that it was too large."""
        if len(orjson.dumps(shown)) > most_bytes_in_a_row():
            return {"code": shown.get("code", ""), "message": "Too large to be kept."}
        return shown

    def begun_with(self, compiled: CompiledNode, row: WorkflowExecutionLog, given: Any) -> Any:
        """Return the config with which a scope has begun, from what is recorded of it.

        :param given: its input.
        """
        shown = row.input_data or {}
        return compiled.configured(shown.get("values", {}), given=given)

    def masked(self, shown: dict[str, Any]) -> dict[str, Any]:
        """Return what is recorded beside an output without secrets."""
        masked: dict[str, Any] = self._masker.mask(shown)
        return masked

    def of_pass(self, fields: Fields, here: Pass, *, now: datetime) -> dict[str, Any]:
        """Evaluate what belongs to a pass, with what the pass sees; return the values by field, for those that are given.

        :raises NodeError: naming the scope, the pass and the expression that failed.
        """
        assert here.scope is not None  # noqa: S101 - the top is no pass of a scope
        if not fields.raw:
            return {}
        evaluated = fields.evaluated
        given = self._given(evaluated.mentions, here, now=now, input=here.scope.input_of(here.index))
        results = self._rendered(evaluated.templates, given, of=f"Pass {here.index}, ")
        return {path: substitute(raw, results, "/" + path.replace(".", "/")) for path, raw in fields.raw.items()}

    def input_of(self, here: Pass, node_id: str) -> Any:
        """Return what comes to a node over its edges.

        One value edge into it: that edge's value. Several, joined on all: an object by source. Joined on any: the value of
        the first one taken. No value edge: null. A trigger node's input is what triggered it, and that of a node with which
        a pass begins is what the pass is given. In a step of an agent, it is what the agent says.

        :raises NodeError: if what an agent's model gives to a tool is not what that takes.
        """
        if isinstance(here.scope, AgentRun):
            return here.scope.input_for(here, node_id, self._journal)
        graph = here.frame.graph
        edges = graph.edges_into(node_id)
        if not edges:
            return (
                self._execution.execution_context["trigger"] if here.scope is None else here.scope.input_of(here.index)
            )
        taken = [edge for edge in _taken(here, node_id) if edge.carries_value]
        if not taken:
            return None
        carrying = [edge for edge in edges if edge.carries_value]
        if len(carrying) == 1 or graph.nodes[node_id].join == "any":
            return self._carried(here, taken[0])
        return {edge.source: self._carried(here, edge) for edge in taken}

    def settled_in(self, here: Pass) -> dict[str, Any]:
        """Return the outputs of all nodes of a pass that have settled."""
        node_ids = [node_id for node_id in here.frame.graph.nodes if _has_settled(here, node_id)]
        return self._journal.outputs(here.iteration, node_ids)

    def outputs_in(self, here: Pass) -> dict[str, Any]:
        """Return the outputs of the nodes at the end of a pass that have settled."""
        return self._journal.outputs(
            here.iteration, [node_id for node_id in here.frame.graph.ends() if _has_settled(here, node_id)]
        )

    def result(self, top: Pass) -> dict[str, Any]:
        """Return the columns of the execution that say its result: the value of the output node that completed last.

        Without such a node it is null. One that lies in a file is not read: ``result_in`` says which node run has it.
        """
        done = [
            row
            for row in self._journal.rows_in(top.iteration, top.frame.graph.nodes)
            if row.node_type == "output" and row.status == ExecutionStatus.COMPLETED
        ]
        if not done:
            return {"result": None}
        last = max(done, key=lambda row: (row.completed_at, row.id))
        if last.file is not None:
            return {"result": None, "result_in": last.pk}
        return {"result": result_in(self._journal.outputs(top.iteration, [last.node_id])[last.node_id])}

    def kept_output(self, output: Any) -> Any:
        """Return a node's output as it is recorded: storable, within the limit, and without secrets.

        One that is too large for a row is in a file when this returns, and what is recorded is that.

        :raises NodeError: if it is no JSON, or too large, or the storage does not take it.
        """
        size, kept = self._kept(output, most=settings.NODE_OUTPUT_MAX_BYTES)
        return self._put_away(kept) if size > settings.NODE_OUTPUT_INLINE_MAX_BYTES else kept

    def kept_in_row(self, value: Any) -> Any:
        """Return what goes into a row of its own instead of an output: like one, but never a file.

        :raises NodeError: if it is no JSON, or too large.
        """
        return self._kept(value, most=most_bytes_in_a_row())[1]

    def _kept(self, output: Any, *, most: int) -> tuple[int, Any]:
        try:
            plain = storable(output)
        except Invalid as error:
            raise NodeError("output_not_json", f"The node's output is no JSON data. {error.message}") from error
        size = len(orjson.dumps(plain))
        if size > most:
            raise NodeError(
                "output_too_large",
                f"The node's output has {size:,} bytes; {most:,} are allowed. Keep only what is needed of it.",
            )
        self._journal.output_bytes += size
        if self._journal.output_bytes > settings.EXECUTION_OUTPUT_MAX_BYTES:
            raise NodeError(
                "execution_too_large",
                f"The outputs of this execution exceed {settings.EXECUTION_OUTPUT_MAX_BYTES:,} bytes together.",
            )
        return size, self._masker.mask(plain)

    def _put_away(self, kept: Any) -> OutputFile:
        execution = self._execution
        return put_away(kept, project_id=execution.project_id, execution_id=execution.pk, now=timezone.now())

    def kept_meanwhile(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return what a node run keeps while it is put off as it is recorded: within the limit, and without secrets.

        It does not count among the execution's outputs: the output takes its place. The node's own part of it, ``kept``, may be
        a file.

        :raises NodeError: if it is too large, or the storage does not take it.
        """
        plain = storable(state)
        size = len(orjson.dumps(plain))
        if size > settings.NODE_OUTPUT_MAX_BYTES:
            raise NodeError(
                "output_too_large",
                f"What the node has so far is more than {settings.NODE_OUTPUT_MAX_BYTES:,} bytes. Ask for less.",
            )
        kept: dict[str, Any] = self._masker.mask(plain)
        if size > settings.NODE_OUTPUT_INLINE_MAX_BYTES:
            kept["kept"] = self._put_away(kept["kept"])
        return kept

    def kept_error(self, error: NodeError) -> dict[str, Any]:
        """Return an error as it is recorded: without secrets, and not endless."""
        kept = {"code": error.code, "message": error.message, "retryable": error.retryable, "details": error.details}
        masked: dict[str, Any] = without_marks(self._masker.mask(storable(kept)))
        masked["message"] = masked["message"][:MOST_OF_A_MESSAGE]
        return self.fitting(masked)

    # --- Roots ------------------------------------------------------------------------------------------------------

    def _given(
        self, mentions: Mentions, here: Pass, *, now: datetime, input: Any, secret_mark: str | None = None
    ) -> _Given:
        roots: dict[str, Any] = {"input": input, "trigger": self._execution.execution_context["trigger"]}
        absent: dict[str, str] = {}
        if "nodes" in mentions.roots:
            roots["nodes"] = self._nodes(mentions, here, absent)
        if "vars" in mentions.roots:
            roots["vars"] = self._variables
        if "execution" in mentions.roots:
            roots["execution"] = self._execution_root
        if "workflow" in mentions.roots:
            roots["workflow"] = self._workflow_root
        if here.scope is not None:
            roots |= _of_scope(here)
            if "scopes" in mentions.roots:
                roots["scopes"] = {each.scope.node_id: _of_scope(each) for each in here.around() if each.scope}
        return _Given(roots, now, absent, secret_mark)

    def _nodes(self, mentions: Mentions, here: Pass, absent: dict[str, str]) -> dict[str, Any]:
        """Return the outputs that are mentioned; say in ``absent`` why the others have none."""
        wanted = here.frame.facts if mentions.has_dynamic_nodes else mentions.node_ids
        found: dict[str, Any] = {}
        for node_id in wanted:
            there = next((each for each in here.around() if node_id in each.frame.graph.nodes), None)
            if there is None:
                self._from_outside(node_id, here, found, absent)
            elif _has_settled(there, node_id):
                found[node_id] = {"output": self._journal.outputs(there.iteration, [node_id])[node_id]}
            else:
                absent[node_id] = "has not run yet" if node_id in there.frame.facts else "was skipped"
        return found

    def _from_outside(self, node_id: str, here: Pass, found: dict[str, Any], absent: dict[str, str]) -> None:
        """Find what a node in the body of a scope that is over has put out, pass by pass."""
        chain = self._version.graph.scopes_around(node_id)
        for depth, scope_id in enumerate(chain):
            there = next((each for each in here.around() if scope_id in each.frame.graph.nodes), None)
            if there is None:
                continue
            if not _has_settled(there, scope_id):
                absent[node_id] = f"was skipped with `{scope_id}`"
                return
            prefix = there.iteration
            outputs = {
                tuple(map(int, path.removeprefix(prefix).strip(".").split("."))): output
                for (path, _), output in self._journal.settled_below(prefix, [node_id]).items()
            }
            is_list = [not _is_over_branches(self._version.nodes[each]) for each in reversed(chain[: depth + 1])]
            if any(is_list) or outputs:
                found[node_id] = {"output": _by_pass(outputs, is_list)}
            else:
                absent[node_id] = "was skipped or cancelled"
            return

    def _carried(self, here: Pass, edge: Edge) -> Any:
        output = self._journal.outputs(here.iteration, [edge.source])[edge.source]
        if edge.transform is None:
            return output
        roots = {"input": output, "trigger": self._execution.execution_context["trigger"]}
        now = self._journal.row(here.iteration, edge.source).completed_at or self._execution.created_at
        place = f"The edge from `{edge.source}` to `{edge.target}`"
        return self._rendered((("/transform", edge.transform),), _Given(roots, now, {}, None), of=f"{place}, ")[
            "/transform"
        ]

    @cached_property
    def _variables(self) -> dict[str, Any]:
        return workflows.variables_of(self._execution.workflow)

    @cached_property
    def _execution_root(self) -> dict[str, Any]:
        started_at = self._execution.started_at
        return {"id": str(self._execution.pk), "started_at": started_at.isoformat() if started_at else None}

    @cached_property
    def _workflow_root(self) -> dict[str, Any]:
        return {
            "id": str(self._version.workflow_id),
            "name": self._execution.workflow_name,
            "version": self._version.number,
        }

    @cached_property
    def _secrets(self) -> Mapping[str, Secret]:
        """All that the version mentions: read once, because an earlier turn may have sent any of them somewhere."""
        names = self._version.secrets
        return workflows.secrets_of(self._execution.workflow, names) if names else {}

    @cached_property
    def _masker(self) -> Masker:
        """Knows all of them, and what nodes get for them."""
        return Masker(secret.value for secret in self._secrets.values())

    def _linked(self, node_ids: frozenset[str], here: Pass) -> dict[str, tuple[Place, str]]:
        """Return the places and URLs of nodes whose links are mentioned: beside the node, or in a pass around it."""
        found = {}
        for node_id in node_ids:
            there = next((each for each in here.around() if node_id in each.frame.graph.nodes), None)
            if there is not None:
                node = self._version.nodes[node_id]
                place = Place(self._execution.pk, node_id, there.iteration)
                found[node_id] = place, url_of(place, node.type.link_path(node.node.config))
        return found

    # --- Evaluation -------------------------------------------------------------------------------------------------

    def _rendered(
        self,
        templates: Templates,
        given: _Given,
        *,
        of: str = "",
        lazy: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """Evaluate templates in one round trip; return their values by JSON Pointer.

        :param of: what stands before a field, if it is not the node's own.
        :param lazy: where a failure is left for the node to find.
        :raises NodeError: for the first failure elsewhere.
        """
        if not templates:
            return {}
        try:
            return prepared(templates).results(
                self._sandbox, given.roots, now=given.now, absent=given.absent, secret_mark=given.secret_mark
            )
        except RenderError as failed:
            failures = {
                pointer: _failed(failed.errors[pointer], where=f"{of}{pointer}")
                for pointer, _ in templates
                if pointer in failed.errors
            }
            for pointer, failure in failures.items():
                if pointer not in lazy:
                    raise failure from failed
            sound = tuple(template for template in templates if template[0] not in failures)
            return self._rendered(sound, given, of=of) | {
                pointer: Unevaluated(text, failures[pointer]) for pointer, text in templates if pointer in failures
            }

    def _evaluate_items(self, text: str, items: Sequence[Any], given: _Given) -> list[Any]:
        try:
            return render_each(text, items, self._sandbox, given.beside_items, now=given.now, absent=given.absent)
        except ExpressionError as error:
            raise _failed(error, where=f"Item {error.index}") from error

    def _run_script(self, body: str, items: Sequence[Any], given: _Given) -> Any:
        try:
            return script_evaluator().run_script(body, items, given.beside_items, now=given.now, absent=given.absent)
        except ExpressionError as error:
            raise _failed(error) from error

    def _run_script_each(self, body: str, items: Sequence[Any], given: _Given) -> list[Any]:
        try:
            return script_evaluator().run_script_each(
                body, items, given.beside_items, now=given.now, absent=given.absent
            )
        except ExpressionError as error:
            raise _failed(error, where="" if error.index is None else f"Item {error.index}") from error


@dataclass(frozen=True)
class _Given:
    """What an evaluation is given."""

    roots: dict[str, Any]
    now: datetime
    absent: Mapping[str, str]
    secret_mark: str | None

    @property
    def beside_items(self) -> dict[str, Any]:
        """What is there beside the items of a list. Among them an item is one of the list's, whatever scope lies around."""
        return {name: value for name, value in self.roots.items() if name not in ITEM_ROOTS}


def most_bytes_in_a_row() -> int:
    """Return how much may be kept in a row that is no output."""
    return min(settings.NODE_OUTPUT_MAX_BYTES, MOST_BYTES_IN_A_ROW)


def _failed(error: ExpressionError, *, where: str = "") -> NodeError:
    # Which node it is stands beside the error: in its row, and in what the execution says of it.
    details = {"expression": error.expression, "line": error.line, "column": error.column}
    return NodeError(error.code, f"{where}: {error.message}" if where else error.message, details=details)


def _taken(here: Pass, node_id: str) -> tuple[Edge, ...]:
    return taken_edges(here.frame.graph, node_id, here.frame.facts)


def _has_settled(here: Pass, node_id: str) -> bool:
    fact = here.frame.facts.get(node_id)
    return fact is not None and fact.progress is Progress.SETTLED


def _of_scope(here: Pass) -> dict[str, Any]:
    assert here.scope is not None  # noqa: S101 - the top has no item
    return {
        "item": here.scope.item(here.index),
        "index": here.index,
        "accumulator": here.scope.accumulator,
    }


def _is_over_branches(compiled: CompiledNode) -> bool:
    return compiled.body is not None and compiled.body.is_over_branches


def _by_pass(outputs: Mapping[tuple[int, ...], Any], is_list: Sequence[bool]) -> Any:
    """Return outputs by the numbers of their passes as nested lists, null where there is none.

    A scope over branches adds no list: the node lies in one branch alone.
    """
    if not is_list:
        return outputs.get(())
    inner: dict[int, dict[tuple[int, ...], Any]] = {}
    for (index, *rest), output in outputs.items():
        inner.setdefault(index, {})[tuple(rest)] = output
    if not is_list[0]:
        return _by_pass(next(iter(inner.values()), {}), is_list[1:])
    return [_by_pass(inner.get(index, {}), is_list[1:]) for index in range(max(inner, default=-1) + 1)]
