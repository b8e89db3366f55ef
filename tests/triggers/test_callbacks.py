"""The public one-time link of a node that waits for a call. [S-WH-9]"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from executions import services
from executions.links import digest_of
from executions.models import Link
from tests.builders import definition, node
from tests.executions.waiting_executions import started, token_of, waits
from tests.factories import LinkFactory, VersionFactory, WorkflowFactory
from workflows.services import set_variable

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    return waits()


@pytest.fixture
def url(execution):
    return f"/callbacks/{token_of(execution)}"


@pytest.fixture
def outside():
    """A program that has no session and knows no cookie."""
    return Client(enforce_csrf_checks=True)


def answer_of(execution):
    return (execution.node_runs.get(node_id="ask").answer or {}).get("output")


class TestPost:
    @pytest.mark.parametrize(
        ("body", "content_type", "read"),
        [
            (b'{"paid": true}', "application/json", {"paid": True}),
            (b"a=1&b=2&b=3", "application/x-www-form-urlencoded", {"a": "1", "b": ["2", "3"]}),
            ("grün".encode(), "text/plain; charset=utf-8", "grün"),
            (b"", "", None),
        ],
    )
    def test_brings_what_its_content_type_says(self, outside, execution, url, body, content_type, read):
        answer = outside.generic("POST", f"{url}?from=bank", body, content_type=content_type)

        assert (answer.status_code, answer.json()) == (200, {"status": "taken", "is_duplicate": False})
        told = answer_of(execution)
        assert (told["body"], told["query"], told["method"]) == (read, {"from": "bank"}, "POST")

    def test_makes_the_execution_due(self, outside, execution, url):
        outside.post(url)

        execution.refresh_from_db()
        assert execution.blocked_on == "queue"

    def test_hands_no_credentials_on(self, outside, execution, url):
        outside.post(url, headers={"authorization": "Bearer x", "cookie": "a=b", "x-order": "7"})

        headers = answer_of(execution)["headers"]
        assert headers["x-order"] == "7"
        assert not {"authorization", "cookie"} & headers.keys()

    def test_takes_one_call_and_answers_it_again(self, outside, url):
        first, again = (outside.post(url, {"n": 1}, content_type="application/json") for _ in range(2))
        other = outside.post(url, {"n": 2}, content_type="application/json")

        assert (first.status_code, again.status_code, again.json()["is_duplicate"]) == (200, 200, True)
        assert (other.status_code, other.json()["code"]) == (409, "link_used")

    def test_comes_too_late_when_its_execution_has_ended(self, outside, execution, url):
        services.cancel_execution(execution, by=None, now=timezone.now())

        answer = outside.post(url)

        assert (answer.status_code, answer.json()["code"]) == (410, "link_gone")

    def test_comes_too_late_after_the_deadline(self, outside):
        execution = waits(timeout="PT10M")
        execution.node_runs.filter(node_id="ask").update(wake_at=timezone.now() - timedelta(seconds=1))

        answer = outside.post(f"/callbacks/{token_of(execution)}")

        assert answer.status_code == 410
        assert answer_of(execution) is None

    @pytest.mark.parametrize(
        ("body", "content_type", "status", "code"),
        [
            (b"{", "application/json", 400, "not_json"),
            (b"x" * 2_000_000, "text/plain", 413, "body_too_large"),
            (b"\xff", "text/plain; charset=utf-8", 400, "not_text"),
        ],
    )
    def test_that_cannot_be_read_uses_the_link_up_for_nobody(self, outside, url, body, content_type, status, code):
        answer = outside.generic("POST", url, body, content_type=content_type)

        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert outside.post(url).status_code == 200

    def test_before_the_node_waits_is_kept(self, outside):
        version = VersionFactory(definition=definition("start > ask", ask=node("webhook", {"action": "wait"})))
        link = LinkFactory(execution__workflow_version=version)
        Link.objects.update(digest=digest_of(token_of(link.execution)))

        answer = outside.post(f"/callbacks/{token_of(link.execution)}", {"n": 1}, content_type="application/json")

        link.refresh_from_db()
        assert answer.status_code == 200
        assert link.early["output"]["body"] == {"n": 1}


class TestLooking:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_changes_nothing(self, outside, execution, url, method):
        """Mail scanners and previews open every link."""
        answers = [outside.generic(method, url) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200]
        assert answer_of(execution) is None
        assert outside.post(url).status_code == 200

    def test_says_what_has_become_of_the_link(self, outside, execution, url):
        assert outside.get(url).json()["status"] == "waiting"
        outside.post(url)
        assert outside.get(url).json()["status"] == "taken"

    def test_says_when_nobody_waits_any_more(self, outside, execution, url):
        services.cancel_execution(execution, by=None, now=timezone.now())

        answer = outside.get(url)

        assert (answer.status_code, answer.json()["status"]) == (410, "gone")

    def test_is_kept_by_nobody_and_told_to_nobody(self, outside, url):
        answer = outside.get(url)

        assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("no-store", "no-referrer")

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_other_methods_are_refused(self, outside, url, method):
        answer = outside.generic(method, url)

        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")


class TestUnknown:
    @pytest.mark.parametrize("token", ["x", "A" * 43, "%00", "ü", "a" * 5000])
    def test_tokens_lead_nowhere(self, outside, execution, token):
        for answer in (outside.get(f"/callbacks/{token}"), outside.post(f"/callbacks/{token}")):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    def test_the_link_of_an_approval_is_none_here(self, outside):
        """[S-WH-9] What one link is for, another one is not."""
        execution = waits("approve")

        answer = outside.post(f"/callbacks/{token_of(execution)}")

        assert answer.status_code == 404
        assert answer_of(execution) is None


class TestProof:
    @pytest.fixture
    def url(self):
        proof = {"header": "X-Key", "secret": "{{ secret('CALLBACK_KEY') }}"}
        raw = definition("start > ask", ask=node("webhook", {"action": "wait", "proof": proof}))
        workflow = WorkflowFactory(published=True, definition=raw)
        set_variable(workflow, "CALLBACK_KEY", value="open-sesame", is_secret=True, by=None, now=timezone.now())
        self.execution = started(workflow)
        return f"/callbacks/{token_of(self.execution)}"

    @pytest.mark.parametrize("headers", [{}, {"x-key": "open"}, {"x-key": "open-sesame!"}, {"x-key": "ü"}])
    def test_is_needed(self, outside, url, headers):
        answer = outside.post(url, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert answer_of(self.execution) is None

    def test_lets_in_and_is_not_handed_on(self, outside, url):
        answer = outside.post(url, headers={"x-key": "open-sesame"})

        assert answer.status_code == 200
        assert "open-sesame" not in str(answer_of(self.execution))

    def test_cannot_be_given_when_its_variable_is_gone(self, outside, url):
        self.execution.workflow.variables.all().delete()

        assert outside.post(url, headers={"x-key": "open-sesame"}).status_code == 503
