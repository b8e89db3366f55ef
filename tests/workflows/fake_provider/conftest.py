from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workflows.fake_provider import asking


@pytest.fixture(autouse=True)
def _closed_clients() -> Iterator[None]:
    """Close the clients of a test: those that saw an error would keep their connections."""
    yield
    while asking.clients:
        asking.clients.pop().close()
