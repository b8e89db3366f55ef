"""S-SEC-4, S-SEC-5: secrets go where they may, and nothing that an execution records shows one."""

from __future__ import annotations

import base64
import logging
from io import StringIO
from typing import Any
from urllib.parse import quote

import pytest
from django.utils import timezone
from werkzeug import Request, Response

from executions import services
from executions.engine.worker import Worker
from projects.masking import MASK
from tests.builders import definition, node
from tests.executions.engine.carrying import carry, hurry
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import WorkflowFactory
from workflows import services as workflows
from workflows.tools.base import catalogue

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = 'hunter2/hunter2"+&'
SPELLINGS = {
    "plain": SECRET,
    "url": quote(SECRET, safe=""),
    "hex": SECRET.encode().hex(),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "basic": base64.b64encode(f"alice:{SECRET}".encode()).decode(),
    "shifted": base64.b64encode(f"xy{SECRET}".encode()).decode(),
}


def ask(url: str, **more: Any) -> dict[str, Any]:
    return node("tool", {"tool": "http.request", "with": {"url": url, **more}})


def with_secret(raw: dict[str, Any], *, shared: bool = False, **more: Any) -> Any:
    """Publish a workflow with the secret ``API_KEY``, and start it."""
    workflow = WorkflowFactory(published=True, definition=raw)
    owner = workflow.project if shared else workflow
    workflows.set_variable(owner, "API_KEY", value=SECRET, is_secret=True, by=None, now=timezone.now(), **more)
    return services.start_manually(workflow, input={}, by=None, now=timezone.now())


def recorded(execution: Any) -> str:
    return str(list(execution.node_runs.values())) + str(execution.result) + str(execution.error)


def repeating(request: Request) -> Response:
    """A service that knows the secret from elsewhere, and tells it in every spelling."""
    return Response("\n".join(SPELLINGS.values()))


class TestMasking:
    @pytest.mark.parametrize("kept", SPELLINGS.values(), ids=SPELLINGS)
    def test_holds_for_every_spelling(self, worker, httpserver, kept):
        httpserver.expect_request("/").respond_with_handler(repeating)
        raw = definition("start > ask", ask=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}))

        execution = carry(worker, with_secret(raw))

        assert execution.status == "completed"
        assert MASK in recorded(execution)
        assert kept not in recorded(execution)

    def test_holds_for_other_nodes_that_hear_it_again(self, worker, httpserver):
        """A service that was told the secret in one call repeats it in another."""
        httpserver.expect_request("/").respond_with_handler(repeating)
        url = httpserver.url_for("/")
        raw = definition(
            "start > tell > hear > end",
            tell=ask(url, headers={"X-Key": "{{ secret('API_KEY') }}"}),
            hear=ask(url),
            end=node("output", {"value": "{{ nodes.hear.output.body }}"}),
        )

        execution = carry(worker, with_secret(raw))

        assert execution.status == "completed"
        assert not [kept for kept in SPELLINGS.values() if kept in recorded(execution)]

    def test_holds_when_another_process_goes_on(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_handler(repeating)
        url = httpserver.url_for("/")
        raw = definition(
            "start > tell > sleep > hear",
            tell=ask(url, headers={"X-Key": "{{ secret('API_KEY') }}"}),
            sleep=node("delay", {"for_seconds": 3600}),
            hear=ask(url),
        )
        execution = with_secret(raw)
        worker.work()
        execution.refresh_from_db()
        assert execution.wake_at is not None
        hurry(execution)
        other = Worker()

        carry(other, execution)
        other.close()

        assert execution.status == "completed"
        assert SECRET not in recorded(execution)

    def test_comes_before_anything_is_cut(self, worker, httpserver):
        """Half a secret would no longer be recognised."""
        body = "x" * (2000 - len(SECRET) // 2) + SECRET
        httpserver.expect_request("/").respond_with_data(body, status=400)
        raw = definition("start > ask", ask=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}))

        execution = carry(worker, with_secret(raw))

        assert execution.status == "failed"
        assert SECRET[:6] not in recorded(execution)

    def test_holds_for_the_tracebacks_of_tools_that_fail(self, worker, monkeypatch):
        def fail(self: Any, arguments: Any, context: Any) -> None:
            raise ValueError(f"no good: {context.fill_secrets(arguments.url)}")

        monkeypatch.setattr(type(catalogue()["http.request"]), "call", fail)
        lines = logging.StreamHandler(StringIO())
        lines.setFormatter(logging.getLogger("django").handlers[0].formatter)  # As the settings say.
        monkeypatch.setattr(logging.getLogger("executions"), "handlers", [lines])
        raw = definition("start > ask", ask=ask("{{ secret('API_KEY') }}"))

        execution = carry(worker, with_secret(raw))

        assert execution.error["code"] == "node_fault"
        assert f"ValueError: no good: {MASK}" in lines.stream.getvalue()
        assert SECRET not in lines.stream.getvalue() + recorded(execution)


class TestWhereSecretsGo:
    @pytest.mark.parametrize("shared", [False, True])
    def test_a_projects_and_a_workflows_own_go_out_alike(self, worker, httpserver, shared):
        httpserver.expect_request("/", headers={"X-Key": SECRET}).respond_with_data("ok")
        raw = definition("start > ask", ask=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}))

        assert carry(worker, with_secret(raw, shared=shared, allowed_hosts=["localhost"])).status == "completed"

    def test_one_does_not_go_to_another_host(self, worker, httpserver):
        raw = definition("start > ask", ask=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}))

        execution = carry(worker, with_secret(raw, allowed_hosts=["api.example.com"]))

        assert (execution.status, execution.error["code"]) == ("failed", "secret_not_allowed")
        assert "`API_KEY` may only be sent to api.example.com" in execution.error["message"]
        assert httpserver.log == []

    def test_one_does_not_follow_a_redirect_to_another_host(self, worker, httpserver):
        elsewhere = httpserver.url_for("/elsewhere").replace("localhost", "127.0.0.1")
        httpserver.expect_request("/").respond_with_data("", status=307, headers={"Location": elsewhere})
        raw = definition("start > ask", ask=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}))

        execution = carry(worker, with_secret(raw, allowed_hosts=["localhost"]))

        assert execution.error["code"] == "secret_not_allowed"
        assert [request.path for request, _ in httpserver.log] == ["/"]

    def test_other_nodes_call_whom_they_like(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_data("ok")
        raw = definition(
            "start > tell > ask",
            tell=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}),
            ask=ask(httpserver.url_for("/").replace("localhost", "127.0.0.1")),
        )

        assert carry(worker, with_secret(raw, allowed_hosts=["localhost"])).status == "completed"

    @pytest.mark.parametrize(
        "changed",
        [
            "encodeURIComponent(secret('API_KEY'))",
            "secret('API_KEY').toUpperCase()",
            "secret('API_KEY').slice(1)",
            "secret('API_KEY').replace('secret', '')",
        ],
    )
    def test_one_that_an_expression_changes_is_not_sent_as_what_is_left_of_it(self, worker, httpserver, changed):
        raw = definition("start > ask", ask=ask(f"{httpserver.url_for('/')}?key={{{{ {changed} }}}}"))

        execution = carry(worker, with_secret(raw))

        assert (execution.status, execution.error["code"]) == ("failed", "secret_changed")
        assert httpserver.log == []

    def test_one_that_cannot_be_read_fails_the_node_and_says_why_and_what_to_do(self, worker, httpserver):
        raw = definition("start > ask", ask=ask(httpserver.url_for("/"), headers={"X-Key": "{{ secret('API_KEY') }}"}))
        execution = with_secret(raw)
        execution.workflow.variables.update(value="v1:gone0000:AAAA")

        carry(worker, execution)

        assert (execution.status, execution.error["code"]) == ("failed", "secret_unreadable")
        assert execution.error["message"].endswith("Set the secret again.")
        assert httpserver.log == []
