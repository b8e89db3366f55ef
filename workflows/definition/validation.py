"""Whether a draft can be published: everything that is wrong with it, at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from workflows.definition.attached import attachment_problems
from workflows.definition.configs import config_problems, faults
from workflows.definition.draft import Draft, read_draft, shape_problems
from workflows.definition.json_schema import schema_problems, value_problems
from workflows.definition.limits import limit_problems
from workflows.definition.other_workflows import FindWorkflows, workflow_problems
from workflows.definition.problems import Problem
from workflows.definition.references import Compile, expression_problems
from workflows.definition.scopes import scope_problems
from workflows.definition.structure import NodeTypes, structure_problems
from workflows.nodes.fields import FORBIDDEN

# More would help nobody, and cost time and room.
MAX_PROBLEMS = 200


def check(
    raw: Any,
    *,
    node_types: NodeTypes,
    variables: Mapping[str, bool],
    compile: Compile | None = None,
    find_workflows: FindWorkflows | None = None,
    execution_timeout_seconds: int = 3600,
) -> list[Problem]:
    """Return every problem of a definition's JSON; none if it can be published. Never raises, whatever the JSON.

    What makes JSON unfit to be looked at (its size, its depth, characters that cannot be stored) is answered alone. Of
    more than 200 problems the first 200 are returned, and that there are more.

    :param node_types: the catalogue.
    :param variables: the variables of the workflow and its project by name, and whether each is a secret.
    :param compile: asks the engine of the expressions whether it can compile them; without it, only their grammar is looked at.
    :param find_workflows: asks the project for the workflows that the definition names; without it, they are not looked for.
    :param execution_timeout_seconds: how long an execution may last where the definition does not say.
    """
    if problems := limit_problems(raw):
        return problems
    if not isinstance(raw, dict):
        return [Problem("wrong_type", "", "A definition is an object with `schema`, `nodes` and `edges`.")]
    found = _problems(raw, node_types, variables, compile, find_workflows, execution_timeout_seconds)
    problems = list(islice(_each_once(found), MAX_PROBLEMS + 1))
    if len(problems) > MAX_PROBLEMS:
        message = f"There are more problems than these {MAX_PROBLEMS}."
        problems[MAX_PROBLEMS:] = [Problem("too_many_problems", "", message, "Mend these first.")]
    return problems


def check_inputs(schema: Mapping[str, Any] | None, value: Any) -> list[Problem]:
    """Return what is wrong with the input of a manual start.

    :param schema: the definition's ``inputs``; without it, any object will do.
    """
    if not isinstance(value, dict):
        return [Problem("wrong_type", "", "The input of an execution is an object.")]
    return value_problems(schema, value) if schema is not None else []


def _problems(
    raw: dict[str, Any],
    node_types: NodeTypes,
    variables: Mapping[str, bool],
    compile: Compile | None,
    find_workflows: FindWorkflows | None,
    execution_timeout_seconds: int,
) -> Iterator[Problem]:
    draft = read_draft(raw)
    if found := list(faults(draft, node_types)):
        yield from found  # Of nodes that even their own type cannot judge, nothing else can be said.
        return
    yield from shape_problems(raw)
    yield from structure_problems(draft, node_types)
    yield from scope_problems(draft, node_types)
    yield from attachment_problems(draft, node_types)
    forbidden: tuple[str, ...] = ()
    timeout = draft.settings.timeout_seconds or execution_timeout_seconds
    for problem in config_problems(draft, node_types, execution_timeout_seconds=timeout):
        yield problem
        if problem.code == FORBIDDEN:
            forbidden += (f"{problem.path}/",)
    for problem in expression_problems(draft, node_types, variables=variables, compile=compile):
        # What is wrong with an expression where none is allowed does not matter.
        if not f"{problem.path}/".startswith(forbidden):
            yield problem
    if find_workflows is not None:
        yield from workflow_problems(draft, node_types, find_workflows)
    yield from _inputs(draft)


def _each_once(problems: Iterator[Problem]) -> Iterator[Problem]:
    seen: set[Problem] = set()
    for problem in problems:
        if problem not in seen:
            seen.add(problem)
            yield problem


def _inputs(draft: Draft) -> Iterator[Problem]:
    if not isinstance(draft.inputs, dict):
        return  # Left out, or a matter of shape.
    if draft.inputs.get("type") != "object":
        message = "The input of an execution is an object, so that its schema must say so."
        yield Problem("inputs_not_object", "/inputs/type", message, 'Write "type": "object".')
    yield from schema_problems(draft.inputs, below="/inputs")
