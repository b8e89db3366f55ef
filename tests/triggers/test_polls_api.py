"""The API of polls."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.models import AuditEntry
from tests.factories import PollFactory, PollKeyFactory
from tests.triggers.stories import poll, published, started_by
from triggers.models import Poll, PollKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def watching(project):
    workflow = published(
        started_by(look=poll("feed.read", **{"with": {"url": "https://example.com/feed"}})), project=project
    )
    return Poll.objects.get(workflow=workflow)


class TestPolls:
    def test_are_listed_with_what_they_do(self, api, watching):
        (row,) = api("viewer").get("/api/polls/").json()["results"]

        assert row["id"] == str(watching.pk)
        assert (row["node_id"], row["every_seconds"], row["is_active"], row["is_looking"]) == ("look", 300, True, False)
        assert (row["has_looked"], row["last_error"], row["cursor"]) == (False, None, None)

    def test_are_paused_and_resumed_with_a_note(self, api, watching):
        client, url = api("operator"), f"/api/polls/{watching.pk}"

        paused = client.post(f"{url}/pause/", {"note": "Moving house."}, format="json").json()
        resumed = client.post(f"{url}/resume/", {}, format="json").json()

        assert (paused["is_active"], paused["paused_reason"]) == (False, "Moving house.")
        assert (resumed["is_active"], resumed["paused_reason"]) == (True, "")
        assert set(AuditEntry.objects.filter(target_id=str(watching.pk)).values_list("action", flat=True)) == {
            "poll.paused",
            "poll.resumed",
        }

    def test_look_now(self, api, watching):
        Poll.objects.update(next_run="2100-01-01T00:00:00Z")

        answer = api("operator").post(f"/api/polls/{watching.pk}/poll/")

        assert answer.status_code == 200
        assert answer.json()["next_run"] < "2100"

    def test_do_not_look_now_where_they_are_paused(self, api, watching):
        Poll.objects.update(is_active=False)

        answer = api("operator").post(f"/api/polls/{watching.pk}/poll/")

        assert (answer.status_code, answer.json()["code"]) == (409, "not_polling")

    def test_forget(self, api, watching):
        PollKeyFactory(poll=watching)
        Poll.objects.update(has_looked=True, cursor=7)

        row = api("operator").post(f"/api/polls/{watching.pk}/reset/", {}, format="json").json()

        assert (row["has_looked"], row["cursor"]) == (False, None)
        assert not PollKey.objects.exists()

    def test_are_for_operators_to_change(self, api, watching):
        for verb in ("poll", "pause", "resume", "reset"):
            assert api("viewer").post(f"/api/polls/{watching.pk}/{verb}/").status_code == 403

    def test_ask_as_many_queries_for_one_row_as_for_twenty(self, api, project, watching):
        client = api("viewer")

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert client.get("/api/polls/").status_code == 200
            return len(captured)

        queries()
        for_one = queries()
        for _ in range(19):
            PollFactory(trigger__workflow__project=project)

        assert queries() == for_one
