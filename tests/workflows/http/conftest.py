from __future__ import annotations

from collections.abc import Iterator

import pytest

from workflows.http import Door


@pytest.fixture
def door() -> Iterator[Door]:
    """A door that lets the tests' own servers through, and nothing else."""
    door = Door(allowed_ranges=["127.0.0.0/8"])
    yield door
    door.close()


@pytest.fixture
def strict_door() -> Iterator[Door]:
    """A door as it is by default."""
    door = Door()
    yield door
    door.close()
