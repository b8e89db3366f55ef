"""Live events on the API, in the process of the test: who gets them, how many at once, until when."""

from __future__ import annotations

import itertools
import json
import socket
from datetime import timedelta
from threading import Semaphore

import pytest
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from executions import waiting
from executions.live import reader, streams
from executions.live.position import Position
from executions.live.reader import Reader
from projects.models import ProjectMember
from tests.factories import ExecutionFactory, NodeRunFactory, token_and_key
from tests.streaming import hang_up

pytestmark = pytest.mark.django_db


def url(execution):
    return reverse("execution-events", args=[execution.pk])


def execution_in(project, **more):
    return ExecutionFactory(workflow_version__workflow__project=project, **more)


def text_of(response):
    return "".join(part.decode() for part in response.streaming_content)


def parsed(text):
    """Return events as (name, data, id), as a browser would read them."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if "data" in fields:
            events.append((fields["event"], json.loads(fields["data"]), fields["id"]))
    return events


@pytest.fixture
def ended(project):
    execution = execution_in(project, ended=True)
    NodeRunFactory(execution=execution)
    return execution


class FakeClock:
    """Lets time pass when somebody sleeps."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(streams.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(reader.time, "sleep", self.sleep)

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    return FakeClock(monkeypatch)


class TestEvents:
    def test_are_sent_as_an_event_stream_until_the_end(self, api, ended):
        response = api("viewer").get(url(ended), headers={"accept": "text/event-stream"})

        assert response.status_code == 200
        assert response["Content-Type"] == "text/event-stream; charset=utf-8"
        assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("no-cache", "no")
        text = text_of(response)
        assert text.startswith("retry: 1000\n\nid: ")
        names = [(name, data.get("status")) for name, data, _ in parsed(text)]
        assert names == [("node_run", "completed"), ("execution", "completed"), ("end", None)]

    @pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html"])
    def test_are_sent_whatever_is_accepted(self, api, ended, accept):
        assert "event: end" in text_of(api("viewer").get(url(ended), headers={"accept": accept}))

    @pytest.mark.parametrize("by", ["header", "query"])
    def test_go_on_after_the_one_that_came_last(self, api, ended, by):
        events = parsed(text_of(api("viewer").get(url(ended))))
        _, _, told = events[0]
        request = {"headers": {"last-event-id": told}} if by == "header" else {"data": {"last_event_id": told}}

        assert parsed(text_of(api("viewer").get(url(ended), **request))) == events[1:]

    def test_after_the_end_there_is_nothing_to_come_back_for(self, api, ended):
        _, _, told = parsed(text_of(api("viewer").get(url(ended))))[-1]

        assert api("viewer").get(url(ended), headers={"last-event-id": told}).status_code == 204

    def test_an_id_that_is_none_is_refused_before_anything_is_sent(self, api, ended):
        response = api("viewer").get(url(ended), {"last_event_id": "7"}, headers={"accept": "text/event-stream"})

        assert (response.status_code, response.json()["code"]) == (400, "unknown_event_id")

    @pytest.mark.parametrize(("who", "status"), [("stranger", 404), ("nobody", 401)])
    def test_are_for_members_alone(self, api, ended, who, status):
        response = api(who).get(url(ended), headers={"accept": "text/event-stream"})

        assert response.status_code == status
        assert response["Content-Type"] == "application/json"
        assert response.json().keys() >= {"code", "message"}

    def test_head_holds_nothing(self, api, project):
        response = api("viewer").head(url(execution_in(project, leased=True)))

        assert (response.status_code, response.content) == (200, b"")
        assert response["Content-Type"].startswith("text/event-stream")


class TestPlaces:
    @pytest.fixture(autouse=True)
    def few(self, monkeypatch):
        monkeypatch.setattr(streams, "_places", Semaphore(2))

    def test_are_few_and_one_more_is_asked_to_come_later(self, api, project):
        client, execution = api("viewer"), execution_in(project, leased=True)
        held = [client.get(url(execution)) for _ in range(2)]

        refused = client.get(url(execution), headers={"accept": "text/event-stream"})

        assert [response.status_code for response in held] == [200, 200]
        assert (refused.status_code, refused["Retry-After"]) == (503, "10")
        assert refused.json()["code"] == "unavailable"
        assert "watched live" in refused.json()["message"]

    def test_are_left_however_a_stream_ends(self, api, project, ended):
        client, live = api("viewer"), execution_in(project, leased=True)
        for _ in range(3):
            text_of(client.get(url(ended)))  # By itself.
            hang_up(client.get(url(live)))  # Before it began.
            gone = client.get(url(live))
            next(iter(gone.streaming_content))
            hang_up(gone)  # By a watcher who went away.
            client.get(url(live), {"last_event_id": "7"})

        held = [client.get(url(live)) for _ in range(2)]
        assert [response.status_code for response in held] == [200, 200]

    def test_are_among_those_that_hold_threads(self, api, project, monkeypatch):
        """Senders that wait for results hold threads as well, and some must be left for all others."""
        monkeypatch.setattr(waiting, "places", Semaphore(1))
        client, execution = api("viewer"), execution_in(project, leased=True)
        held = client.get(url(execution))

        assert client.get(url(execution)).status_code == 503
        hang_up(held)
        assert client.get(url(execution)).status_code == 200


class TestStream:
    def stream(self, execution, may_go_on=lambda: True):
        return streams.Stream(Reader(execution.pk), may_go_on=may_go_on)

    def test_ends_after_ten_minutes_and_says_when_to_come_back(self, clock):
        parts = list(self.stream(ExecutionFactory(leased=True)))

        assert 600 <= clock.now - 1000 < 602
        assert parts[-1] == "retry: 1000\n\n"
        assert "event: end" not in "".join(parts)

    def test_sends_something_every_fifteen_seconds(self, clock):
        stream = iter(self.stream(ExecutionFactory(leased=True)))
        moments = [(clock.now, part) for part in itertools.islice(stream, 6)]

        quiet = [(now, part) for now, part in moments if part == ": keep-alive\n\n"]
        assert len(quiet) == 4
        assert all(15 <= later - earlier <= 16 for (earlier, _), (later, _) in itertools.pairwise(quiet))

    def test_ends_soon_when_its_process_is_to_end(self, clock, monkeypatch):
        monkeypatch.setattr(streams, "_is_ending", lambda: clock.now > 1005)

        parts = list(self.stream(ExecutionFactory(leased=True)))

        assert clock.now - 1005 <= 1.01
        assert parts[-1] == "retry: 1000\n\n"

    def test_ends_when_its_watcher_may_not_see_it_any_more(self, clock):
        list(self.stream(ExecutionFactory(leased=True), may_go_on=lambda: clock.now < 1040))

        assert 40 <= clock.now - 1000 <= 60

    def test_ends_when_its_watcher_has_hung_up(self, clock):
        here, there = socket.socketpair()
        with here:
            stream = streams.Stream(
                Reader(ExecutionFactory(leased=True).pk),
                may_go_on=lambda: True,
                is_gone=lambda: streams.has_hung_up(here),
            )
            parts = iter(stream)
            for _ in range(3):
                next(parts)
            there.close()

            assert list(parts) == []

    def test_a_database_that_goes_away_ends_it_without_a_fault(self, clock, monkeypatch, caplog):
        monkeypatch.setattr(Reader, "look", lambda self: (_ for _ in ()).throw(OperationalError("gone")))

        parts = list(self.stream(ExecutionFactory(leased=True)))

        assert parts == ["retry: 1000\n\n", "retry: 1000\n\n"]
        assert "its watcher will come back" in caplog.text


class TestLosingTheRight:
    """Asked every fifteen seconds, so that a stream does not outlive the right to see it."""

    def watched(self, client, execution, clock, lose):
        response = client.get(url(execution))
        parts = response.streaming_content
        next(parts)
        next(parts)
        lose()
        text = b"".join(parts)
        assert b"event: end" not in text
        assert clock.now - 1000 < 40

    def test_by_leaving_the_project(self, api, project, clock):
        execution = execution_in(project, leased=True)
        self.watched(api("viewer"), execution, clock, lambda: ProjectMember.objects.all().delete())

    def test_by_an_account_that_is_switched_off(self, api, project, clock):
        person = api("viewer")
        members = ProjectMember.objects.get(role="viewer")

        def switch_off():
            members.user.is_active = False
            members.user.save()

        self.watched(person, execution_in(project, leased=True), clock, switch_off)

    @pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
    def test_by_a_token_that_ends(self, client, project, clock, column):
        token, key = token_and_key(member__project=project)

        class Client:
            def get(self, path):
                return client.get(path, headers={"authorization": f"Bearer {key}"})

        def end_token():
            setattr(token, column, timezone.now() - timedelta(seconds=1))
            token.save()

        self.watched(Client(), execution_in(project, leased=True), clock, end_token)


def test_the_id_of_the_beginning_is_an_id(api, ended):
    assert "event: end" in text_of(api("viewer").get(url(ended), {"last_event_id": Position().to_id()}))
