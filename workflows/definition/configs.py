"""Whether each node's config is what its type needs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError

from workflows.definition.draft import POLICIES, Draft, DraftNode
from workflows.definition.problems import Problem
from workflows.definition.pydantic_problems import problems_in
from workflows.graph import Graph
from workflows.nodes.base import NodeType
from workflows.nodes.evaluation import fill
from workflows.nodes.scopes import ScopeType

logger = logging.getLogger(__name__)


def faults(draft: Draft, node_types: Mapping[str, NodeType[Any]]) -> Iterator[Problem]:
    """Yield the nodes whose own type fails on them: a mistake in the code of another package, which nobody here can mend."""
    for node in draft.nodes:
        if node.type not in node_types:
            continue
        node_type = node_types[node.type]
        try:
            node_type.ports(node.config)
            node_type.effect(node.config)
        except Exception as error:
            logger.exception("A node type raised what it should not.", extra={"node_type": node.type})
            yield _fault(node.at, node.type, error)


def _fault(at: str, type_: str, error: Exception) -> Problem:
    message = f"The code of `{type_}` failed on this node with {type(error).__name__}."
    return Problem("node_fault", at, message, "Segue's log has it all. Tell whoever makes the package.")


def config_problems(
    draft: Draft, node_types: Mapping[str, NodeType[Any]], *, execution_timeout_seconds: int
) -> Iterator[Problem]:
    """Yield what is wrong with the nodes' configs, each for itself and those of one type beside each other."""
    valid: dict[str, dict[str, BaseModel]] = {}
    places = {node.id: f"{node.at}/config" for node in draft.nodes}
    graph = draft.graph()
    for node in draft.nodes:
        if node.type not in node_types or not node.has_config:
            continue
        config, problems = _read(node, node_types[node.type], graph)
        yield from problems
        if config is not None:
            valid.setdefault(node.type, {})[node.id] = config
    for type_, configs in valid.items():
        found = node_types[type_].check_together(configs, execution_timeout_seconds=execution_timeout_seconds)
        for node_id, problem in found:
            yield _below(places[node_id], problem)


def _read(node: DraftNode, node_type: NodeType[Any], graph: Graph) -> tuple[BaseModel | None, list[Problem]]:
    at = f"{node.at}/config"
    try:
        config = node_type.Config.model_validate(fill(node.config, {}))
    except ValidationError as error:
        return None, [_misplaced(problem, at) for problem in problems_in(error, node_type.Config, below=at)]
    if node.id in graph.nodes and graph.is_tool(node.id):
        return config, [_below(node.at, problem) for problem in node_type.check_as_tool(config, node.as_tool or {})]
    try:
        found = node_type.check(config)
    except Exception as error:
        logger.exception("A node type raised what it should not.", extra={"node_type": node.type})
        return None, [_fault(node.at, node.type, error)]
    if isinstance(node_type, ScopeType) and (body := graph.body_of(node.id)).nodes:
        found = [*found, *node_type.check_body(config, branches=len(body.branches()))]
    return config, [_below(at, problem) for problem in found]


def _below(at: str, problem: Problem) -> Problem:
    return replace(problem, path=at + problem.path)


def _misplaced(problem: Problem, at: str) -> Problem:
    key = problem.path.removeprefix(f"{at}/")
    if problem.code != "unknown_key" or key not in POLICIES:
        return problem
    return replace(problem, message=f"`{key}` stands inside `config`.", hint=f"Put `{key}` beside `config`.")
