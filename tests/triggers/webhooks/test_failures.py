"""What happens when the database fails while a delivery comes in: never a 2xx without a commit (R-1)."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError, connection

from executions.models import WorkflowExecution
from tests.threads import at_once
from tests.triggers.stories import hook_of, published, started_by, webhook
from tests.triggers.webhooks.senders import send
from triggers.models import WebhookDelivery, WebhookRegistration

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.CRITICAL)


def a_hook(**config):
    return hook_of(published(started_by(hook=webhook(**config))))


def counted(hook):
    return WebhookRegistration.objects.with_counts().get(pk=hook.pk).trigger_count


class FailsAt:
    """Lets the first statements through and fails at the next one, and at all after it."""

    def __init__(self, statements: int) -> None:
        self.left = statements
        self.has_failed = False

    def __call__(self, execute, sql, params, many, context):
        if self.left == 0:
            self.has_failed = True
            raise OperationalError("server closed the connection unexpectedly")
        self.left -= 1
        return execute(sql, params, many, context)


def with_failure_at(statement: int, call):
    failure = FailsAt(statement)
    with connection.execute_wrapper(failure):
        return call(), failure.has_failed


class TestEveryStatement:
    def test_that_fails_gives_503_and_leaves_nothing(self):
        """R-1: and the sender's next try, with the same id, gives exactly one execution (R-2)."""
        hook = a_hook()
        tried = 0
        while True:
            response, has_failed = with_failure_at(tried, lambda: send(hook, 1, idempotency_key="abc"))
            if not has_failed:
                break
            assert (response.status_code, response["Retry-After"]) == (503, "5"), f"statement {tried}"
            assert response.json()["code"] == "unavailable"
            assert not WorkflowExecution.objects.exists(), f"statement {tried}"
            assert not WebhookDelivery.objects.exists(), f"statement {tried}"
            tried += 1

        assert tried >= 5
        assert response.status_code == 202
        assert WorkflowExecution.objects.count() == 1

    def test_that_fails_while_a_refusal_is_kept_gives_503(self):
        hook = a_hook()

        response, has_failed = with_failure_at(1, lambda: send(hook, body=b"{broken"))

        assert has_failed
        assert response.status_code == 503


class TestCommit:
    def lost_reply(self, monkeypatch):
        """Commit for real, and lose the answer."""
        commit = connection._commit

        def commit_and_hang_up():
            commit()
            raise OperationalError("server closed the connection unexpectedly")

        monkeypatch.setattr(connection, "_commit", commit_and_hang_up)

    def test_whose_reply_is_lost_gives_503_and_the_next_try_the_same_execution(self, monkeypatch):
        """R-1, R-2: the outcome is not known, so it is no 2xx; the retry is a duplicate."""
        hook = a_hook()
        with monkeypatch.context() as patch:
            self.lost_reply(patch)
            assert send(hook, 1, idempotency_key="abc").status_code == 503
        execution = WorkflowExecution.objects.get()

        response = send(hook, 1, idempotency_key="abc")

        assert (response.status_code, response.json()["execution_id"]) == (200, str(execution.pk))

    def test_that_never_happens_gives_503(self, monkeypatch):
        hook = a_hook()

        def hang_up():
            raise OperationalError("server closed the connection unexpectedly")

        with monkeypatch.context() as patch:
            patch.setattr(connection, "_commit", hang_up)
            assert send(hook, 1).status_code == 503

        assert not WorkflowExecution.objects.exists()


class TestWaiting:
    def test_that_fails_after_the_commit_is_still_an_acceptance(self, settings):
        """R-1: what is committed is never called refused."""
        settings.ENGINE_IN_PLACE = False
        hook = a_hook(respond="finished", response_timeout_seconds=5)
        statements = []

        def count(execute, sql, params, many, context):
            if "is_awaited" in sql and sql.startswith("SELECT"):
                raise OperationalError("the server has gone")
            statements.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(count):
            response = send(hook, 1)

        assert response.status_code == 202
        assert response.json()["execution_id"] == str(WorkflowExecution.objects.get().pk)

    def test_an_answer_that_cannot_be_read_is_still_an_acceptance(self):
        """R-1: also where the execution has ended in the commit that accepted it."""
        hook = a_hook(respond="finished")

        def fail(execute, sql, params, many, context):
            if "output_data" in sql and sql.startswith("SELECT"):
                raise OperationalError("the server has gone")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(fail):
            response = send(hook, 1)

        assert response.status_code == 202
        assert WorkflowExecution.objects.get().status == "completed"


class TestDuplicatesInTheSameMoment:
    def test_start_one_execution(self):
        """R-2, S-WH-5: eight senders at once, on connections of their own."""
        hook = a_hook()

        responses = at_once(*[lambda: send(hook, {"a": 1}, idempotency_key="abc")] * 8)

        execution = WorkflowExecution.objects.get()
        assert {response.json()["execution_id"] for response in responses} == {str(execution.pk)}
        assert sorted(response.status_code for response in responses) == [200] * 7 + [202]
        assert WebhookDelivery.objects.filter(verdict="accepted").count() == 1
        assert counted(hook) == 1

    def test_with_different_bodies_start_one_execution(self):
        """R-2"""
        hook = a_hook()

        responses = at_once(*[lambda value=value: send(hook, value, idempotency_key="abc") for value in range(4)])

        assert sorted(response.status_code for response in responses) == [202, 422, 422, 422]
        assert WorkflowExecution.objects.count() == 1

    def test_of_different_deliveries_start_all(self):
        hook = a_hook()

        at_once(*[lambda key=key: send(hook, 1, idempotency_key=str(key)) for key in range(8)])

        assert WorkflowExecution.objects.count() == 8
        assert counted(hook) == 8
