"""Nodes that wait for a call or an approval, carried by a worker: how the wait begins and what ends it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from werkzeug import Response

from executions import invariants, links, services
from executions.engine import awaiting, recovery, signals
from executions.engine.clock import database_now
from executions.exceptions import ApprovalEnded, LinkGone, LinkUsed
from executions.models import Approval, Link, WorkflowExecution
from executions.services import approvals
from executions.services.links import Call, find_callback, open_links, take_call
from projects.access import Actor
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import carry, hurry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import MemberFactory
from tests.mail import mail_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sound():
    """Whatever a test does, nothing may be left that breaks an invariant."""
    yield
    assert [(rule.name, ids) for rule, ids in invariants.check_all(database_now()) if ids] == []


def wait(**config):
    return node("webhook", {"action": "wait", **config})


def approve(**config):
    return node("webhook", {"action": "approve", "title": "Pay?", **config})


def output(value):
    return node("output", {"value": value})


def tell(url, *node_ids):
    json = {each: "{{ links." + each + " }}" for each in node_ids}
    return node("tool", {"tool": "http.request", "with": {"method": "POST", "url": url, "json": json}})


def call(body=None, digest="a"):
    return Call("POST", {"x-a": "b"}, {"q": "1"}, body, digest, timezone.now())


def link_of(execution, node_id="ask", iteration=""):
    return find_callback(links.token_of(links.Place(execution.pk, node_id, iteration)))


def settle(worker, execution):
    worker.work()
    execution.refresh_from_db()
    return execution


class TestWait:
    def test_holds_nobody_and_says_for_whom_it_waits_until_when(self, worker):
        execution = settle(worker, start(definition("start > ask > end", ask=wait(timeout="PT10M"))))

        assert (execution.status, execution.blocked_on, execution.lease_owner) == ("running", "callback", None)
        assert execution.blocked_detail.startswith("Waits for `ask` for a call of its link, until 20")
        assert execution.wake_at - execution.started_at == pytest.approx(
            timedelta(minutes=10), abs=timedelta(seconds=9)
        )

    def test_goes_on_with_what_the_call_brings(self, worker):
        execution = start(definition("start > ask > end", ask=wait(), end=output("{{ input }}")))
        settle(worker, execution)

        assert take_call(link_of(execution), call({"paid": True}))

        result = carry(worker, execution).result
        assert result.pop("received_at").startswith("20")
        assert result == {"method": "POST", "headers": {"x-a": "b"}, "query": {"q": "1"}, "body": {"paid": True}}

    def test_takes_one_call_and_knows_it_again(self, worker):
        execution = start(definition("start > ask > end", ask=wait()))
        settle(worker, execution)
        take_call(link_of(execution), call(1))

        assert not take_call(link_of(execution), call(1))
        with pytest.raises(LinkUsed, match="takes one"):
            take_call(link_of(execution), call(2, "b"))
        carry(worker, execution)
        assert not take_call(link_of(execution), call(1)), "The answer to the first may have been lost."

    def test_keeps_no_token_anywhere(self, worker, httpserver, settings):
        """[S-WH-9]"""
        httpserver.expect_request("/tell").respond_with_json({})
        raw = definition("start > told > ask > end", told=tell(httpserver.url_for("/tell"), "ask"), ask=wait())
        execution = start(raw)
        settle(worker, execution)

        token = links.token_of(links.Place(execution.pk, "ask"))

        (request, _) = httpserver.log[0]
        assert request.json == {"ask": f"{settings.WEBHOOK_BASE_URL}/callbacks/{token}"}
        rows = [*execution.node_runs.values(), *Link.objects.values(), *WorkflowExecution.objects.values()]
        assert token not in str(rows)
        assert "⟦link:ask⟧" in str(execution.node_runs.get(node_id="told").input_data)
        take_call(link_of(execution), call())
        carry(worker, execution)

    def test_is_told_by_e_mail_and_kept_nowhere(self, worker, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_USE_TLS = "127.0.0.1", False
        written = {"text": "Please: {{ links.ask }}", "html": '<a href="{{ links.ask }}">Please</a>'}
        mail = {"tool": "email.send", "with": {"to": "ann@example.com", "subject": "Pay?", **written}}
        raw = definition("start > told > ask > end", told=node("tool", mail), ask=approve())
        with mail_server() as server:
            settings.EMAIL_PORT = server.port
            execution = start(raw)
            settle(worker, execution)

        (message,) = server.messages
        (text, html) = (part.get_content() for part in message.iter_parts())
        token = links.token_of(links.Place(execution.pk, "ask"))
        assert text.strip() == f"Please: {settings.WEBHOOK_BASE_URL}/approvals/{token}"
        assert f'<a href="{settings.WEBHOOK_BASE_URL}/approvals/{token}">' in html
        assert token not in str([*execution.node_runs.values(), *Link.objects.values()])

    def test_is_not_handed_on_to_another_workflow(self, worker):
        arguments = {"workflow": "Bill", "input": {"link": "{{ links.ask }}"}}
        raw = definition(
            "start > told > ask > end", told=node("tool", {"tool": "workflow.run", "with": arguments}), ask=wait()
        )

        assert carry(worker, start(raw)).error["code"] == "secret_refused"

    def test_loses_no_call_that_comes_before_it(self, worker, httpserver):
        def answer(request):
            token = request.json["ask"].rpartition("/")[2]
            take_call(find_callback(token), call("early"))
            connection.close()  # This thread's.
            return Response(b"{}")

        httpserver.expect_request("/tell").respond_with_handler(answer)
        raw = definition(
            "start > told > ask > end",
            told=tell(httpserver.url_for("/tell"), "ask"),
            ask=wait(),
            end=output("{{ input.body }}"),
        )

        assert carry(worker, start(raw)).result == "early"
        assert Link.objects.get().early is None

    def test_one_without_an_answer_fails_at_its_deadline(self, worker):
        execution = start(definition("start > ask > end", ask=wait(timeout="PT10M")))
        settle(worker, execution)
        hurry(execution)

        with pytest.raises(LinkGone, match="This link ended at"):
            take_call(link_of(execution), call())

        assert carry(worker, execution).error["code"] == "callback_timeout"
        with pytest.raises(LinkGone, match="it is failed"):
            take_call(link_of(execution), call())

    def test_may_leave_through_a_port_at_its_deadline(self, worker):
        raw = definition(
            "start > ask > end",
            "ask.timeout > late",
            ask=wait(timeout="PT10M", on_timeout="port"),
            end=output("in time"),
            late=output("{{ input }}"),
        )
        execution = start(raw)
        settle(worker, execution)

        assert carry(worker, execution).result == {"timed_out": True}

    def test_an_answer_that_was_there_before_the_deadline_counts(self, worker):
        execution = start(definition("start > ask > end", ask=wait(timeout="PT10M"), end=output("{{ input.body }}")))
        settle(worker, execution)
        take_call(link_of(execution), call("in time"))
        hurry(execution)

        assert carry(worker, execution).result == "in time"

    def test_of_a_deadline_and_a_call_the_first_counts(self, worker):
        """The worker has planned the end of the wait when the call comes."""
        execution = start(definition("start > ask > end", ask=wait(timeout="PT10M"), end=output("{{ input.body }}")))
        settle(worker, execution)
        run = execution.node_runs.get(node_id="ask")
        take_call(link_of(execution), call("in time"))

        assert not awaiting.expire(execution.pk, run.pk, {"output": "late"}, now=timezone.now())

        assert carry(worker, execution).result == "in time"

    def test_each_pass_has_its_own_link(self, worker, httpserver):
        httpserver.expect_request("/tell").respond_with_json({})
        raw = definition(
            "start > each > end",
            each=parallel(
                {"items": [1, 2]},
                "told > ask",
                told=tell(httpserver.url_for("/tell"), "ask"),
                ask=wait(),
            ),
            end=output("{{ input.results.map(each => each.body) }}"),
        )
        execution = start(raw)
        while Link.objects.exclude(node_run_id=None).count() < 2:
            settle(worker, execution)

        take_call(link_of(execution, iteration="1"), call("second"))
        take_call(link_of(execution, iteration="0"), call("first"))

        assert carry(worker, execution).result == ["first", "second"]
        assert len({request.json["ask"] for request, _ in httpserver.log}) == 2

    def test_waits_anew_in_each_pass_of_a_loop(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 2]}, "ask", ask=wait()),
            end=output("{{ input.results.map(each => each.body) }}"),
        )
        execution = start(raw)
        for index in ("0", "1"):
            settle(worker, execution)
            take_call(link_of(execution, iteration=index), call(index))

        assert carry(worker, execution).result == ["0", "1"]

    def test_a_cancel_ends_it(self, worker):
        execution = start(definition("start > ask > end", ask=wait()))
        settle(worker, execution)
        services.cancel_execution(execution, by=None, now=timezone.now())

        with pytest.raises(LinkGone, match="it is cancelled"):
            take_call(link_of(execution), call())

    def test_operators_find_the_link_again(self, worker):
        execution = settle(worker, start(definition("start > ask > end", ask=wait())))

        (found,) = open_links(execution)

        assert find_callback(found.url.rpartition("/")[2]).node_id == "ask"
        take_call(link_of(execution), call())
        assert open_links(execution) == []
        carry(worker, execution)

    def test_a_rerun_takes_its_answer_over(self, worker):
        raw = definition("start > ask > end", ask=wait(), end=output("{{ input.body }}"))
        execution = start(raw)
        settle(worker, execution)
        take_call(link_of(execution), call("once"))
        carry(worker, execution)

        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="end")

        assert carry(worker, again).result == "once"


class TestApprove:
    def start(self, worker, **config):
        raw = definition(
            "start > ask",
            "ask.approved > yes",
            "ask.rejected > no",
            ask=approve(**config),
            yes=output("{{ input }}"),
            no=output("{{ input }}"),
        )
        execution = settle(worker, start(raw))
        return execution, Approval.objects.get()

    def decide(self, approval, verdict="approve", *, role="operator", **more):
        by = Actor(MemberFactory(project=approval.project, role=role).user)
        return approvals.decide(approval, verdict, by=by, now=timezone.now(), **more)

    def test_asks_and_waits(self, worker):
        execution, approval = self.start(worker, message="Why: {{ 1 + 1 }}", details={"a": "{{ 2 }}"}, timeout="PT30M")

        assert (execution.blocked_on, approval.status) == ("approval", "open")
        assert execution.blocked_detail.startswith("Waits for `ask` for an approval (Pay?), until ")
        assert (approval.title, approval.message, approval.details) == ("Pay?", "Why: 2", {"a": 2})
        assert approval.deadline_at == execution.wake_at
        assert approval.execution == execution
        services.cancel_execution(execution, by=None, now=timezone.now())

    @pytest.mark.parametrize(
        ("verdict", "port", "status"), [("approve", "yes", "approved"), ("reject", "no", "rejected")]
    )
    def test_goes_on_as_decided(self, worker, verdict, port, status):
        execution, approval = self.start(worker)

        self.decide(approval, verdict, comment="So be it.")

        done = carry(worker, execution)
        (decision,) = approval.decisions.all()
        assert approval.status == status
        assert done.node_runs.filter(node_id=port).exists()
        assert {key: done.result[key] for key in ("decision", "decided_by", "comment", "timed_out")} == {
            "decision": status,
            "decided_by": decision.name,
            "comment": "So be it.",
            "timed_out": False,
        }

    def test_needs_as_many_as_it_says(self, worker):
        execution, approval = self.start(worker, needed=2)

        self.decide(approval)
        assert approval.is_open
        self.decide(approval)

        assert approval.status == "approved"
        assert len(carry(worker, execution).result["decisions"]) == 2

    @pytest.mark.parametrize(
        ("on_timeout", "expected"),
        [("approve", "approved"), ("reject", "rejected"), ("port", None), ("fail", "approval_timeout")],
    )
    def test_does_at_its_deadline_what_its_author_chose(self, worker, on_timeout, expected):
        execution, approval = self.start(worker, timeout="PT30M", on_timeout=on_timeout)

        done = carry(worker, execution)

        approval.refresh_from_db()
        assert approval.status == "expired"
        if on_timeout == "fail":
            assert done.error["code"] == expected
        else:
            output = done.node_runs.get(node_id="ask").output_data
            assert (output["decision"], output["timed_out"]) == (expected, True)

    @pytest.mark.parametrize("end", ["cancel", "deadline", "sibling"])
    def test_is_closed_with_what_ends_its_execution(self, worker, end):
        ways = ["start > ask", "start > bad"] if end == "sibling" else ["start > ask"]
        bad = {}
        if end == "sibling":
            bad = {"bad": node("delay", {"for_seconds": 100}), "worse": output("{{ input.no.such }}")}
            ways.append("bad > worse")
        execution = settle(worker, start(definition(*ways, ask=approve(), **bad)))
        if end == "cancel":
            services.cancel_execution(execution, by=None, now=timezone.now())
        elif end == "deadline":
            WorkflowExecution.objects.update(deadline_at=database_now() - timedelta(seconds=1))
            recovery.sweep()
        else:
            carry(worker, execution)

        assert Approval.objects.get().status == "closed"
        execution.refresh_from_db()
        assert execution.has_ended

    def test_is_closed_when_enough_others_have_answered(self, worker):
        raw = definition(
            "start > any > end",
            any=parallel({"done_when": "any"}, "ask", "quick", ask=approve(), quick=node("delay", {"for_seconds": 0})),
        )

        assert carry(worker, start(raw)).status == "completed"
        assert [each.status for each in Approval.objects.all()] in (["closed"], [])

    def test_of_a_decision_and_an_end_in_the_same_moment_the_first_counts(self, worker):
        execution, approval = self.start(worker)
        with transaction.atomic():
            signals.answer(execution.pk, approval.node_run_id, {"output": None, "ports": ["rejected"]})
            Approval.objects.update(status="expired", ended_at=timezone.now())

        with pytest.raises(ApprovalEnded, match="expired already"):
            self.decide(approval)
        carry(worker, execution)
