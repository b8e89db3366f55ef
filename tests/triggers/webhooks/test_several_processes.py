"""Several real web processes before one database: what one does, the other knows (S-WH-5, S-API-2)."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from django.utils import timezone

from executions.engine.worker import Worker
from executions.models import WorkflowExecution
from tests.builders import definition, node
from tests.triggers.stories import hook_of, publish_again, published, started_by, webhook
from tests.triggers.webhooks.hooks import BEARER, SECRET, a_hook
from tests.triggers.webhooks.web import web_process
from triggers.models import WebhookDelivery
from triggers.services import set_secret, switch_webhook
from workflows.services import archive, pause, resume

pytestmark = pytest.mark.django_db(transaction=True)

GIVE_UP_SECONDS = 30
# One process each, with four threads: two may hold callers that wait, two are left for others.
ONE = {"WEB_CONCURRENCY": "1", "WEB_THREADS": "4"}
WAITING_AT_ONCE = 2


@pytest.fixture(scope="module")
def ports(django_db_setup, tmp_path_factory) -> Iterator[tuple[int, int]]:
    folder = tmp_path_factory.mktemp("web")
    with web_process(folder, **ONE) as one, web_process(folder, **ONE) as other:
        yield one, other


def post(port: int, path: str, value: Any = None, **headers: str) -> httpx2.Response:
    return httpx2.post(
        f"http://127.0.0.1:{port}/webhooks/{path}", json=value, headers=headers, timeout=30, trust_env=False
    )


class TestRoutes:
    def both(self, ports, path):
        return [post(port, path, 1, authorization=f"Bearer {SECRET}").status_code for port in ports]

    def test_are_the_same_everywhere_the_moment_after(self, ports):
        now = timezone.now()
        workflow = published(started_by(hook=webhook(path="first/{id}", auth=BEARER)))
        hook = hook_of(workflow)
        set_secret(hook, secret=SECRET, by=None, now=now)
        seen = [self.both(ports, "first/1")]
        publish_again(workflow, started_by(hook=webhook(path="second", auth=BEARER)))
        seen += [self.both(ports, "first/1"), self.both(ports, "second")]
        pause(workflow, by=None, now=now)
        seen.append(self.both(ports, "second"))
        resume(workflow, by=None, now=now)
        switch_webhook(hook, is_active=False, by=None, now=now)
        seen.append(self.both(ports, "second"))
        switch_webhook(hook, is_active=True, by=None, now=now)
        archive(workflow, by=None, now=now)
        seen.append(self.both(ports, "second"))

        assert seen == [[202] * 2, [404] * 2, [202] * 2, [202] * 2, [404] * 2, [404] * 2]


class TestDuplicates:
    @pytest.mark.parametrize("config", [{}, {"dedupe_key": "{{ trigger.body.order }}", "dedupe_window_seconds": 60}])
    def test_in_the_same_moment_in_two_processes_start_one_execution(self, ports, config):
        """R-2, S-WH-5"""
        hook = a_hook(**config)
        gate = threading.Barrier(12)

        def call(port):
            gate.wait(10)
            return post(port, hook.path, {"order": 7}, **{"Idempotency-Key": "a"})

        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(call, itertools.islice(itertools.cycle(ports), 12)))

        execution = WorkflowExecution.objects.get()
        assert {answer.json()["execution_id"] for answer in answers} == {str(execution.pk)}
        assert sorted(answer.status_code for answer in answers) == [200] * 11 + [202]
        assert sum(answer.json().get("duplicate", False) for answer in answers) == 11
        assert WebhookDelivery.objects.filter(verdict="duplicate").count() == 11


class TestRateLimit:
    def test_holds_over_both_processes(self, ports):
        """S-API-2"""
        hook = a_hook(rate_limit={"per_minute": 1, "burst": 5})

        statuses = [post(port, hook.path, 1).status_code for port in ports * 4]

        assert statuses == [202] * 5 + [429] * 3


class TestAnswers:
    def test_of_a_worker_elsewhere_come_to_whoever_waits(self, ports):
        """The node needs a worker, which is this process; the callers wait in two others."""
        say = node("webhook", {"action": "respond", "value": "{{ input }}"})
        nap = node("delay", {"for_seconds": 0.2})
        sleep = node("delay", {"for_seconds": 600})
        trigger = webhook(respond="node", response_timeout_seconds=30)
        hook = hook_of(published(definition("hook > nap > say > sleep", hook=trigger, nap=nap, say=say, sleep=sleep)))
        with ThreadPoolExecutor(2) as pool, _working():
            answers = list(pool.map(lambda port: post(port, hook.path, {"from": port}), ports))

        assert [answer.json()["body"]["from"] for answer in answers] == list(ports)
        assert {execution.status for execution in WorkflowExecution.objects.all()} == {"running"}

    def test_that_many_wait_for_keep_nobody_else_waiting(self, ports):
        """As many callers as the process has threads ask for an answer that does not come; all others are served."""
        nap = node("delay", {"for_seconds": 600})
        trigger = webhook(respond="finished", response_timeout_seconds=60)
        slow = hook_of(published(definition("hook > nap", hook=trigger, nap=nap)))
        quick = a_hook()
        port = ports[0]
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(post, port, slow.path, number) for number in range(4)]
            _until(lambda: WorkflowExecution.objects.filter(workflow=slow.workflow).count() == 4)
            answers = [post(port, quick.path, number).status_code for number in range(20)]
            still_waiting = sum(not each.done() for each in waiting)
            _end_all(slow)
            ends = [each.result(GIVE_UP_SECONDS).status_code for each in waiting]

        assert answers == [202] * 20
        assert still_waiting == WAITING_AT_ONCE
        assert sorted(ends) == [202, 202, 502, 502]  # Two had no place to wait; two heard of the cancelling.


def _end_all(hook):
    from executions.services import cancel_execution

    for execution in WorkflowExecution.objects.filter(workflow=hook.workflow):
        cancel_execution(execution, by=None, now=timezone.now())


def _until(holds):
    until = time.monotonic() + GIVE_UP_SECONDS
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


class _working:
    """A worker in a thread of this process."""

    def __enter__(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        from django.db import connection

        worker = Worker()
        try:
            while not self._stop.is_set():
                worker.work()
                self._stop.wait(0.02)
        finally:
            worker.close()
            connection.close()

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
