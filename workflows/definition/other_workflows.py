"""Whether the other workflows that a draft names are there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any

from workflows.definition.draft import Draft
from workflows.definition.problems import Problem
from workflows.nodes.base import NodeType
from workflows.nodes.evaluation import fill


class Found(StrEnum):
    """What a name or an id means in the project of a draft."""

    OTHER = "other"  # Another workflow.
    ITSELF = "itself"
    NOTHING = "nothing"


# Asks the project for all that is named, at once.
FindWorkflows = Callable[[Collection[str]], Mapping[str, Found]]


def workflow_problems(draft: Draft, node_types: Mapping[str, NodeType[Any]], find: FindWorkflows) -> Iterator[Problem]:
    """Yield where a draft names a workflow that is not there, or itself as what starts it or as its own error workflow.

    A sub-workflow may be the workflow itself: how deep they go is bounded when they run.
    """
    named = [
        (f"{node.at}/config{path}", name)
        for node in draft.nodes
        if node.type in node_types
        for path, name in node_types[node.type].workflows(fill(node.config, {}))
    ]
    starting = {
        f"{node.at}/config{path}"
        for node in draft.nodes
        if node.type in node_types and node_types[node.type].starts_workflow
        for path, _ in node_types[node.type].workflows(fill(node.config, {}))
    }
    on_failure = draft.settings.on_failure
    at_failure = [("/settings/on_failure/workflow", on_failure.workflow)] if on_failure else []
    if not named and not at_failure:
        return
    found = find({name for _, name in named + at_failure})
    for path, name in named + at_failure:
        if found[name] is Found.NOTHING:
            message = f"The project has no workflow with the name or id `{name[:100]}`."
            yield Problem("unknown_workflow", path, message, "Create it first; it can be published later.")
    for path, name in named:
        if path in starting and found[name] is Found.ITSELF:
            message = "A workflow cannot be started by its own end: that would go on for ever."
            yield Problem("own_trigger", path, message, "Name another one; to do something again, use a `loop`.")
    for path, name in at_failure:
        if found[name] is Found.ITSELF:
            message = "A workflow cannot be its own error workflow."
            yield Problem("own_error_workflow", path, message, "Name another one: it is told what failed, and where.")
