"""Worker processes that die while they poll: no item is lost, and none starts two executions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from tests.builders import definition, node
from tests.crash.stage import Stage


class Watching:
    """A poll of a list of three items."""

    def __init__(self, stage: Stage, url: str) -> None:
        self._stage = stage
        look = {
            "kind": "polling",
            "tool": "http.request",
            "with": {"url": url},
            "key": "{{ item.id }}",
            "first": "take",
        }
        self._workflow_id = stage.segue.publish(
            f"poll {uuid.uuid4()}", definition("look > end", look=node("trigger", look), end=node("output"))
        )

    def let_the_lease_end(self) -> None:
        """Do what time does."""
        self._stage.execute(
            "UPDATE polls SET lease_expires_at = now() - interval '1 second' WHERE lease_owner IS NOT NULL"
        )

    def look_again(self) -> None:
        """Make it due."""
        self._stage.execute(f"UPDATE polls SET next_run = now() WHERE workflow_id = '{self._workflow_id}'")

    def looks(self) -> int:
        """Return how often it has looked."""
        ((count,),) = self._stage.query("SELECT poll_count FROM polls WHERE workflow_id = %s", self._workflow_id)
        return int(count)

    def taken(self) -> list[int]:
        """Return the items that executions were started for."""
        found = self._stage.query(
            "SELECT execution_context->'trigger'->'item'->>'id' FROM workflow_executions WHERE workflow_id = %s ORDER BY 1",
            self._workflow_id,
        )
        return [int(item) for (item,) in found]


@pytest.fixture
def stage(segue_stage: Stage) -> Iterator[Stage]:
    yield segue_stage
    segue_stage.execute("UPDATE polls SET is_active = false")


@pytest.fixture
def url(httpserver: HTTPServer) -> str:
    items: list[dict[str, Any]] = [{"id": number} for number in (1, 2, 3)]
    httpserver.expect_request("/items").respond_with_data(json.dumps(items), content_type="application/json")
    return httpserver.url_for("/items")


class TestPolls:
    @pytest.mark.parametrize("point", ["poll.before", "poll.inside"])
    def test_a_worker_that_dies_loses_no_item_and_takes_none_twice(self, stage, url, point):
        stage.failpoints.arm(f"{point}=kill")
        watching = Watching(stage, url)
        stage.reached(point)
        assert (watching.taken(), watching.looks()) == ([], 0)

        stage.heal()
        watching.let_the_lease_end()
        stage.wait_for(lambda: watching.looks() == 1, what="another worker to look")

        watching.look_again()
        stage.wait_for(lambda: watching.looks() == 2, what="the next look")
        assert watching.taken() == [1, 2, 3]

    def test_polls_go_on_without_a_broker(self, stage, url):
        stage.broker.kill()

        watching = Watching(stage, url)

        stage.wait_for(lambda: watching.looks() == 1, what="the first look")
        assert watching.taken() == [1, 2, 3]
