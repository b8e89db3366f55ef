"""Whether each node's config is what its type needs."""

from __future__ import annotations

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
    found = node_type.check(config)
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
