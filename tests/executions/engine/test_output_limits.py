"""What nodes make is bounded, each and all together: at the limit, and one byte beyond. [S-DOS-1]"""

from __future__ import annotations

import orjson
import pytest

from tests.builders import definition, node
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker

pytestmark = pytest.mark.django_db(transaction=True)

ECHO = definition("start > end", end=node("output", {"value": "{{ trigger.n }}"}))


def echoed(worker, letters=10):
    return carry(worker, start(ECHO, {"n": 1, "text": "x" * letters}))


class TestOutputOfANode:
    @pytest.mark.parametrize(("over", "status"), [(0, "completed"), (1, "failed")])
    def test_may_be_as_long_as_the_setting_says(self, worker, settings, over, status):
        settings.NODE_OUTPUT_MAX_BYTES = len(orjson.dumps({"n": 1, "text": "x" * 1000}))

        execution = echoed(worker, 1000 + over)

        assert execution.status == status

    def test_that_is_too_long_fails_the_node_and_says_why(self, worker, settings):
        settings.NODE_OUTPUT_MAX_BYTES = 2000

        execution = echoed(worker, 3000)

        assert (execution.error["code"], execution.error["node_id"]) == ("output_too_large", "start")
        assert "2,000 are allowed" in execution.error["message"]
        run = execution.node_runs.get()
        assert (run.node_id, run.status, run.output_data) == ("start", "failed", None)


class TestWhatNoDatabaseHolds:
    def test_is_recorded_visibly(self, worker, httpserver):
        """Services cut texts in the middle of an emoji."""
        answer = b'{"title": "cut \\ud83d", "note": "a\\u0000b"}'
        httpserver.expect_request("/").respond_with_data(answer, content_type="application/json")
        fetch = node("tool", {"tool": "http.request", "with": {"url": httpserver.url_for("/")}})
        end = node("output", {"value": "{{ input.body }}"})

        execution = carry(worker, start(definition("start > fetch > end", fetch=fetch, end=end)))

        assert execution.result == {"title": "cut \\ud83d", "note": "a\\u0000b"}


class TestOutputsOfAnExecution:
    @pytest.mark.parametrize(("less", "status"), [(0, "completed"), (1, "failed")])
    def test_may_be_as_long_together_as_the_setting_says(self, worker, settings, less, status):
        settings.EXECUTION_OUTPUT_MAX_BYTES = echoed(worker).output_bytes - less

        execution = echoed(worker)

        assert execution.status == status

    def test_that_are_too_long_fail_the_node_that_goes_beyond(self, worker, settings):
        settings.EXECUTION_OUTPUT_MAX_BYTES = echoed(worker).output_bytes - 1

        execution = echoed(worker)

        assert (execution.error["code"], execution.error["node_id"]) == ("execution_too_large", "end")
