"""The API of events."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import WorkflowExecution
from tests.factories import EventFactory, EventMatchFactory
from tests.triggers.stories import event, published, started_by, trigger_of
from triggers.models import Event

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow(project):
    return published(started_by(heard=event("order.*", filter="{{ trigger.data.total > 10 }}")), project=project)


def post(client, project, **body):
    return client.post("/api/events/", {"project": str(project.pk), **body}, format="json")


class TestSendingOne:
    def test_answers_with_the_event_and_what_came_of_it(self, api, project, workflow):
        answer = post(api("operator"), project, name="order.created", data={"total": 42}, id="a-1", source="shop")

        assert answer.status_code == 201
        body = answer.json()
        assert (body["name"], body["id_of_sender"], body["source"], body["duplicate"]) == (
            "order.created",
            "a-1",
            "shop",
            False,
        )
        (match,) = body["matches"]
        assert match == {
            "trigger": str(trigger_of(workflow, "heard").pk),
            "node_id": "heard",
            "workflow": str(workflow.pk),
            "workflow_name": workflow.name,
            "verdict": "matched",
            "reason_code": "",
            "reason": "",
            "execution": str(WorkflowExecution.objects.get().pk),
        }

    def test_again_answers_with_the_first(self, api, project, workflow):
        client = api("operator")
        first = post(client, project, name="order.created", data={"total": 42}, id="a-1").json()

        answer = post(client, project, name="order.created", data={"total": 42}, id="a-1")

        assert answer.status_code == 200
        assert answer.json() == first | {"duplicate": True}

    @pytest.mark.parametrize(
        ("claimed", "path"),
        [
            ({"name": "schedule.paused"}, "/name"),
            ({"name": "poll.paused"}, "/name"),
            ({"name": "order.created", "source": " Segue"}, "/source"),
        ],
    )
    def test_what_segue_alone_says_is_refused(self, api, project, claimed, path):
        answer = post(api("owner"), project, **claimed)

        assert (answer.status_code, answer.json()["code"], answer.json()["path"]) == (400, "invalid_event", path)
        assert not Event.objects.exists()

    def test_again_with_other_data_is_refused(self, api, project):
        client = api("operator")
        post(client, project, name="order.created", data={"total": 42}, id="a-1")

        answer = post(client, project, name="order.created", data={"total": 43}, id="a-1")

        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")

    def test_is_for_operators(self, api, project):
        assert post(api("viewer"), project, name="order.created").status_code == 403
        assert post(api("operator"), project, name="order.created").status_code == 201

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({}, "/name"),
            ({"name": "no name"}, "/name"),
            ({"name": "a", "events": [{"name": "b"}]}, "/name"),
            ({"events": []}, "/events"),
            ({"events": [{"name": "a", "nmae": "b"}]}, "/events/0/nmae"),
            ({"name": "a", "dat": 1}, "/dat"),
        ],
    )
    def test_says_what_is_wrong(self, api, project, body, path):
        answer = post(api("operator"), project, **body)

        assert answer.status_code == 400
        assert answer.json()["path"] == path
        assert not Event.objects.exists()

    def test_counts_through_how_many_workflows_it_came(self, api, project, workflow):
        answer = api("operator").post(
            "/api/events/",
            {"project": str(project.pk), "name": "order.created", "data": {"total": 42}},
            format="json",
            headers={"X-Segue-Hops": "9"},
        )

        assert answer.json()["matches"][0]["reason_code"] == "too_many_hops"


class TestSendingSeveral:
    def test_says_for_each_what_became_of_it(self, api, project, workflow):
        client = api("operator")
        post(client, project, name="order.created", data={"total": 1}, id="old")

        answer = post(
            client,
            project,
            events=[
                {"name": "order.created", "data": {"total": 42}},
                {"name": "order.created", "data": {"total": 1}, "id": "old"},
                {"name": "order.created", "data": {"total": 2}, "id": "old"},
                {"name": "no name"},
            ],
        )

        assert answer.status_code == 200
        results = answer.json()["results"]
        assert [each["status"] for each in results] == [201, 200, 422, 400]
        assert results[0]["event"]["matched_count"] == 1
        assert results[1]["event"]["duplicate"] is True
        assert [each["error"] and each["error"]["code"] for each in results] == [
            None,
            None,
            "idempotency_mismatch",
            "invalid_event",
        ]

    def test_takes_at_most_a_hundred(self, api, project):
        client = api("operator")

        assert post(client, project, events=[{"name": "a"}] * 101).status_code == 400
        assert post(client, project, events=[{"name": "a"}] * 100).status_code == 200
        assert Event.objects.count() == 100


class TestTheLog:
    def test_lists_the_newest_first(self, api, project, workflow):
        client = api("operator")
        post(client, project, name="order.created", data={"total": 1})
        post(client, project, name="order.paid", data={"total": 42})

        rows = api("viewer").get("/api/events/").json()["results"]

        assert [(row["name"], row["matched_count"], row["filtered_count"]) for row in rows] == [
            ("order.paid", 1, 0),
            ("order.created", 0, 1),
        ]
        assert "data" not in rows[0]

    def test_says_of_one_why_it_started_nothing(self, api, project, workflow):
        sent = post(api("operator"), project, name="order.created", data={"total": 1}).json()

        shown = api("viewer").get(f"/api/events/{sent['id']}/").json()

        assert shown["data"] == {"total": 1}
        assert [(match["verdict"], match["reason"]) for match in shown["matches"]] == [
            ("filtered", "The filter said no.")
        ]

    def test_is_narrowed(self, api, project):
        ours = EventFactory(project=project, name="a.b", dedupe_key="x")
        match = EventMatchFactory(event=ours)
        EventFactory(project=project, name="c.d")
        client = api("viewer")

        for question in (
            {"name": "a.b"},
            {"id_of_sender": "x"},
            {"trigger": str(match.trigger_id)},
            {"name": "a.b", "type": "event"},
        ):
            rows = client.get("/api/events/", question).json()["results"]
            assert [row["id"] for row in rows] == [str(ours.pk)], question

    @pytest.mark.parametrize("path", ["/api/events/", "/api/events/{id}/"])
    def test_asks_as_many_queries_for_one_row_as_for_twenty(self, api, project, path):
        event = EventFactory(project=project)
        EventMatchFactory(event=event)
        client = api("viewer")

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert client.get(path.format(id=event.pk)).status_code == 200
            return len(captured)

        queries()
        for_one = queries()
        for _ in range(19):
            EventFactory(project=project)
            EventMatchFactory(event=event)

        assert queries() == for_one
