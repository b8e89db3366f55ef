"""What the gallery's stories need: a worker, and services that are called.

What needs settled settings is imported where it is used: this file may be read before they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer


@pytest.fixture
def stage(transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Return a function that installs a template, with variables, and is ready to run it."""
    from executions.engine.worker import Worker
    from tests.factories import ProjectFactory
    from tests.templates_app.gallery.stage import Stage

    worker = Worker()

    def install(slug: str, **variables: Any) -> Stage:
        return Stage(slug, project=ProjectFactory(), worker=worker, variables=variables)

    yield install
    worker.close()


@pytest.fixture
def shelf(db: None) -> Callable[..., Any]:
    """Return a function that installs a template which is not to run: for what is refused at once."""
    from tests.factories import ProjectFactory
    from tests.templates_app.gallery.stage import Stage

    return lambda slug, **variables: Stage(slug, project=ProjectFactory(), worker=None, variables=variables)


@pytest.fixture
def service() -> Iterator[HTTPServer]:
    """Return an HTTP service; a call that no test foresaw fails the test."""
    with HTTPServer(threaded=True) as server:
        yield server
        server.check()


@pytest.fixture
def chat(service: HTTPServer) -> Callable[[], list[str]]:
    """Return what was posted to the chat so far. It listens at ``/chat``."""
    service.expect_request("/chat", method="POST").respond_with_data("ok")
    return lambda: [request.json["text"] for request, _ in service.log if request.path == "/chat"]
