"""Polls: what they find, what they remember, and what keeps them from looking."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import OperationalError
from werkzeug import Request, Response

from executions.engine.recovery import sweep
from executions.models import WorkflowExecution
from projects import failpoints
from projects.models import AuditEntry
from tests.clock import NOON
from tests.threads import at_once
from tests.triggers.stories import event, poll, publish_again, published, started_by, trigger_of
from triggers.exceptions import NotPolling
from triggers.models import Event, Poll, PollKey
from triggers.polling.worker import Pollers
from triggers.services import pause_poll, poll_soon, polls, reset_poll, resume_poll, switch_trigger
from workflows.services import disable, enable, pause, resume, set_variable

pytestmark = pytest.mark.django_db

OWNER = "worker"
MINUTE = timedelta(minutes=1)


class Shop:
    """A service with a list of orders."""

    def __init__(self, server):
        self.orders = []
        self.status = 200
        self.headers = {}
        self.asked: list[Request] = []
        self.url = server.url_for("/orders")
        server.expect_request("/orders").respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        self.asked.append(request)
        if self.headers.get("ETag") and request.headers.get("If-None-Match") == self.headers["ETag"]:
            return Response(status=304, headers=self.headers)
        body = self.orders if isinstance(self.orders, (str, bytes)) else json.dumps({"orders": self.orders})
        return Response(body, self.status, {"Content-Type": "application/json", **self.headers})


@pytest.fixture
def shop(httpserver, settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    return Shop(httpserver)


def polling(shop, **config):
    """Publish a workflow that polls the shop, and return its poll."""
    return poll_of(published(started_by(look=watch(shop, **config))))


def watch(shop, **config):
    return poll(
        **{"with": {"url": shop.url}, "items": "/body/orders", "key": "{{ item.id }}", "first": "take"} | config
    )


def poll_of(workflow):
    return Poll.objects.get(workflow=workflow)


def look(poll, *, owner=OWNER):
    """Let the poll look now, whatever its pace, and return it with what it remembers."""
    from executions.engine.clock import database_now

    Poll.objects.filter(pk=poll.pk).update(next_run=NOON)
    (claimed,) = polls.claim_polls(owner, now=database_now(), limit=10)
    polls.carry_out(claimed, owner)
    poll.refresh_from_db()
    return poll


def taken(key="id"):
    """Return the items that executions were started for, in order."""
    contexts = WorkflowExecution.objects.order_by("created_at", "id").values_list("execution_context", flat=True)
    return [context["trigger"]["item"][key] for context in contexts if "item" in context["trigger"]]


def orders(*numbers):
    return [{"id": number, "total": number * 10} for number in numbers]


class TestLooking:
    def test_starts_an_execution_for_each_new_item(self, shop):
        watching = polling(shop)
        shop.orders = orders(1, 2)

        look(watching)

        first = WorkflowExecution.objects.order_by("id")[0]
        assert taken() == [1, 2]
        assert (first.triggered_by, first.trigger_id) == ("polling", watching.trigger_id)
        assert first.execution_context["node_id"] == "look"
        assert first.execution_context["trigger"]["item"] == {"id": 1, "total": 10}

    def test_takes_each_item_once(self, shop):
        watching = polling(shop)
        shop.orders = orders(1, 2)
        look(watching)
        shop.orders = orders(3, 2, 1)

        look(watching)
        look(watching)

        assert taken() == [1, 2, 3]

    def test_says_what_it_found_and_when_it_looks_again(self, shop):
        watching = polling(shop, every="PT10M")
        shop.orders = orders(1, 2)

        look(watching)

        assert (watching.last_items, watching.last_new, watching.poll_count) == (2, 2, 1)
        assert watching.next_run - watching.last_polled_at == 10 * MINUTE
        assert watching.lease_owner is None

    def test_skips_what_is_there_at_first(self, shop):
        watching = polling(shop, first="skip")
        shop.orders = orders(1, 2)
        look(watching)
        shop.orders = orders(1, 2, 3)

        look(watching)

        assert taken() == [3]

    def test_leaves_what_is_too_much_for_the_next_time(self, shop):
        watching = polling(shop, max_items=2)
        shop.orders = orders(1, 2, 3)

        look(watching)
        assert taken() == [1, 2]
        look(watching)
        assert taken() == [1, 2, 3]

    def test_goes_by_a_cursor_of_the_items(self, shop):
        watching = polling_by_cursor(shop)
        shop.orders = orders(2, 1)
        look(watching)
        assert watching.cursor == 2
        shop.orders = orders(3, 2, 1)

        look(watching)

        assert (taken(), watching.cursor) == ([1, 2, 3], 3)
        assert not PollKey.objects.exists()

    def test_hands_the_cursor_to_the_call(self, shop):
        watching = polling_by_cursor(
            shop, **{"with": {"url": shop.url, "query": {"since": "{{ trigger.cursor ?? 0 }}"}}}
        )
        shop.orders = orders(1, 7)

        look(watching)
        look(watching)

        assert [request.args["since"] for request in shop.asked] == ["0", "7"]

    def test_keeps_a_mark_of_the_service(self, shop):
        watching = polling_by_cursor(
            shop,
            cursor="{{ input.headers['x-next'] }}",
            **{"with": {"url": shop.url, "query": {"from": "{{ trigger.cursor ?? '' }}"}}},
        )
        shop.orders, shop.headers = orders(1), {"X-Next": "abc"}
        look(watching)
        shop.orders, shop.headers = orders(1), {"X-Next": "def"}
        look(watching)

        assert [request.args["from"] for request in shop.asked] == ["", "abc"]
        assert (taken(), watching.cursor) == ([1, 1], "def")

    def test_fills_secrets_in_and_keeps_them_out_of_what_is_stored(self, shop):
        workflow = published(started_by(start={"type": "trigger", "config": {"kind": "manual"}}))
        set_variable(workflow, "TOKEN", value="s3cret-token", is_secret=True, by=None, now=NOON)
        set_variable(workflow, "SHOP", value="berlin", by=None, now=NOON)
        call = {
            "url": shop.url,
            "query": {"shop": "{{ vars.SHOP }}"},
            "auth": {"type": "bearer", "token": "{{ secret('TOKEN') }}"},
        }
        publish_again(workflow, started_by(look=watch(shop, **{"with": call})))
        shop.orders = [{"id": "s3cret-token"}]

        look(poll_of(workflow))

        (request,) = shop.asked
        assert request.headers["Authorization"] == "Bearer s3cret-token"
        assert request.args["shop"] == "berlin"
        assert taken() == ["••••••"]

    def test_forgets_keys_that_are_long_gone(self, shop, monkeypatch):
        monkeypatch.setattr(polls, "MAX_KEYS_KEPT", 3)
        watching = polling(shop)
        for number in range(1, 7):
            shop.orders = orders(number, 100)
            look(watching)

        # Those of the last list, and the newest three beside them.
        assert PollKey.objects.count() == 5
        assert taken() == [1, 100, 2, 3, 4, 5, 6]


def polling_by_cursor(shop, **config):
    settings = watch(shop, **{"cursor": "{{ item.id }}"} | config)
    del settings["config"]["key"]
    return poll_of(published(started_by(look=settings)))


class TestAskingOnlyForWhatIsNew:
    def test_sends_the_validators_of_the_last_answer(self, shop):
        watching = polling(shop)
        shop.orders, shop.headers = orders(1), {"ETag": '"v1"', "Last-Modified": "Wed, 04 Mar 2026 12:00:00 GMT"}

        look(watching)
        look(watching)

        first, second = shop.asked
        assert "If-None-Match" not in first.headers
        assert second.headers["If-None-Match"] == '"v1"'
        assert second.headers["If-Modified-Since"] == "Wed, 04 Mar 2026 12:00:00 GMT"

    def test_takes_304_for_nothing_new(self, shop):
        watching = polling(shop)
        shop.orders, shop.headers = orders(1), {"ETag": '"v1"'}

        for _ in range(3):
            look(watching)

        assert (taken(), watching.poll_count, watching.consecutive_errors) == ([1], 3, 0)

    def test_asks_in_full_while_something_is_left_over(self, shop):
        watching = polling(shop, max_items=1)
        shop.orders, shop.headers = orders(1, 2), {"ETag": '"v1"'}

        look(watching)
        look(watching)

        assert taken() == [1, 2]

    def test_does_not_use_what_another_call_has_said(self, shop):
        watching = polling(shop)
        shop.orders, shop.headers = orders(1), {"ETag": '"v1"'}
        look(watching)
        publish_again(watching.workflow, started_by(look=watch(shop, **{"with": {"url": shop.url, "query": {"a": 1}}})))

        look(watching)

        assert "If-None-Match" not in shop.asked[1].headers


class TestErrors:
    @pytest.mark.parametrize(
        ("config", "answer", "code"),
        [
            ({}, {"status": 500}, "http_status"),
            ({}, {"orders": "no JSON"}, "invalid_json"),
            ({"items": "/body/elsewhere"}, {}, "no_list"),
            ({"items": "/body"}, {}, "no_list"),
            ({"key": "{{ item.number.x }}"}, {}, "expression_failed"),
            ({"key": "{{ item.nothing ?? null }}"}, {}, "items_unusable"),
            ({"cursor": "{{ [item.id] }}"}, {}, "items_unusable"),
            ({"with": {"url": "{{ trigger.cursor.x }}"}}, {}, "expression_failed"),
            ({"with": {"url": "http://127.0.0.1:9/"}}, {}, "connect"),
        ],
    )
    def test_are_kept_with_the_reason(self, shop, config, answer, code):
        watching = polling(shop, **config)
        shop.orders = orders(1)
        for name, value in answer.items():
            setattr(shop, name, value)

        look(watching)

        assert (watching.last_error["code"], watching.consecutive_errors) == (code, 1), watching.last_error
        assert not WorkflowExecution.objects.exists()
        assert watching.lease_owner is None

    def test_make_it_wait_longer_each_time(self, shop):
        watching = polling(shop, every="PT10M")
        shop.status = 503
        waits = []
        for _ in range(5):
            look(watching)
            waits.append((watching.next_run - watching.last_polled_at) / MINUTE)

        assert waits == [10, 20, 40, 60, 60]

    def test_are_forgotten_with_a_success(self, shop):
        watching = polling(shop)
        shop.status = 503
        look(watching)
        shop.status = 200

        look(watching)

        assert (watching.consecutive_errors, watching.last_error) == (0, None)

    def test_pause_it_after_too_many_in_a_row_and_say_why(self, shop):
        watching = polling(shop, max_consecutive_failures=2)
        shop.status = 500

        look(watching)
        assert watching.is_active
        look(watching)

        assert not watching.is_active
        assert "2 polls in a row failed" in watching.paused_reason
        assert "status 500" in watching.paused_reason
        assert AuditEntry.objects.filter(action="poll.paused", target_id=str(watching.pk)).count() == 1

    def test_that_pause_it_are_an_event(self, shop):
        watching = polling(shop, max_consecutive_failures=1)
        told = published(started_by(heard=event("poll.paused")), project=watching.workflow.project)
        shop.status = 500

        look(watching)

        assert Event.objects.get().data["poll"] == str(watching.pk)
        assert WorkflowExecution.objects.get().workflow == told

    def test_never_pause_it_if_it_is_not_to(self, shop):
        watching = polling(shop, max_consecutive_failures=0)
        shop.status = 500

        for _ in range(20):
            look(watching)

        assert (watching.is_active, watching.consecutive_errors) == (True, 20)

    def test_take_the_time_that_the_service_asks_for(self, shop):
        watching = polling(shop, every="PT1M")
        shop.status, shop.headers = 429, {"Retry-After": "1200"}

        look(watching)

        assert watching.next_run - watching.last_polled_at == 20 * MINUTE

    def test_in_writing_undo_all_and_the_items_come_again(self, shop, request):
        watching = polling(shop)
        shop.orders = orders(1, 2)
        request.addfinalizer(lambda: failpoints.arm({}, secure=False))
        failpoints.arm({"SEGUE_FAILPOINTS": "poll.inside=error"}, secure=False)

        with pytest.raises(OperationalError):
            look(watching)
        assert (taken(), PollKey.objects.count()) == ([], 0)

        Poll.objects.update(lease_expires_at=NOON)  # As time does.
        look(watching)
        assert taken() == [1, 2]


class TestHolding:
    def test_one_that_is_held_is_left_alone(self, shop):
        watching = polling(shop)

        assert len(polls.claim_polls("one", now=watching.next_run, limit=10)) == 1
        assert polls.claim_polls("another", now=watching.next_run, limit=10) == []

    def test_one_whose_process_was_lost_is_taken_over_and_counts_that(self, shop):
        watching = polling(shop)
        now = watching.next_run
        polls.claim_polls("lost", now=now, limit=10)

        (again,) = polls.claim_polls("another", now=now + polls.LEASE + MINUTE, limit=10)

        watching.refresh_from_db()
        assert (watching.lease_owner, watching.consecutive_errors) == ("another", 1)
        assert again.fence == watching.fence == 2

    def test_one_that_kills_its_workers_comes_to_rest(self, shop):
        watching = polling(shop, max_consecutive_failures=2)
        now = watching.next_run
        for number in range(5):
            polls.claim_polls("lost", now=now + number * (polls.LEASE + MINUTE), limit=10)

        watching.refresh_from_db()
        assert not watching.is_active
        assert "was lost" in watching.paused_reason

    def test_who_has_lost_it_writes_nothing(self, shop):
        watching = polling(shop)
        shop.orders = orders(1)
        (late,) = polls.claim_polls("late", now=watching.next_run, limit=10)
        Poll.objects.update(lease_expires_at=NOON)
        look(watching)

        polls.carry_out(late, "late")

        watching.refresh_from_db()
        assert (taken(), watching.poll_count) == ([1], 1)

    @pytest.mark.django_db(transaction=True)
    def test_of_several_at_once_one_gets_it(self, shop):
        watching = polling(shop)

        found = at_once(
            *[lambda n=n: len(polls.claim_polls(f"w{n}", now=watching.next_run, limit=10)) for n in range(4)]
        )

        assert sorted(found) == [0, 0, 0, 1]

    @pytest.mark.parametrize(
        "stop",
        [
            lambda poll: pause_poll(poll, by=None, now=NOON),
            lambda poll: switch_trigger(trigger_of(poll.workflow, "look"), is_active=False, by=None, now=NOON),
            lambda poll: disable(poll.workflow, reason="", by=None, now=NOON),
            lambda poll: pause(poll.workflow, by=None, now=NOON),
        ],
        ids=["paused", "switched off", "workflow disabled", "workflow paused"],
    )
    def test_one_that_is_stopped_while_it_looks_starts_nothing_and_has_not_looked(self, shop, stop):
        watching = polling(shop)
        shop.orders = orders(1)
        (claimed,) = polls.claim_polls(OWNER, now=watching.next_run, limit=10)
        stop(watching)

        polls.carry_out(claimed, OWNER)

        watching.refresh_from_db()
        assert (taken(), watching.poll_count, watching.lease_owner) == ([], 0, None)
        assert polls.claim_polls(OWNER, now=watching.next_run + MINUTE, limit=10) == []


@pytest.mark.django_db(transaction=True)
class TestTheSweep:
    def test_begins_with_what_is_due_and_waits_for_none(self, shop):
        watching = polling(shop)
        shop.orders = orders(1, 2)

        sweep()

        assert Pollers.of_this_process().wait(20)
        watching.refresh_from_db()
        assert (taken(), watching.poll_count) == ([1, 2], 1)

    def test_leaves_alone_what_is_not_due(self, shop):
        watching = polling(shop)
        Poll.objects.update(next_run=watching.next_run + timedelta(days=36500))

        sweep()

        assert Pollers.of_this_process().wait(20)
        assert shop.asked == []


class TestNewVersions:
    def test_keep_what_was_dealt_with_even_if_they_ask_elsewhere(self, shop):
        watching = polling(shop)
        shop.orders = orders(1)
        look(watching)
        publish_again(watching.workflow, started_by(look=watch(shop, **{"with": {"url": f"{shop.url}?v=2"}})))
        shop.orders = orders(1, 2)

        look(watching)

        assert taken() == [1, 2]

    def test_that_poll_more_often_look_sooner(self, shop):
        watching = polling(shop, every="P1D")
        look(watching)
        publish_again(watching.workflow, started_by(look=watch(shop, every="PT30S")), now=watching.last_polled_at)

        watching.refresh_from_db()
        assert (watching.next_run - watching.last_polled_at, watching.every_seconds) == (timedelta(seconds=30), 30)

    def test_without_the_node_let_it_rest_until_it_comes_back(self, shop):
        watching = polling(shop)
        start = {"type": "trigger", "config": {"kind": "manual"}}
        publish_again(watching.workflow, started_by(start=start))
        assert polls.claim_polls(OWNER, now=watching.next_run, limit=1) == []

        publish_again(watching.workflow, started_by(look=watch(shop)))

        assert poll_of(watching.workflow).pk == watching.pk
        assert len(polls.claim_polls(OWNER, now=watching.next_run, limit=1)) == 1

    def test_run_with_the_items_that_are_found_from_then_on(self, shop):
        watching = polling(shop)
        publish_again(watching.workflow, started_by(look=watch(shop, every="PT1H")))
        shop.orders = orders(1)

        look(watching)

        assert WorkflowExecution.objects.get().workflow_version.number == 2


class TestWhatPeopleDo:
    def test_poll_now(self, shop):
        watching = polling(shop)
        look(watching)
        assert polls.claim_polls(OWNER, now=watching.last_polled_at, limit=1) == []

        poll_soon(watching, by=None, now=watching.last_polled_at)

        assert len(polls.claim_polls(OWNER, now=watching.last_polled_at, limit=1)) == 1

    def test_poll_now_is_refused_where_it_would_not_look(self, shop):
        watching = polling(shop)
        disable(watching.workflow, reason="", by=None, now=NOON)

        with pytest.raises(NotPolling):
            poll_soon(watching, by=None, now=NOON)

    def test_pause_and_resume(self, shop):
        watching = polling(shop)
        Poll.objects.update(consecutive_errors=3)
        pause_poll(watching, by=None, now=NOON, reason="Moving house.")
        assert (watching.is_active, watching.paused_reason) == (False, "Moving house.")
        assert polls.claim_polls(OWNER, now=watching.next_run, limit=1) == []

        resume_poll(watching, by=None, now=watching.next_run)

        assert (watching.is_active, watching.paused_reason, watching.consecutive_errors) == (True, "", 0)
        assert len(polls.claim_polls(OWNER, now=watching.next_run, limit=1)) == 1

    def test_what_comes_while_the_workflow_is_paused_is_found_afterwards(self, shop):
        watching = polling(shop)
        pause(watching.workflow, by=None, now=NOON)
        shop.orders = orders(1)
        assert polls.claim_polls(OWNER, now=watching.next_run, limit=1) == []

        resume(watching.workflow, by=None, now=NOON)
        look(watching)

        assert taken() == [1]

    def test_enabling_a_workflow_finds_what_is_there_still(self, shop):
        watching = polling(shop)
        disable(watching.workflow, reason="", by=None, now=NOON)
        enable(watching.workflow, by=None, now=NOON)
        shop.orders = orders(1)

        look(watching)

        assert taken() == [1]

    def test_reset_makes_the_next_look_the_first_again(self, shop):
        watching = polling(shop)
        shop.orders = orders(1)
        look(watching)

        reset_poll(watching, by=None, now=NOON)
        assert (watching.has_looked, watching.cursor, PollKey.objects.count()) == (False, None, 0)
        look(watching)

        assert taken() == [1, 1]
