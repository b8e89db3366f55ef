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

from executions.engine.context import RunContext, without_marks
from executions.engine.journal import Journal
from executions.engine.masking import mask
from executions.engine.planner import Progress, taken_edges
from executions.engine.versions import CompiledNode, CompiledVersion
from executions.models import WorkflowExecution, WorkflowExecutionLog
from projects.payloads import storable
from workflows import services as workflows
from workflows.definition.schema import Edge
from workflows.expressions import Evaluator, ExpressionError, RenderError, render, render_each
from workflows.nodes.base import NodeError
from workflows.nodes.evaluation import configured
from workflows.nodes.fields import Unevaluated

# What is kept of an error's text.
MOST_OF_A_MESSAGE = 2_000


@dataclass(frozen=True)
class Prepared:
    """A node run that can begin: its config, its view of the world, and what is recorded of its input."""

    config: Any
    context: RunContext
    shown: dict[str, Any]


class Values:
    """The values of one execution, looked up only as far as expressions mention them."""

    def __init__(
        self, execution: WorkflowExecution, version: CompiledVersion, journal: Journal, sandbox: Evaluator
    ) -> None:
        self._execution = execution
        self._version = version
        self._journal = journal
        self._sandbox = sandbox
        self._secrets: dict[str, str] = {}

    def prepare(self, compiled: CompiledNode, row: WorkflowExecutionLog, *, deadline: datetime) -> Prepared:
        """Evaluate a node's config and put together what it needs to run.

        :raises NodeError: if an expression fails, or a value is not what its field needs.
        """
        mentions = compiled.mentions
        mark = secrets.token_hex(8)
        own_secrets = self._load_secrets(mentions.secrets)
        roots = self._roots(compiled)
        given = _Given(roots, row.started_at, self._absent(compiled), mark if compiled.type.accepts_secrets else None)
        results = self._rendered(compiled.templates, given, of=f"Node `{row.node_id}`", lazy=compiled.lazy)
        config = configured(compiled.type, compiled.node.config, results)
        context = RunContext(
            input=roots["input"],
            now=row.started_at,
            deadline=deadline,
            idempotency_key=f"{self._execution.pk}:{row.node_id}:{row.iteration}",
            hops=self._execution.execution_context.get("hops", 0),
            default_timezone=self._version.definition.settings.timezone,
            secret_mark=mark,
            secrets=own_secrets,
            evaluate_items=lambda text, items: self._evaluate_items(row.node_id, text, items, given),
        )
        shown: dict[str, Any] = {"from": [edge.source for edge in self._taken(row.node_id)]}
        values = {pointer: value for pointer, value in results.items() if not isinstance(value, Unevaluated)}
        if values:
            shown["values"] = without_marks(values)
        return Prepared(config, context, self._fit(shown))

    def input_of(self, node_id: str) -> Any:
        """Return what comes to a node over its edges.

        One value edge into it: that edge's value. Several, joined on all: an object by source. Joined on any: the value of
        the first one taken. No value edge: null. A trigger node's input is what triggered it.
        """
        node = self._version.graph.nodes[node_id]
        if not self._version.graph.edges_into(node_id):
            return self._execution.execution_context["trigger"]
        taken = [edge for edge in self._taken(node_id) if edge.carries_value]
        if not taken:
            return None
        carrying = [edge for edge in self._version.graph.edges_into(node_id) if edge.carries_value]
        if len(carrying) == 1 or node.join == "any":
            return self._carried(taken[0])
        return {edge.source: self._carried(edge) for edge in taken}

    def result(self) -> Any:
        """Return the value of the output node that completed last; null without one."""
        done = [
            row
            for node_id, fact in self._journal.facts.items()
            if self._version.graph.nodes[node_id].type == "output"
            and fact.progress is Progress.SETTLED
            and (row := self._journal.row(node_id)).error is None
        ]
        if not done:
            return None
        last = max(done, key=lambda row: (row.completed_at, row.id)).node_id
        output = self._journal.outputs([last])[last]
        return output["value"] if isinstance(output, dict) and "value" in output else output

    def kept_output(self, output: Any) -> Any:
        """Return a node's output as it is recorded: storable, within the limit, and without secrets.

        :raises NodeError: if it is no JSON, or too large.
        """
        try:
            size = len(orjson.dumps(output))
        except (TypeError, ValueError) as error:
            raise NodeError("output_not_json", f"The node's output is not JSON data: {error}.") from error
        if size > settings.NODE_OUTPUT_MAX_BYTES:
            raise NodeError(
                "output_too_large",
                f"The node's output has {size:,} bytes; {settings.NODE_OUTPUT_MAX_BYTES:,} are allowed. "
                "Keep only what is needed of it.",
            )
        self._journal.output_bytes += size
        if self._journal.output_bytes > settings.EXECUTION_OUTPUT_MAX_BYTES:
            raise NodeError(
                "execution_too_large",
                f"The outputs of this execution exceed {settings.EXECUTION_OUTPUT_MAX_BYTES:,} bytes together.",
            )
        return mask(storable(output), self._secrets.values())

    def kept_error(self, error: NodeError) -> dict[str, Any]:
        """Return an error as it is recorded: without secrets, and not endless."""
        kept = {"code": error.code, "message": error.message, "retryable": error.retryable, "details": error.details}
        masked: dict[str, Any] = without_marks(mask(storable(kept), self._secrets.values()))
        masked["message"] = masked["message"][:MOST_OF_A_MESSAGE]
        return self._fit(masked)

    # --- Roots ------------------------------------------------------------------------------------------------------

    def _roots(self, compiled: CompiledNode) -> dict[str, Any]:
        mentions = compiled.mentions
        roots: dict[str, Any] = {
            "input": self.input_of(compiled.node.id),
            "trigger": self._execution.execution_context["trigger"],
        }
        if "nodes" in mentions.roots:
            node_ids = self._journal.facts if mentions.has_dynamic_nodes else mentions.node_ids
            settled = [node_id for node_id in node_ids if self._has_settled(node_id)]
            roots["nodes"] = {node_id: {"output": output} for node_id, output in self._journal.outputs(settled).items()}
        if "vars" in mentions.roots:
            roots["vars"] = self._variables
        if "execution" in mentions.roots:
            roots["execution"] = self._execution_root
        if "workflow" in mentions.roots:
            roots["workflow"] = self._workflow_root
        return roots

    def _absent(self, compiled: CompiledNode) -> dict[str, str]:
        """Return why the nodes that are mentioned and have no output have none."""
        missing = [node_id for node_id in compiled.mentions.node_ids if not self._has_settled(node_id)]
        return {node_id: "has not run yet" if node_id in self._journal.facts else "was skipped" for node_id in missing}

    def _has_settled(self, node_id: str) -> bool:
        fact = self._journal.facts.get(node_id)
        return fact is not None and fact.progress is Progress.SETTLED

    def _taken(self, node_id: str) -> tuple[Edge, ...]:
        return taken_edges(self._version.graph, node_id, self._journal.facts)

    def _carried(self, edge: Edge) -> Any:
        output = self._journal.outputs([edge.source])[edge.source]
        if edge.transform is None:
            return output
        roots = {"input": output, "trigger": self._execution.execution_context["trigger"]}
        now = self._journal.row(edge.source).completed_at or self._execution.created_at
        place = f"The edge from `{edge.source}` to `{edge.target}`"
        return self._rendered([("/transform", edge.transform)], _Given(roots, now, {}, None), of=place)["/transform"]

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

    def _load_secrets(self, names: frozenset[str]) -> dict[str, str]:
        unknown = names - self._secrets.keys()
        if unknown:
            self._secrets |= workflows.secret_values(self._execution.workflow, unknown)
        return {name: self._secrets[name] for name in names if name in self._secrets}

    # --- Evaluation -------------------------------------------------------------------------------------------------

    def _rendered(
        self,
        templates: Sequence[tuple[str, str]],
        given: _Given,
        *,
        of: str,
        lazy: frozenset[str] = frozenset(),
    ) -> dict[str, Any]:
        """Evaluate templates in one round trip; return their values by JSON Pointer.

        :param lazy: where a failure is left for the node to find.
        :raises NodeError: for the first failure elsewhere.
        """
        if not templates:
            return {}
        try:
            values = self._render([text for _, text in templates], given)
        except RenderError as failed:
            failures = {
                pointer: _failed(failed.errors[f"/{index}"], where=f"{of}, {pointer}")
                for index, (pointer, _) in enumerate(templates)
                if f"/{index}" in failed.errors
            }
            for pointer, failure in failures.items():
                if pointer not in lazy:
                    raise failure from failed
            sound = [template for template in templates if template[0] not in failures]
            rendered = self._rendered(sound, given, of=of)
            return rendered | {
                pointer: Unevaluated(text, failures[pointer]) for pointer, text in templates if pointer in failures
            }
        return {pointer: value for (pointer, _), value in zip(templates, values, strict=True)}

    def _render(self, texts: list[str], given: _Given) -> list[Any]:
        values: list[Any] = render(
            texts, self._sandbox, given.roots, now=given.now, absent=given.absent, secret_mark=given.secret_mark
        )
        return values

    def _evaluate_items(self, node_id: str, text: str, items: Sequence[Any], given: _Given) -> list[Any]:
        try:
            return render_each(text, items, self._sandbox, given.roots, now=given.now, absent=given.absent)
        except ExpressionError as error:
            raise _failed(error, where=f"Node `{node_id}`, item {error.index}") from error

    def _fit(self, value: dict[str, Any]) -> dict[str, Any]:
        """Return what is recorded beside an output, or a note that it was too large."""
        if len(orjson.dumps(value)) > settings.NODE_OUTPUT_MAX_BYTES:
            return {"code": value.get("code", ""), "message": "Too large to be kept."}
        return value


@dataclass(frozen=True)
class _Given:
    """What an evaluation is given."""

    roots: Mapping[str, Any]
    now: datetime
    absent: Mapping[str, str]
    secret_mark: str | None


def _failed(error: ExpressionError, *, where: str) -> NodeError:
    details = {"expression": error.expression, "line": error.line, "column": error.column}
    return NodeError(error.code, f"{where}: {error.message}", details=details)
