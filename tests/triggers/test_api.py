"""The API of triggers, webhooks, deliveries and scheduled jobs."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from executions.models import WorkflowExecution
from projects.models import AuditEntry
from tests.factories import (
    BackfillFactory,
    DeliveryFactory,
    ScheduledJobFactory,
    SkippedSlotsFactory,
    TriggerFactory,
    WebhookFactory,
)
from tests.triggers.stories import hook_of, job_of, publish_again, published, schedule, started_by, webhook
from tests.triggers.webhooks.senders import send
from triggers.models import ScheduleBackfill, ScheduledJob, WebhookDelivery, WebhookRegistration, WebhookTest
from triggers.services import rotate_secret, set_secret

pytestmark = pytest.mark.django_db

SECRET = "sixteen-letters!"
LISTS = ["triggers", "webhook-registrations", "scheduled-jobs"]


@pytest.fixture
def workflow(project):
    return published(started_by(hook=webhook(auth={"scheme": "bearer"}), clock=schedule("0 6 * * *")), project=project)


@pytest.fixture
def hook(workflow):
    return hook_of(workflow)


@pytest.fixture
def job(workflow):
    return job_of(workflow)


def rows(factory, project, count):
    for _ in range(count):
        factory(trigger__workflow__project=project) if factory is not TriggerFactory else factory(
            workflow__project=project
        )


class TestTriggers:
    def test_are_listed_with_what_they_are(self, api, workflow):
        found = api("viewer").get("/api/triggers/").json()["results"]

        assert {(row["node_id"], row["type"], row["is_active"]) for row in found} == {
            ("hook", "webhook", True),
            ("clock", "schedule", True),
        }
        assert {row["workflow"] for row in found} == {str(workflow.pk)}

    def test_are_switched_off_and_on(self, api, workflow, hook):
        client, url = api("operator"), f"/api/triggers/{hook.trigger_id}/"

        assert client.patch(url, {"is_active": False}).json()["is_active"] is False
        assert send(hook, 1, authorization=f"Bearer {SECRET}").status_code == 404
        assert client.patch(url, {"is_active": True}).json()["is_active"] is True
        actions = AuditEntry.objects.filter(target_id=str(hook.trigger_id)).values_list("action", flat=True)
        assert sorted(actions) == ["trigger.switched_off", "trigger.switched_on"]

    @pytest.mark.parametrize(
        "body", [{}, {"is_active": "perhaps"}, {"is_active": None}, {"type": "manual"}, [], "x", None]
    )
    def test_take_nothing_else(self, api, hook, body):
        response = api("operator").patch(f"/api/triggers/{hook.trigger_id}/", body)

        assert response.status_code == 400
        hook.trigger.refresh_from_db()
        assert hook.trigger.is_active

    @pytest.mark.parametrize(
        ("query", "nodes"),
        [
            ("?type=webhook", {"hook"}),
            ("?is_active=true&is_registered=true", {"hook", "clock"}),
            ("?is_active=false", set()),
            ("?workflow={workflow}", {"hook", "clock"}),
            ("?project={project}&type=schedule", {"clock"}),
            ("?project=00000000-0000-0000-0000-000000000000", set()),
        ],
    )
    def test_are_narrowed_down(self, api, workflow, query, nodes):
        url = "/api/triggers/" + query.format(workflow=workflow.pk, project=workflow.project_id)

        assert {row["node_id"] for row in api("viewer").get(url).json()["results"]} == nodes


class TestWebhooks:
    def test_tell_their_whole_address(self, api, hook, settings):
        settings.WEBHOOK_BASE_URL = "https://hooks.example.com"

        shown = api("viewer").get(f"/api/webhook-registrations/{hook.pk}/").json()

        assert shown["url"] == f"https://hooks.example.com/webhooks/{hook.path}"
        assert (shown["node_id"], shown["auth"], shown["has_secret"]) == ("hook", {"scheme": "bearer"}, False)

    def test_are_closed_and_opened(self, api, hook):
        client, url = api("operator"), f"/api/webhook-registrations/{hook.pk}/"

        assert client.patch(url, {"is_active": False}).json()["is_active"] is False
        assert send(hook, 1).status_code == 404
        client.patch(url, {"is_active": True})
        assert send(hook, 1).status_code == 401


class TestSecret:
    def url(self, hook):
        return f"/api/webhook-registrations/{hook.pk}/secret/"

    def test_is_made_and_shown_once(self, api, hook):
        """S-SEC-3"""
        client = api("editor")

        response = client.post(self.url(hook), {})

        secret = response.json()["secret"]
        assert (response.status_code, response["Cache-Control"]) == (201, "no-store")
        assert send(hook, 1, authorization=f"Bearer {secret}").status_code == 202
        shown = client.get(f"/api/webhook-registrations/{hook.pk}/")
        assert shown.json()["has_secret"] is True
        hook.refresh_from_db()
        for text in (secret, hook.secret):
            assert text not in json.dumps(shown.json())
            assert text not in json.dumps(client.get("/api/webhook-registrations/").json())

    def test_is_taken_from_whoever_has_one(self, api, hook):
        assert api("editor").post(self.url(hook), {"secret": SECRET}).json() == {"secret": SECRET}
        assert send(hook, 1, authorization=f"Bearer {SECRET}").status_code == 202

    def test_leaves_the_old_one_valid_if_that_is_asked_for(self, api, hook):
        """S-WH-8"""
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())

        new = api("editor").post(self.url(hook), {"grace_seconds": 60}).json()["secret"]

        for secret in (SECRET, new):
            assert send(hook, 1, authorization=f"Bearer {secret}").status_code == 202

    @pytest.mark.parametrize(
        "body",
        [
            {"secret": "short"},
            {"secret": ""},
            {"secret": 12.5},
            {"secret": "é" * 20},
            {"grace_seconds": -1},
            {"x": 1},
            [],
        ],
    )
    def test_is_refused_where_the_scheme_cannot_use_it(self, api, hook, body):
        response = api("editor").post(self.url(hook), body)

        assert (response.status_code, "message" in response.json()) == (400, True)
        hook.refresh_from_db()
        assert hook.secret == ""

    def test_is_not_for_operators(self, api, hook):
        assert api("operator").post(self.url(hook), {}).status_code == 403

    @pytest.mark.parametrize(("scheme", "words"), [("stripe", "whsec_"), ("slack", "signing secret")])
    def test_is_asked_for_where_the_sender_makes_it(self, api, workflow, scheme, words):
        hook = WebhookFactory(trigger__workflow=workflow, auth={"scheme": scheme})

        response = api("editor").post(self.url(hook), {})

        assert (response.status_code, response.json()["code"]) == (400, "invalid_secret")
        assert words in response.json()["message"]
        assert response.json()["path"] == "/secret"


class TestSecrets:
    def urls(self, hook):
        return (f"/api/webhook-registrations/{hook.pk}/{name}/" for name in ("secrets", "end-secret"))

    def rotated(self, hook):
        now = timezone.now()
        set_secret(hook, secret=SECRET, by=None, now=now)
        return rotate_secret(hook, grace=timedelta(hours=1), by=None, now=now)

    def test_are_told_the_newest_first_and_never_shown(self, api, hook):
        """S-SEC-3, S-WH-8"""
        newest = self.rotated(hook)
        send(hook, 1, authorization=f"Bearer {SECRET}")
        listed, _ = self.urls(hook)

        response = api("viewer").get(listed)

        new, old = response.json()
        assert set(new) == {"id", "created_at", "until", "is_usable", "last_used_at"}
        assert (new["until"], new["last_used_at"], new["is_usable"]) == (None, None, True)
        assert old["until"] is not None
        assert old["last_used_at"] is not None
        delivery = api("viewer").get(f"/api/webhook-registrations/{hook.pk}/deliveries/").json()["results"][0]
        assert delivery["secret_id"] == old["id"]
        for text in (newest, SECRET):
            assert text not in response.content.decode()

    def test_are_ended_one_at_a_time(self, api, hook):
        """S-WH-8"""
        newest = self.rotated(hook)
        listed, ending = self.urls(hook)
        client = api("editor")
        _, old = client.get(listed).json()

        left = client.post(ending, {"id": old["id"]})

        assert (left.status_code, len(left.json())) == (200, 1)
        assert send(hook, 1, authorization=f"Bearer {SECRET}").status_code == 401
        assert send(hook, 1, authorization=f"Bearer {newest}").status_code == 202

    @pytest.mark.parametrize(("body", "status"), [({}, 400), ({"id": "x" * 17}, 400), ({"id": "0" * 16}, 404)])
    def test_that_are_not_there_are_not_ended(self, api, hook, body, status):
        self.rotated(hook)
        listed, ending = self.urls(hook)

        assert api("editor").post(ending, body).status_code == status
        assert len(api("editor").get(listed).json()) == 2

    def test_that_cannot_be_read_are_no_fault_of_the_caller(self, api, hook):
        WebhookRegistration.objects.update(secret="not an envelope")
        listed, ending = self.urls(hook)
        client = api("editor")

        answers = [
            client.get(listed),
            client.post(ending, {"id": "0" * 16}),
            client.post(f"/api/webhook-registrations/{hook.pk}/secret/", {"grace_seconds": 60}),
        ]

        assert {answer.status_code for answer in answers} == {503}
        assert client.post(f"/api/webhook-registrations/{hook.pk}/secret/", {}).status_code == 201

    def test_are_not_ended_by_operators(self, api, hook):
        _, ending = self.urls(hook)

        assert api("operator").post(ending, {"id": "0" * 16}).status_code == 403


class TestDeliveries:
    def url(self, hook, delivery=None, tail=""):
        return f"/api/webhook-registrations/{hook.pk}/deliveries/" + (f"{delivery.pk}/{tail}" if delivery else "")

    def received(self, hook, value=None, **request):
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())
        send(hook, value, **({"authorization": f"Bearer {SECRET}"} | request))
        return WebhookDelivery.objects.latest("id")

    def test_are_listed_the_newest_first_and_without_content(self, api, hook):
        self.received(hook, {"card": "4111"})
        refused = self.received(hook, 1, authorization="")

        found = api("viewer").get(self.url(hook)).json()["results"]

        assert [row["verdict"] for row in found] == ["rejected", "accepted"]
        assert (found[0]["id"], found[0]["reason_code"]) == (str(refused.pk), "token_missing")
        assert "4111" not in json.dumps(found)

    def test_are_shown_with_content_but_without_what_proved_them(self, api, hook):
        """S-SEC-4"""
        delivery = self.received(hook, {"a": "ü"}, query="?q=1")

        shown = api("viewer").get(self.url(hook, delivery)).json()

        assert (shown["body"], shown["body_encoding"], shown["query_string"]) == ('{"a": "\\u00fc"}', "utf-8", "q=1")
        assert shown["headers"]["authorization"] == "***"
        assert SECRET not in json.dumps(shown)

    def test_that_are_no_text_are_shown_as_base64(self, api, hook):
        delivery = self.received(hook, body=b"\xff\x00", content_type="image/png")

        shown = api("viewer").get(self.url(hook, delivery)).json()

        assert (shown["body"], shown["body_encoding"]) == ("/wA=", "base64")

    def test_are_narrowed_down(self, api, hook):
        delivery = self.received(hook, 1)
        client, soon = api("viewer"), (timezone.now() + timedelta(minutes=1)).isoformat().replace("+", "%2B")

        def count(query):
            return len(client.get(self.url(hook) + query).json()["results"])

        assert (count("?verdict=accepted"), count("?verdict=rejected")) == (1, 0)
        assert count(f"?execution={delivery.execution_id}") == 1
        assert (count(f"?received_before={soon}"), count(f"?received_after={soon}")) == (1, 0)

    def test_are_delivered_again(self, api, hook):
        delivery = self.received(hook, {"a": 1})

        response = api("operator").post(self.url(hook, delivery, "redeliver/"))

        assert response.status_code == 201
        assert response.json()["redelivery_of"] == str(delivery.pk)
        assert WorkflowExecution.objects.filter(pk=response.json()["execution"], triggered_by="webhook").exists()

    def test_are_delivered_again_to_the_version_that_they_ran(self, api, hook):
        delivery = self.received(hook, {"a": 1})
        publish_again(hook.workflow, hook.workflow.definition | {"settings": {"timezone": "Europe/Berlin"}})

        response = api("operator").post(self.url(hook, delivery, "redeliver/"), {"version": "original"})

        execution = WorkflowExecution.objects.get(pk=response.json()["execution"])
        assert execution.workflow_version.number == 1
        wrong = api("operator").post(self.url(hook, delivery, "redeliver/"), {"version": "first"})
        assert (wrong.status_code, wrong.json()["path"]) == (400, "/version")

    def test_are_delivered_again_many_at_once(self, api, hook):
        good, bad = self.received(hook, {"a": 1}), self.received(hook, 1, authorization="")
        ids = [str(bad.pk), str(good.pk)]

        response = api("operator").post(self.many(hook), {"ids": ids})

        refused, taken = response.json()["results"]
        assert (refused["id"], refused["code"], refused["execution"]) == (str(bad.pk), "not_redeliverable", None)
        assert (taken["id"], taken["code"]) == (str(good.pk), None)
        assert WorkflowExecution.objects.filter(pk=taken["execution"]).exists()

    @pytest.mark.parametrize("ids", [[], ["x"], None, [str(UUID(int=number)) for number in range(101)]])
    def test_are_delivered_again_by_one_to_a_hundred_ids(self, api, hook, ids):
        assert api("operator").post(self.many(hook), {"ids": ids}).status_code == 400

    def test_of_another_webhook_are_not_delivered_again(self, api, hook, project):
        other = DeliveryFactory(registration=WebhookFactory(trigger__workflow__project=project), is_genuine=True)

        (result,) = api("operator").post(self.many(hook), {"ids": [str(other.pk)]}).json()["results"]

        assert result["code"] == "not_found"

    def many(self, hook):
        return f"/api/webhook-registrations/{hook.pk}/deliveries/redeliver/"

    def test_that_cannot_be_delivered_again_say_why(self, api, hook):
        delivery = self.received(hook, 1, authorization="")

        response = api("operator").post(self.url(hook, delivery, "redeliver/"))

        assert (response.status_code, response.json()["code"]) == (409, "not_redeliverable")

    def test_of_another_webhook_are_not_there(self, api, hook, project):
        other = DeliveryFactory(registration=WebhookFactory(trigger__workflow__project=project))

        assert api("viewer").get(self.url(hook, other)).status_code == 404
        assert api("operator").post(self.url(hook, other, "redeliver/")).status_code == 404


class TestScheduledJobs:
    def test_are_shown_with_their_next_run(self, api, job):
        shown = api("viewer").get(f"/api/scheduled-jobs/{job.pk}/").json()

        assert (shown["cron_expression"], shown["timezone"], shown["node_id"]) == ("0 6 * * *", "UTC", "clock")
        assert shown["next_run"] == "2026-03-05T06:00:00Z"

    def test_are_paused_with_a_note_and_resumed(self, api, job):
        client = api("operator")

        paused = client.post(f"/api/scheduled-jobs/{job.pk}/pause/", {"note": "Stocktaking."}).json()
        assert (paused["is_active"], paused["paused_reason"]) == (False, "Stocktaking.")
        resumed = client.post(f"/api/scheduled-jobs/{job.pk}/resume/", {}).json()
        assert (resumed["is_active"], resumed["paused_reason"]) == (True, "")

    def test_tell_their_next_slots(self, api, job):
        shown = api("viewer").get(f"/api/scheduled-jobs/{job.pk}/preview/?count=3").json()

        assert (shown["timezone"], len(shown["slots"])) == ("UTC", 3)
        assert all(slot["utc"].endswith("06:00:00Z") for slot in shown["slots"])
        assert {(slot["local"][11:], slot["abbreviation"]) for slot in shown["slots"]} == {("06:00:00+00:00", "UTC")}

    def test_tell_twenty_slots_unless_asked_for_more(self, api, job):
        assert len(api("viewer").get(f"/api/scheduled-jobs/{job.pk}/preview/").json()["slots"]) == 20

    def test_go_on_with_what_they_missed_if_that_is_asked_for(self, api, job):
        client, url = api("operator"), f"/api/scheduled-jobs/{job.pk}/"
        client.post(f"{url}pause/", {})
        ScheduledJob.objects.update(next_run=timezone.now() - timedelta(days=3))

        assert client.post(f"{url}resume/", {"missed": "all"}).json()["is_active"] is True

        job.refresh_from_db()
        assert job.catch_up == "all"
        assert client.post(f"{url}resume/", {"missed": "some"}).json()["path"] == "/missed"

    def test_have_their_limit_of_failures_set(self, api, job):
        client, url = api("operator"), f"/api/scheduled-jobs/{job.pk}/"

        assert client.patch(url, {"max_consecutive_failures": 2}).json()["max_consecutive_failures"] == 2
        for body in ({}, {"max_consecutive_failures": -1}, {"max_consecutive_failures": 2, "timezone": "UTC"}):
            assert client.patch(url, body).status_code == 400

    def test_fire_by_hand(self, api, job):
        response = api("operator").post(f"/api/scheduled-jobs/{job.pk}/fire/", {"note": "Payday."})

        execution = WorkflowExecution.objects.get(pk=response.json()["execution_id"])
        assert (response.status_code, execution.scheduled_for) == (201, None)

    def test_tell_what_did_not_fire(self, api, job):
        skipped = SkippedSlotsFactory(job=job)
        SkippedSlotsFactory(job=job, reason="overlap")
        client, url = api("viewer"), f"/api/scheduled-jobs/{job.pk}/skipped-slots/"

        found = client.get(f"{url}?reason=missed").json()["results"]

        assert [(row["id"], row["count"], row["first_slot"]) for row in found] == [
            (str(skipped.pk), 2, "2026-03-04T10:00:00Z")
        ]
        assert len(client.get(url).json()["results"]) == 2

    @pytest.mark.parametrize("count", ["0", "101", "-1", "x", "", "1e9"])
    def test_do_not_look_further_than_a_hundred_slots(self, api, job, count):
        response = api("viewer").get(f"/api/scheduled-jobs/{job.pk}/preview/?count={count}")

        assert (response.status_code, response.json()["path"]) == (400, "?count")


class TestBackfills:
    RANGE = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-04T12:00:00Z"}

    def url(self, job, backfill=None, tail=""):
        return f"/api/scheduled-jobs/{job.pk}/backfills/" + (f"{backfill}/{tail}" if backfill else "")

    def test_tell_first_what_they_would_do(self, api, job):
        body = {**self.RANGE, "slots": "missing", "dry_run": True}

        response = api("operator").post(self.url(job), body)

        told = response.json()
        assert (response.status_code, told["slot_count"], told["start_count"], told["rerun_count"]) == (200, 4, 4, 0)
        assert told["slots"][0] == {
            "utc": "2026-03-01T06:00:00Z",
            "local": "2026-03-01T06:00:00+00:00",
            "abbreviation": "UTC",
            "action": "start",
            "execution_id": None,
            "status": None,
        }
        assert not ScheduleBackfill.objects.exists()

    def test_are_started_looked_at_and_cancelled(self, api, job):
        client = api("operator")

        made = client.post(self.url(job), {**self.RANGE, "slots": "all", "max_running": 2})

        backfill = made.json()["id"]
        assert (made.status_code, made.json()["slot_count"], made.json()["status"]) == (201, 4, "running")
        assert client.get(self.url(job, backfill)).json()["started_count"] == 0
        assert client.post(self.url(job), {**self.RANGE, "slots": "all"}).json()["code"] == "backfill_running"
        assert client.post(self.url(job, backfill, "cancel/")).json()["status"] == "cancelled"
        assert client.post(self.url(job, backfill, "cancel/")).json()["code"] == "backfill_ended"
        assert [row["id"] for row in client.get(f"{self.url(job)}?status=cancelled").json()["results"]] == [backfill]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {**RANGE},
            {**RANGE, "slots": "some"},
            {**RANGE, "slots": "all", "max_running": 0},
            {**RANGE, "slots": "all", "x": 1},
            {**RANGE, "slots": "all", "end": "2999-01-01T00:00:00Z"},
            {**RANGE, "slots": "all", "start": "yesterday"},
        ],
    )
    def test_take_nothing_else(self, api, job, body):
        assert api("operator").post(self.url(job), body).status_code == 400

    def test_are_not_for_viewers(self, api, job):
        assert api("viewer").post(self.url(job), {**self.RANGE, "slots": "all"}).status_code == 403

    def test_of_another_job_are_not_there(self, api, job, project):
        other = BackfillFactory(job__trigger__workflow__project=project)

        assert api("operator").get(self.url(job, other.pk)).status_code == 404
        assert api("operator").post(self.url(job, other.pk, "cancel/")).status_code == 404


class TestPreviewOfSettings:
    URL = "/api/schedules/preview/"

    def test_tells_slots_in_both_times_over_a_change_of_clocks(self, api):
        config = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "start_date": "2037-03-28T00:00"}

        told = api("stranger").post(self.URL, {"config": config, "count": 2}).json()

        assert told == {
            "timezone": "Europe/Berlin",
            "slots": [
                {"utc": "2037-03-28T01:30:00Z", "local": "2037-03-28T02:30:00+01:00", "abbreviation": "CET"},
                {"utc": "2037-03-29T01:00:00Z", "local": "2037-03-29T03:00:00+02:00", "abbreviation": "CEST"},
            ],
        }

    def test_counts_an_interval_from_now(self, api, noon):
        told = api("stranger").post(self.URL, {"config": {"every": "15m"}, "count": 2}).json()

        assert [slot["utc"] for slot in told["slots"]] == ["2026-03-04T12:15:00Z", "2026-03-04T12:30:00Z"]

    def test_takes_the_workflow_s_zone(self, api, noon):
        body = {"config": {"cron": "0 0 * * *"}, "timezone": "Asia/Tokyo", "count": 1}

        assert api("stranger").post(self.URL, body).json()["slots"][0]["utc"] == "2026-03-04T15:00:00Z"

    @pytest.mark.parametrize(
        ("body", "code", "path"),
        [
            ({"config": {"cron": "never"}}, "invalid_cron", "/config/cron"),
            ({"config": {"every": "5s"}}, "invalid_interval", "/config/every"),
            ({"config": {}}, "missing_key", "/config/cron"),
            ({"config": {"cron": "* * * * *", "every": "1h"}}, "unknown_key", "/config/every"),
            ({"config": {"every": "1h", "time_change": {"skipped": "skip"}}}, "unknown_key", "/config/time_change"),
            ({"config": {"cron": "* * * * *", "misfire": {"max": 101}}}, "out_of_range", "/config/misfire/max"),
            ({"config": [1]}, "wrong_type", "/config"),
        ],
    )
    def test_says_what_is_wrong_and_where(self, api, body, code, path):
        response = api("stranger").post(self.URL, body)

        told = response.json()
        assert (response.status_code, told["code"]) == (400, "invalid_schedule")
        assert [(problem["code"], problem["path"]) for problem in told["problems"]] == [(code, path)]

    def test_knows_a_zone_that_is_none(self, api):
        body = {"config": {"cron": "* * * * *"}, "timezone": "Mars/Olympus"}

        assert api("stranger").post(self.URL, body).json()["path"] == "/timezone"


class TestScope:
    """S-AUTHZ-1, S-AUTHZ-2; every route and role is gone through in tests/test_permissions as well."""

    @pytest.fixture
    def urls(self, workflow, hook, job):
        delivery = DeliveryFactory(registration=hook)
        return {
            "get": [
                f"/api/triggers/{hook.trigger_id}/",
                f"/api/webhook-registrations/{hook.pk}/",
                f"/api/webhook-registrations/{hook.pk}/deliveries/",
                f"/api/webhook-registrations/{hook.pk}/deliveries/{delivery.pk}/",
                f"/api/scheduled-jobs/{job.pk}/",
                f"/api/scheduled-jobs/{job.pk}/preview/",
                f"/api/scheduled-jobs/{job.pk}/skipped-slots/",
                f"/api/scheduled-jobs/{job.pk}/backfills/",
            ],
            "patch": [f"/api/triggers/{hook.trigger_id}/", f"/api/webhook-registrations/{hook.pk}/"],
            "post": [
                f"/api/webhook-registrations/{hook.pk}/secret/",
                f"/api/webhook-registrations/{hook.pk}/deliveries/{delivery.pk}/redeliver/",
                f"/api/webhook-registrations/{hook.pk}/deliveries/redeliver/",
                f"/api/scheduled-jobs/{job.pk}/pause/",
                f"/api/scheduled-jobs/{job.pk}/resume/",
                f"/api/scheduled-jobs/{job.pk}/fire/",
                f"/api/scheduled-jobs/{job.pk}/backfills/",
            ],
        }

    @pytest.mark.parametrize(("who", "status"), [("stranger", 404), ("nobody", 401)])
    def test_nothing_is_there_for_others(self, api, urls, who, status):
        client = api(who)

        for method, paths in urls.items():
            for path in paths:
                assert getattr(client, method)(path, {} if method != "get" else None).status_code == status, path
        if who == "stranger":
            for name in LISTS:
                assert client.get(f"/api/{name}/").json()["results"] == []

    def test_viewers_only_look(self, api, urls):
        client = api("viewer")

        for path in urls["get"]:
            assert client.get(path).status_code == 200, path
        for method in ("patch", "post"):
            for path in urls[method]:
                assert getattr(client, method)(path, {"is_active": False}).status_code == 403, path

    def test_nothing_is_made_or_removed_here(self, api, hook, job):
        client = api("owner")

        for path in (f"triggers/{hook.trigger_id}", f"webhook-registrations/{hook.pk}", f"scheduled-jobs/{job.pk}"):
            assert client.delete(f"/api/{path}/").status_code == 405
            assert client.put(f"/api/{path}/", {}).status_code == 405
        for name in LISTS:
            assert client.post(f"/api/{name}/", {}).status_code == 405

    @pytest.mark.parametrize(
        "key", ["x", "0", "00000000-0000-0000-0000-000000000000", "%00", "'; DROP TABLE triggers; --"]
    )
    def test_an_odd_id_is_no_error_of_ours(self, api, key):
        client = api("owner")

        for path in (f"triggers/{key}", f"webhook-registrations/{key}", f"webhook-registrations/{key}/deliveries"):
            assert client.get(f"/api/{path}/").status_code == 404
        assert client.get(f"/api/triggers/?workflow={key}").status_code in (200, 400)


class TestQueries:
    @pytest.mark.parametrize(
        ("path", "factory"),
        [
            ("triggers", TriggerFactory),
            ("webhook-registrations", WebhookFactory),
            ("scheduled-jobs", ScheduledJobFactory),
        ],
    )
    def test_are_as_many_for_twenty_rows_as_for_one(self, api, project, path, factory):
        client = api("viewer")

        def queries(count):
            rows(factory, project, count)
            with CaptureQueriesContext(
                connection,
            ) as captured:
                response = client.get(f"/api/{path}/")
            return len(captured), len(response.json()["results"])

        few, one = queries(1)
        many, twenty = queries(19)
        assert (few, one, twenty) == (many, 1, 20)

    def test_are_as_many_for_twenty_deliveries_as_for_one(self, api, hook):
        client, url = api("viewer"), f"/api/webhook-registrations/{hook.pk}/deliveries/"

        def queries(count):
            now = timezone.now()
            WebhookDelivery.objects.bulk_create(
                WebhookDelivery(registration=hook, method="POST", verdict="rejected", received_at=now)
                for _ in range(count)
            )
            with CaptureQueriesContext(connection) as captured:
                response = client.get(url)
            return len(captured), len(response.json()["results"])

        few, one = queries(1)
        many, twenty = queries(19)
        assert (few, one, twenty) == (many, 1, 20)


class TestStatus:
    def test_tells_why_a_trigger_does_not_fire(self, api, workflow, hook):
        url = f"/api/triggers/{hook.trigger_id}/status/"

        shown = api("viewer").get(url).json()

        assert (shown["fires"], [reason["code"] for reason in shown["obstacles"]]) == (False, ["secret_not_set"])
        assert (shown["last_execution"], shown["last_fired_at"], shown["next_fire_at"]) == (None, None, None)

    def test_tells_what_came_of_it(self, api, workflow, hook):
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())
        send(hook, 1, authorization=f"Bearer {SECRET}")

        shown = api("viewer").get(f"/api/triggers/{hook.trigger_id}/status/").json()

        execution = WorkflowExecution.objects.get()
        assert shown["fires"] is True
        assert (shown["last_execution"]["id"], shown["last_execution"]["status"]) == (str(execution.pk), "completed")
        assert shown["last_fired_at"] == shown["last_execution"]["created_at"]

    def test_tells_when_a_schedule_fires_next(self, api, workflow):
        job = job_of(workflow)

        shown = api("viewer").get(f"/api/triggers/{job.trigger_id}/status/").json()

        assert parse_datetime(shown["next_fire_at"]) == job.next_run

    @pytest.mark.parametrize(
        ("path", "factory", "ended"),
        [("skipped-slots", SkippedSlotsFactory, {}), ("backfills", BackfillFactory, {"status": "cancelled"})],
    )
    def test_are_as_many_for_twenty_rows_of_a_job_as_for_one(self, api, job, path, factory, ended):
        client, url = api("viewer"), f"/api/scheduled-jobs/{job.pk}/{path}/"

        def queries(count):
            for _ in range(count):
                factory(job=job, **(ended and {**ended, "ended_at": timezone.now()}))
            with CaptureQueriesContext(connection) as captured:
                response = client.get(url)
            return len(captured), len(response.json()["results"])

        few, one = queries(1)
        many, twenty = queries(19)
        assert (few, one, twenty) == (many, 1, 20)


class TestTestUrls:
    def make(self, api, workflow):
        return api("editor").post("/api/webhook-tests/", {"workflow": str(workflow.pk)})

    def test_is_made_and_answers_and_shows_what_came(self, api, workflow, client):
        made = self.make(api, workflow)
        client.post(urlsplit(made.data["url"]).path, {"a": 1}, content_type="application/json")

        deliveries = f"/api/webhook-tests/{made.data['id']}/deliveries/"
        (listed,) = api("editor").get(deliveries).data["results"]
        shown = api("editor").get(f"{deliveries}{listed['id']}/").data
        assert (made.status_code, listed["verdict"]) == (201, "accepted")
        assert (json.loads(shown["body"]), shown["headers"]["content-type"]) == ({"a": 1}, "application/json")

    def test_stands_beside_the_production_url(self, api, workflow, hook):
        made = self.make(api, workflow)

        production = api("viewer").get(f"/api/webhook-registrations/{hook.pk}/").data["url"]
        assert made.data["production_url"] == production != made.data["url"]

    def test_is_ended_with_what_came(self, api, workflow):
        made = self.make(api, workflow)

        ended = api("editor").delete(f"/api/webhook-tests/{made.data['id']}/")

        assert (ended.status_code, WebhookTest.objects.count()) == (204, 0)

    def test_says_which_triggers_there_are(self, api, workflow):
        refused = api("editor").post("/api/webhook-tests/", {"workflow": str(workflow.pk), "node_id": "clock"})

        assert (refused.status_code, refused.json()["code"]) == (400, "no_webhook_node")
        assert "hook" in refused.json()["message"]
