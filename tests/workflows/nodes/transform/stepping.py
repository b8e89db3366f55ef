"""One step of a transform, short."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import FakeContext, outcome
from workflows.nodes.base import Done, NodeError


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
