"""Processes and servers that die. Each test says which one, and where."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.stage import Stage, stage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.crash)


@pytest.fixture(scope="session")
def _stage() -> Iterator[Stage]:
    with stage() as one:
        yield one
        one.settle()
        one.segue.manage("check_invariants")


@pytest.fixture
def segue_stage(_stage: Stage) -> Stage:
    """Return a Segue on servers of its own, all of which run."""
    _stage.heal()
    return _stage
