"""Watching an execution of a real worker over a real web server, while it happens."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.builders import definition, node
from tests.installation import Installation, installed
from tests.sabotage import without
from tests.sabotage.apps import SPOKEN

ASKS = definition(
    "start > ask > end",
    ask=node("tool", {"tool": "event.emit", "with": {"name": "asked"}}),
    end=node("output", {"value": "It is done."}),
)
WORDS = [f"word{number}" for number in range(SPOKEN)]
# One web process with so many places for watchers.
FEW = {"WEB_CONCURRENCY": "1", "WEB_LIVE_STREAMS": "2"}


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def segue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Web, beat and a worker whose node ``ask`` says something while it runs."""
    folder, broker = tmp_path_factory.mktemp(request.param), request.getfixturevalue("broker")
    with installed(request.param, folder, broker, **FEW) as running:
        running.launch("worker", **without("silence"))
        running.start("web", "beat")
        yield running


@pytest.fixture(scope="module")
def asks(segue: Installation) -> str:
    return segue.publish("Asks", ASKS)


@pytest.fixture(scope="module")
def waits(segue: Installation) -> str:
    return segue.publish("Waits", definition("start > nap", nap=node("delay", {"for": "PT10M"})))


class Watcher:
    """A client of live events, which remembers what it was told and when."""

    def __init__(self, segue: Installation, execution_id: str) -> None:
        self._segue = segue
        self._url = f"/executions/{execution_id}/events/"
        self.events: list[tuple[str, Any]] = []
        self.times: list[float] = []
        self.latest = ""
        self.has_ended = False

    @contextmanager
    def connected(self) -> Iterator[httpx2.Response]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.latest} if self.latest else {})
        with self._segue.api.stream("GET", self._url, headers=headers) as response:
            yield response

    def listen(self, *, until: str = "end") -> Watcher:
        """Read events until one of a kind has come, or the server ends."""
        with self.connected() as response:
            assert response.status_code == 200
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    self._take(fields)
                    if fields["event"] == until:
                        return self
                    fields = {}
                else:
                    fields = {}
        self.has_ended = True
        return self

    def _take(self, fields: dict[str, str]) -> None:
        self.events.append((fields["event"], json.loads(fields["data"])))
        self.times.append(time.monotonic())
        self.latest = fields["id"]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def text(self) -> str:
        """Return the answer as a page would show it."""
        shown = ""
        for kind, data in self.events:
            if kind == "text":
                shown = data["text"] if data["reset"] else shown + data["text"]
        return shown

    def states(self, node_id: str) -> list[str]:
        return [data["status"] for kind, data in self.events if kind == "node_run" and data["node_id"] == node_id]


class TestWatching:
    def test_tells_of_node_runs_and_of_an_answer_while_it_comes(self, segue, asks):
        watcher = Watcher(segue, segue.run(asks)["id"]).listen()

        assert watcher.states("ask") == ["running", "completed"]
        assert watcher.text().split() == WORDS
        assert watcher.kinds()[-2:] == ["execution", "end"]
        assert watcher.events[-2][1]["status"] == "completed"
        moments = [moment for moment, (kind, _) in zip(watcher.times, watcher.events, strict=True) if kind == "text"]
        assert len(moments) >= 4
        assert moments[-1] - moments[0] > 1.5  # It came bit by bit: the whole takes three seconds.

    def test_who_loses_the_connection_goes_on_where_it_was_lost(self, segue, asks):
        watcher = Watcher(segue, segue.run(asks)["id"])
        for until in ("text", "text", "end"):
            watcher.listen(until=until)
            time.sleep(1)  # As `retry` asks. By then the server has noticed.

        assert watcher.text().split() == WORDS
        assert watcher.states("ask") == ["running", "completed"]
        assert watcher.kinds().count("end") == 1
        with watcher.connected() as response:
            assert response.status_code == 204  # Nothing more to come back for.

    def test_of_what_has_ended_it_tells_everything_but_the_answer(self, segue, asks):
        execution_id = segue.run(asks)["id"]
        segue.ended(execution_id)

        watcher = Watcher(segue, execution_id).listen()

        assert watcher.states("ask") == ["completed"]
        assert watcher.kinds()[-1] == "end"

    def test_the_command_prints_the_same(self, segue, asks):
        lines = segue.manage("run_workflow", asks).splitlines()

        assert f"  ask: {' '.join(WORDS)}" in [line.rstrip() for line in lines]
        assert '"It is done."' in lines[-1]

    def test_an_answer_that_a_killed_worker_began_begins_anew(self, segue, asks):
        execution_id = segue.run(asks)["id"]
        watcher = Watcher(segue, execution_id).listen(until="text")
        segue.kill("worker")
        time.sleep(1)
        segue.launch("worker", **without("silence"))

        watcher.listen()

        resets = [data["reset"] for kind, data in watcher.events if kind == "text"]
        assert resets.count(True) == 2
        assert watcher.text().split() == WORDS
        assert watcher.states("ask") == ["running", "running", "completed"]


class TestServer:
    def test_has_few_places_and_gets_them_back_from_watchers_who_are_gone(self, segue, waits):
        watcher = Watcher(segue, segue.run(waits)["id"])
        with watcher.connected() as first, watcher.connected() as second, watcher.connected() as third:
            assert [first.status_code, second.status_code] == [200, 200]
            third.read()
            assert (third.status_code, third.headers["Retry-After"]) == (503, "10")
            assert third.json()["code"] == "unavailable"

        time.sleep(1.5)  # Both have hung up, and nothing is sent to them meanwhile.
        with watcher.connected() as one, watcher.connected() as other:
            assert [one.status_code, other.status_code] == [200, 200]

    def test_ends_at_once_although_somebody_watches(self, segue, waits):
        watcher = Watcher(segue, segue.run(waits)["id"])
        with contextlib.ExitStack() as connected:
            until = time.monotonic() + 20
            # Those who watched in other tests have hung up, and a busy machine may not have noticed yet.
            while (response := connected.enter_context(watcher.connected())).status_code == 503:
                assert time.monotonic() < until
                time.sleep(0.5)
            lines = response.iter_lines()
            while next(lines) != "event: execution":
                pass
            began = time.monotonic()
            segue.ask_to_end("web")
            *_, retry, _ = lines

        assert retry == "retry: 1000"
        assert segue.terminate("web") == 0
        assert time.monotonic() - began < 8  # Less than the grace that it has.
        segue.start("web")
