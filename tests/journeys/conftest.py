"""Stories run on PostgreSQL with Redis or Valkey, again on SQLite, and on RabbitMQ where one is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import Installation, installed

KINDS = ["postgres", "sqlite", "rabbitmq"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="module", params=KINDS)
def segue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return an installation with web, worker and beat running."""
    with installed(request.param, tmp_path_factory.mktemp(request.param), request.getfixturevalue("broker")) as running:
        running.start()
        yield running
