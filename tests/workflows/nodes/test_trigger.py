"""Why an execution starts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found, problems
from tests.workflows.nodes.runs import output
from workflows.nodes.trigger.event import patterns_for
from workflows.nodes.trigger.manual import ManualTrigger
from workflows.nodes.trigger.node import read_trigger
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.nodes.trigger.webhook import WebhookTrigger
from workflows.nodes.trigger.workflow import WorkflowTrigger


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

    def test_is_of_a_kind_that_there_is(self):
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
            hook(path="orders/{id}/items/{item_2}", auth={"scheme": "bearer"}),
            hook(filter="{{ trigger.body.total > 100 && now() > '2026' }}", respond="node"),
            hook(dedupe_key="{{ trigger.body.shop }}-{{ trigger.body.id }}", dedupe_window_seconds=60),
            hook(ip_allow=["192.0.2.0/24", "192.0.2.7", "2001:db8::/32"], max_body_bytes=1000),
            hook(cors={"origins": ["https://shop.example:8443", "http://localhost"]}),
            hook(cors={"origins": ["*"], "headers": []}, rate_limit={"per_minute": 60, "burst": 5}),
        ],
    )
    def test_may_say(self, config):
        assert codes(config) == []

    @pytest.mark.parametrize(
        "path",
        [
            "{id}",
            "{id}/a",
            "a/{}",
            "a/{Id}",
            "a/{id",
            "a/x{id}",
            "a/{i}/{j}/{k}/{l}",
            "a/{id}/c/d/e/f/g/h/i",
            "a/{i}/{i}",
            *("", "/a", "a/", "a//b", "a.b", "a/../b", "a b", "ä", "a?b", "a%2fb", "x" * 201, "a\n"),
        ],
    )
    def test_has_a_path_of_plain_parts(self, path):
        (problem,) = codes(hook(path=path, auth={"scheme": "bearer"}))

        assert problem[1] == "/path"

    def test_says_little_if_it_says_nothing(self):
        assert WebhookTrigger.model_validate(hook()).model_dump() == {
            "kind": "webhook",
            "path": None,
            "methods": ["POST"],
            "auth": {"scheme": "none"},
            "handshake": None,
            "headers_validation": {},
            "body_schema": None,
            "respond": "accepted",
            "response_timeout_seconds": 30,
            "dedupe_header": None,
            "dedupe_key": None,
            "dedupe_window_seconds": None,
            "filter": None,
            "ip_allow": None,
            "cors": None,
            "rate_limit": None,
            "max_body_bytes": None,
        }

    @pytest.mark.parametrize("path", ["orders", "orders/{id}"])
    def test_has_a_path_of_its_own_once(self, path):
        config = hook(path=path, auth={"scheme": "bearer"})
        other = hook(path=path.replace("id", "key"), auth={"scheme": "bearer"})
        raw = definition("one > end", "two > end", one=node("trigger", config), two=node("trigger", other))

        assert ("duplicate_path", "/nodes/2/config/path") in found(raw)

    @pytest.mark.parametrize("auth", [{}, {"auth": {"scheme": "none"}}])
    def test_s_wh_1_with_a_path_of_its_own_asks_callers_who_they_are(self, auth):
        assert codes(hook(path="orders", **auth)) == [("auth_required", "/auth")]

    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            (hook(auth={"scheme": "header"}), ("missing_key", "/auth/header")),
            (hook(auth={"scheme": "bearer", "header": "X"}), ("unknown_key", "/auth/header")),
            (hook(auth={"scheme": "md5"}), ("invalid_choice", "/auth/scheme")),
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
            (hook(filter="trigger.body.total > 100"), ("expression_needed", "/filter")),
            (hook(filter="{{ 1 }}{{ 2 }}"), ("expression_needed", "/filter")),
            (hook(filter="{{ input.total }}"), ("not_available_here", "/filter")),
            (hook(filter="{{ vars.X }}"), ("not_available_here", "/filter")),
            (hook(dedupe_key="always"), ("expression_needed", "/dedupe_key")),
            (hook(dedupe_key="{{ trigger.a }}", dedupe_header="X-Id"), ("exactly_one", "/dedupe_key")),
            (hook(dedupe_window_seconds=0), ("out_of_range", "/dedupe_window_seconds")),
            (hook(ip_allow=["192.0.2.1/24"]), ("invalid_network", "/ip_allow/0")),
            (hook(ip_allow=["shop.example"]), ("invalid_network", "/ip_allow/0")),
            (hook(ip_allow=[]), ("too_short", "/ip_allow")),
            (hook(cors={}), ("missing_key", "/cors/origins")),
            (hook(cors={"origins": ["shop.example"]}), ("invalid_format", "/cors/origins/0")),
            (hook(cors={"origins": ["https://Shop.example/"]}), ("invalid_format", "/cors/origins/0")),
            (hook(cors={"origins": ["null"]}), ("invalid_format", "/cors/origins/0")),
            (hook(cors={"origins": ["*"], "credentials": True}), ("unknown_key", "/cors/credentials")),
            (hook(rate_limit={"per_minute": 0}), ("out_of_range", "/rate_limit/per_minute")),
            (hook(rate_limit={}), ("missing_key", "/rate_limit/per_minute")),
            (hook(max_body_bytes=17 * 1024 * 1024), ("out_of_range", "/max_body_bytes")),
        ],
    )
    def test_may_not_say(self, config, problem):
        assert codes(config) == [problem]


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


class TestEvent:
    @pytest.mark.parametrize("names", [["order.created"], ["order.*"], ["*"], ["a", "b.c-d_E.*"]])
    def test_listens_to_names_and_what_begins_like_them(self, names):
        assert codes({"kind": "event", "names": names}) == []

    @pytest.mark.parametrize(
        "name", ["", "a..b", ".a", "a.", "*.a", "a.*.b", "a*", "**", "a b", "ä", ".".join("a" * 21)]
    )
    def test_refuses_what_is_no_name(self, name):
        assert codes({"kind": "event", "names": [name]}) == [("invalid_format", "/names/0")]

    def test_has_one_name_at_least_and_each_once(self):
        assert codes({"kind": "event"}) == [("missing_key", "/names")]
        assert codes({"kind": "event", "names": ["a", "a"]}) == [("duplicate_value", "/names")]

    def test_takes_an_expression_as_its_filter(self):
        assert codes({"kind": "event", "names": ["a"], "filter": "{{ trigger.data.total > 1 }}"}) == []

    @pytest.mark.parametrize(
        ("filter", "code"),
        [
            (True, "expression_needed"),
            ("trigger.data.total > 1", "expression_needed"),
            ("total {{ trigger.data.total }}", "expression_needed"),
            ("{{ trigger.data. }}", "expression_syntax"),
            ("{{ input.total > 1 }}", "not_available_here"),
            ("{{ secret('API_KEY') == '1' }}", "not_available_here"),
        ],
    )
    def test_refuses_other_filters(self, filter, code):
        assert codes({"kind": "event", "names": ["a"], "filter": filter}) == [(code, "/filter")]

    def test_every_pattern_that_matches_a_name(self):
        assert patterns_for("a.b.c") == ["a.b.c", "a.b.*", "a.*", "*"]
        assert patterns_for("a") == ["a", "*"]


class TestWorkflow:
    def test_names_the_other_one(self):
        assert codes({"kind": "workflow", "workflow": "Orders"}) == []
        assert codes({"kind": "workflow"}) == [("missing_key", "/workflow")]
        assert codes({"kind": "workflow", "workflow": "Orders", "on": "ended"}) == [("invalid_choice", "/on")]

    def test_listens_to_the_ends_that_are_meant(self):
        def topics(on):
            return WorkflowTrigger(kind="workflow", workflow="Orders", on=on).topics

        assert topics("failed") == ["failed:Orders"]
        assert topics("any") == ["cancelled:Orders", "completed:Orders", "failed:Orders"]


class TestPolling:
    def poll(self, **config):
        given = {"tool": "http.request", "with": {"url": "https://example.com"}, "key": "{{ item.id }}"}
        return {"kind": "polling", **given, **config}

    def test_calls_a_tool(self):
        assert codes(self.poll()) == []
        assert codes(self.poll(tool="http.requst")) == [("unknown_tool", "/tool")]
        assert codes(self.poll(**{"with": {}})) == [("missing_key", "/with/url")]

    @pytest.mark.parametrize("method", ["POST", "{{ vars.METHOD }}"])
    def test_refuses_what_may_change_something(self, method):
        found = codes(self.poll(**{"with": {"url": "https://example.com", "method": method}}))

        assert ("tool_writes", "/tool") in found

    def test_must_know_what_is_new(self):
        without = self.poll()
        del without["key"]

        assert codes(without) == [("missing_key", "/key")]
        assert codes({**without, "cursor": "{{ item.updated_at }}"}) == []
        assert codes({"kind": "polling", "tool": "feed.read", "with": {"url": "https://example.com"}}) == []

    @pytest.mark.parametrize(
        ("config", "code", "path"),
        [
            ({"every": "PT29S"}, "invalid_range", "/every"),
            ({"every": "P8D"}, "invalid_range", "/every"),
            ({"every": "5m"}, "invalid_duration", "/every"),
            ({"items": "body"}, "invalid_format", "/items"),
            ({"key": "id"}, "expression_needed", "/key"),
            ({"key": "{{ trigger.id }}"}, "not_available_here", "/key"),
            ({"first": "keep"}, "invalid_choice", "/first"),
            ({"with": {"url": "{{ input.url }}"}}, "not_available_here", "/with/url"),
        ],
    )
    def test_says_what_is_wrong(self, config, code, path):
        assert codes(self.poll(**config)) == [(code, path)]

    def test_its_call_may_know_variables_secrets_and_how_far_it_is(self):
        call = {
            "url": "{{ vars.URL }}?since={{ trigger.cursor ?? '' }}",
            "auth": {"type": "bearer", "token": "{{ secret('KEY') }}"},
        }
        raw = definition("start > end", start=node("trigger", self.poll(**{"with": call})))

        assert problems(raw, variables={"URL": False, "KEY": True}) == []
