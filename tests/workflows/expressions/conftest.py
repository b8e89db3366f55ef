"""Both places in which expressions are evaluated, made once for all tests here: starting a child takes a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from workflows.expressions import Evaluator, InProcessSandbox, Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="session", params=["child process", "in place"])
def evaluator(request: pytest.FixtureRequest, sandbox: Sandbox) -> Evaluator:
    return sandbox if request.param == "child process" else InProcessSandbox()
