"""Ask for the problems of a definition in a line."""

from __future__ import annotations

from typing import Any

from workflows.definition.problems import Problem
from workflows.definition.validation import check
from workflows.nodes.base import catalogue
from workflows.nodes.loading import load

load()


def problems(raw: Any, *, variables: dict[str, bool] | None = None, **more: Any) -> list[Problem]:
    """Return the problems of a definition's JSON, with the whole catalogue."""
    return check(raw, node_types=catalogue(), variables=variables or {}, **more)


def found(raw: Any, **more: Any) -> list[tuple[str, str]]:
    """Return the code and the place of each problem."""
    return [(problem.code, problem.path) for problem in problems(raw, **more)]
