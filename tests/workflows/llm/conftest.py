from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers import FakeProvider


@pytest.fixture(autouse=True)
def loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    """A model provider that echoes until it is told otherwise."""
    with FakeProvider() as running:
        yield running
