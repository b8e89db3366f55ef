"""Why an execution starts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found, problems
from tests.workflows.nodes.runs import output
from workflows.nodes.trigger.manual import ManualTrigger
from workflows.nodes.trigger.node import read_trigger
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.nodes.trigger.webhook import WebhookTrigger


def codes(config):
    raw = definition("start > end", start=node("trigger", config))
    return [(code, path.removeprefix("/nodes/0/config")) for code, path in found(raw)]


def hook(**config):
    return {"kind": "webhook", **config}


def schedule(**config):
    return {"kind": "schedule", "cron": "0 6 * * *", **config}


class TestTrigger:
    def test_hands_on_what_started_the_execution(self):
        assert output("trigger", {"kind": "manual"}, {"a": 1}) == {"a": 1}

    def test_is_of_a_kind_that_is_built(self):
        for kind in ("event", "polling", "workflow"):
            assert codes({"kind": kind}) == [("not_built_yet", "/kind")]
        assert codes({"kind": "webhok"}) == [("invalid_choice", "/kind")]
        assert codes({}) == [("missing_key", "/kind")]
        assert codes({"kind": "manual", "path": "a"}) == [("unknown_key", "/path")]


class TestReadTrigger:
    def test_gives_the_settings_of_the_kind(self):
        assert read_trigger({"kind": "manual"}) == ManualTrigger(kind="manual")
        assert isinstance(read_trigger(schedule()), ScheduleTrigger)
        assert isinstance(read_trigger(hook()), WebhookTrigger)

    def test_takes_a_literal_for_what_it_holds(self):
        trigger = read_trigger(hook(body_schema={"$literal": {"title": "{{ x }}"}}))

        assert isinstance(trigger, WebhookTrigger)
        assert trigger.body_schema == {"title": "{{ x }}"}


class TestWebhook:
    @pytest.mark.parametrize(
        "config",
        [
            hook(),
            hook(methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            hook(path="orders/new_2-x", auth={"scheme": "standard_webhooks"}),
            hook(auth={"scheme": "header", "header": "X-Token"}),
            hook(headers_validation={"X-Event": "order.created"}, dedupe_header="X-Id"),
            hook(respond="finished", response_timeout_seconds=120),
            hook(body_schema={"type": "object", "required": ["id"]}),
        ],
    )
    def test_may_say(self, config):
        assert codes(config) == []

    @pytest.mark.parametrize(
        "path", ["", "/a", "a/", "a//b", "a.b", "a/../b", "a b", "ä", "a?b", "a%2fb", "x" * 201, "a\n"]
    )
    def test_has_a_path_of_plain_parts(self, path):
        (problem,) = codes(hook(path=path, auth={"scheme": "bearer"}))

        assert problem[1] == "/path"

    def test_says_little_if_it_says_nothing(self):
        assert WebhookTrigger.model_validate(hook()).model_dump() == {
            "kind": "webhook",
            "path": None,
            "methods": ["POST"],
            "auth": {"scheme": "none", "header": None},
            "headers_validation": {},
            "body_schema": None,
            "respond": "accepted",
            "response_timeout_seconds": 30,
            "dedupe_header": None,
        }

    @pytest.mark.parametrize("auth", [{}, {"auth": {"scheme": "none"}}])
    def test_s_wh_1_with_a_path_of_its_own_asks_callers_who_they_are(self, auth):
        assert codes(hook(path="orders", **auth)) == [("auth_required", "/auth")]

    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            (hook(auth={"scheme": "header"}), ("missing_key", "/auth/header")),
            (hook(auth={"scheme": "bearer", "header": "X"}), ("unknown_key", "/auth/header")),
            (hook(auth={"scheme": "basic"}), ("invalid_choice", "/auth/scheme")),
            (hook(auth={}), ("missing_key", "/auth/scheme")),
            (hook(methods=[]), ("too_short", "/methods")),
            (hook(methods=["post"]), ("invalid_choice", "/methods/0")),
            (hook(methods=["GET", "GET"]), ("duplicate_value", "/methods")),
            (hook(headers_validation={"X-A": "1", "x-a": "2"}), ("duplicate_value", "/headers_validation")),
            (hook(headers_validation={"X A": "1"}), ("invalid_format", "/headers_validation/X A")),
            (hook(headers_validation={"X-A": 1}), ("wrong_type", "/headers_validation/X-A")),
            (hook(respond="later"), ("invalid_choice", "/respond")),
            (hook(response_timeout_seconds=0), ("out_of_range", "/response_timeout_seconds")),
            (hook(response_timeout_seconds=121), ("out_of_range", "/response_timeout_seconds")),
            (hook(dedupe_header="X Id"), ("invalid_format", "/dedupe_header")),
            (
                hook(body_schema={"properties": {"a": {"type": "wrong"}}}),
                ("invalid_schema", "/body_schema/properties/a/type"),
            ),
            (hook(body_schema={"$ref": "https://example.com/s"}), ("schema_reference", "/body_schema")),
            (hook(body_schema=[]), ("wrong_type", "/body_schema")),
            (hook(secret="s3cret"), ("unknown_key", "/secret")),
        ],
    )
    def test_may_not_say(self, config, problem):
        assert codes(config) == [problem]

    @pytest.mark.parametrize(
        ("config", "header"),
        [
            ({}, None),
            ({"auth": {"scheme": "github"}}, "x-github-delivery"),
            ({"auth": {"scheme": "standard_webhooks"}}, "webhook-id"),
            ({"auth": {"scheme": "github"}, "dedupe_header": "X-Own"}, "x-own"),
        ],
    )
    def test_knows_which_header_names_a_delivery(self, config, header):
        assert WebhookTrigger.model_validate(hook(**config)).delivery_header == header


class TestSchedule:
    @pytest.mark.parametrize("cron", ["* * * * *", "*/15 9-17 * * mon-fri", "0 0 L * *", "30 2 29 2 *", "0 12 * * 5#3"])
    def test_has_a_cron_expression(self, cron):
        assert codes(schedule(cron=cron)) == []

    @pytest.mark.parametrize(
        "cron",
        [
            "",
            "* * * *",
            "60 * * * *",
            "0 0 31 2 *",
            "@never",
            "0 0 ? * *",
            "every day",
            "0 0 * * 5#3/2",
            "\u0663 * * * *",
        ],
    )
    def test_has_no_other_text(self, cron):
        assert codes(schedule(cron=cron)) == [("invalid_cron", "/cron")]

    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            (schedule(timezone="Mars/Olympus"), ("unknown_timezone", "/timezone")),
            (schedule(start_date="2026-03-01"), ("invalid_moment", "/start_date")),
            (schedule(start_date="2026-03-02T00:00", end_date="2026-03-01T00:00"), ("invalid_range", "/end_date")),
            (
                schedule(start_date="2026-03-01T01:00+01:00", end_date="2026-03-01T00:00Z"),
                ("invalid_range", "/end_date"),
            ),
            (schedule(cron="{{ vars.cron }}"), ("expression_forbidden", "/cron")),
            ({"kind": "schedule"}, ("missing_key", "/cron")),
        ],
    )
    def test_may_not_say(self, config, problem):
        assert codes(config) == [problem]

    def test_hints_at_the_zone_that_was_meant(self):
        (problem,) = problems(definition("start > end", start=node("trigger", schedule(timezone="Europe/Berln"))))

        assert problem.hint == "Did you mean `Europe/Berlin`?"

    @pytest.mark.parametrize(("timezone", "hour"), [(None, 11), ("Europe/Berlin", 8)])
    def test_reads_moments_on_its_own_clock_or_the_workflows(self, timezone, hour):
        trigger = read_trigger(
            schedule(timezone=timezone, start_date="2026-01-01T09:00", end_date="2027-01-01T00:00:00Z")
        )

        assert isinstance(trigger, ScheduleTrigger)
        assert trigger.starts_at("America/Noronha") == datetime(2026, 1, 1, hour, tzinfo=UTC)
        assert trigger.ends_at("America/Noronha") == datetime(2027, 1, 1, tzinfo=UTC)
