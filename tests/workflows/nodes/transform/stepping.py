"""One step of a transform, short."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import FakeContext, outcome
from workflows.nodes.base import Done, NodeError

# For properties of what runs in a process of its own, of which each costs as much as many tests.
in_processes = settings(deadline=None, max_examples=20)


def some_of(characters: str) -> st.SearchStrategy[list[str]]:
    """Return a strategy for several short texts of these characters, that are read in one process."""
    return st.lists(st.text(st.sampled_from(list(characters)), max_size=60), min_size=1, max_size=50)


def result(value: Any, operation: str, *, context: FakeContext | None = None, **settings: Any) -> Any:
    """Return what a step makes of a value."""
    done = outcome("transform", {"steps": [{"operation": operation, **settings}]}, value, context=context)
    assert isinstance(done, Done)
    return done.output


def failure(value: Any, operation: str, *, context: FakeContext | None = None, **settings: Any) -> NodeError:
    """Return the error that a step ends with."""
    with pytest.raises(NodeError) as caught:
        result(value, operation, context=context, **settings)
    return caught.value


def problems(**step: Any) -> list[tuple[str, str]]:
    """Return what is wrong with a step before it runs: codes, and places below the step."""
    raw = definition("start > it", it=node("transform", {"steps": [step]}))
    return [(code, path.removeprefix("/nodes/1/config/steps/0")) for code, path in found(raw)]
