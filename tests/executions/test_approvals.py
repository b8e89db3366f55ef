"""Approvals over the API and on their page: who sees them, who decides, and that a decision counts once."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions import services
from executions.exceptions import ApprovalEnded
from executions.models import Approval, ApprovalDecision, WorkflowExecution
from executions.services import approvals
from projects.access import Actor
from projects.exceptions import SegueError
from projects.models import AuditEntry
from tests.builders import definition, node
from tests.executions.waiting_executions import started, token_of, waits
from tests.factories import ApprovalFactory, MemberFactory, UserFactory, WorkflowFactory, token_and_key

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
FORM = {
    "type": "object",
    "properties": {
        "account": {"type": "string", "title": "Account", "enum": ["main", "petty cash"]},
        "amount": {"type": "integer", "minimum": 1, "description": "In cents."},
        "share": {"type": "number"},
        "urgent": {"type": "boolean"},
        "reason": {"type": "string", "maxLength": 1000},
    },
    "required": ["account", "amount"],
}


def asked(**config):
    execution = waits("approve", **config)
    return Approval.objects.get(execution=execution)


def browser_of(user, **more):
    client = Client(**more)
    client.force_login(user)
    return client


def member(approval, role="operator", **user):
    return MemberFactory(project=approval.project, role=role, user=UserFactory(**user)).user


def link(approval):
    return f"/approvals/{token_of(approval.execution)}"


def page(approval):
    return f"/approvals/{approval.pk}"


def run_of(approval):
    return approval.execution.node_runs.get(pk=approval.node_run_id)


class TestApi:
    def test_lists_what_is_open(self, api, project):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project)
        ApprovalFactory(
            execution__workflow_version__workflow__project=project, status="approved", ended_at=timezone.now()
        )

        found = api("viewer").get("/api/approvals/?open=true").data["results"]

        assert [each["id"] for each in found] == [str(approval.pk)]
        assert found[0]["url"].endswith(f"/approvals/{approval.pk}")

    @pytest.mark.parametrize("by", ["workflow", "execution", "project"])
    def test_narrows_by(self, api, project, by):
        one, _ = (ApprovalFactory(execution__workflow_version__workflow__project=project) for _ in range(2))
        wanted = one.project_id if by == "project" else getattr(one, f"{by}_id")

        found = api("viewer").get(f"/api/approvals/?{by}={wanted}").data["results"]

        assert len(found) == (2 if by == "project" else 1)

    def test_asks_as_often_for_twenty_as_for_one(self, api, project):
        client = api("viewer")

        def queries():
            with CaptureQueriesContext(connection) as captured:
                client.get("/api/approvals/")
            return len(captured)

        ApprovalFactory(execution__workflow_version__workflow__project=project)
        queries()
        for_one = queries()
        for _ in range(19):
            ApprovalFactory(execution__workflow_version__workflow__project=project)

        assert queries() == for_one

    @pytest.mark.parametrize(
        ("verb", "status", "port"), [("approve", "approved", "approved"), ("reject", "rejected", "rejected")]
    )
    def test_decides(self, api, project, verb, status, port):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project)

        answer = api("operator").post(f"/api/approvals/{approval.pk}/{verb}/", {"comment": "Fine."})

        assert (answer.status_code, answer.data["status"]) == (200, status)
        assert (answer.data["decisions"][0]["comment"], answer.data["may_decide"]) == ("Fine.", False)
        assert run_of(approval).answer["ports"] == [port]
        assert AuditEntry.objects.get(action=f"approval.{status}").target_id == str(approval.pk)

    def test_decides_once(self, api, project):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project)
        client = api("operator")
        client.post(f"/api/approvals/{approval.pk}/approve/")

        same = client.post(f"/api/approvals/{approval.pk}/approve/")
        other = client.post(f"/api/approvals/{approval.pk}/reject/")

        assert same.status_code == 200
        assert (other.status_code, other.data["code"]) == (409, "approval_ended")
        assert ApprovalDecision.objects.count() == 1

    def test_says_when_somebody_would_decide_otherwise_than_before(self, api, project):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project, needed=2)
        client = api("operator")
        client.post(f"/api/approvals/{approval.pk}/approve/")

        answer = client.post(f"/api/approvals/{approval.pk}/reject/")

        assert (answer.status_code, answer.data["code"]) == (409, "already_decided")

    def test_says_when_somebody_would_fill_the_form_in_otherwise_than_before(self, api, project):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project, form=FORM, needed=2)
        client, filled = api("operator"), {"account": "main", "amount": 100}

        first, same, other = (
            client.post(f"/api/approvals/{approval.pk}/approve/", {"form": form})
            for form in (filled, filled, {**filled, "amount": 999})
        )

        assert [first.status_code, same.status_code] == [200, 200]
        assert (other.status_code, other.data["code"]) == (409, "already_decided")
        assert ApprovalDecision.objects.get().form == filled

    def test_refuses_whom_the_node_does_not_name(self, api, project):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project, role="admin")

        answer = api("operator").post(f"/api/approvals/{approval.pk}/approve/")

        assert answer.status_code == 403
        assert answer.data["message"] == "This may be decided by members with the role admin or more; you are operator."

    def test_refuses_what_does_not_fit_the_form(self, api, project):
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project, form=FORM)

        answer = api("operator").post(f"/api/approvals/{approval.pk}/approve/", {"form": {"account": "other"}})

        assert (answer.status_code, answer.data["code"]) == (400, "invalid_form")
        assert {problem["path"] for problem in answer.data["problems"]} == {"/form", "/form/account"}

    def test_refuses_a_field_that_the_form_does_not_have(self, api, project):
        """Misspelled, it would leave a payment at what the model had said."""
        form = {"type": "object", "properties": {"amount": {"type": "integer", "default": 500}}}
        approval = ApprovalFactory(execution__workflow_version__workflow__project=project, form=form)

        answer = api("operator").post(f"/api/approvals/{approval.pk}/approve/", {"form": {"amonut": 50}})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_form")
        assert answer.json()["problems"][0]["path"] == "/form/amonut"
        assert answer.json()["problems"][0]["hint"] == "There are: amount."

    def test_tells_operators_the_links_of_what_waits(self, api, project):
        raw = definition("start > ask", ask=node("webhook", {"action": "wait"}))
        execution = started(WorkflowFactory(published=True, project=project, definition=raw))

        answer = api("operator").get(f"/api/executions/{execution.pk}/links/")

        (found,) = answer.data
        assert (found["node_id"], found["waits_for"]) == ("ask", "callback")
        assert found["url"].endswith(f"/callbacks/{token_of(execution)}")
        assert api("viewer").get(f"/api/executions/{execution.pk}/links/").status_code == 403

    def test_an_execution_says_for_whom_it_waits(self, api, project):
        raw = definition("start > ask", ask=node("webhook", {"action": "approve", "title": "Pay?", "timeout": "PT5M"}))
        execution = started(WorkflowFactory(published=True, project=project, definition=raw))

        shown = api("viewer").get(f"/api/executions/{execution.pk}/").data

        (wait,) = shown["waits"]
        assert (wait["node_id"], wait["waits_for"]) == ("ask", "approval")
        assert wait["approval"] == str(Approval.objects.get().pk)
        assert wait["until"] is not None
        assert token_of(execution) not in str(shown)
        states = {
            each["node_id"]: each["state"] for each in api("viewer").get(f"/api/executions/{execution.pk}/nodes/").data
        }
        assert states["ask"] == "waiting"


class TestWhoDecides:
    @pytest.mark.parametrize(
        ("deciders", "role", "may"),
        [
            ({}, "viewer", False),
            ({}, "operator", True),
            ({"role": "editor"}, "operator", False),
            ({"role": "editor"}, "admin", True),
            ({"users": ["ann"]}, "viewer", True),
            ({"users": ["bob"]}, "owner", False),
            ({"users": ["bob"], "role": "owner"}, "owner", True),
            ({"role": "viewer"}, "viewer", True),
        ],
    )
    def test_is_who_is_named(self, deciders, role, may):
        approval = asked(deciders=deciders)
        ann = member(approval, role, username="ann")

        assert bool(approvals.why_not(approval, Actor(ann), has_link=True)) is not may

    def test_is_no_stranger_of_the_right_name(self):
        approval = asked(deciders={"users": ["ann"]})

        assert approvals.why_not(approval, Actor(UserFactory(username="ann")), has_link=True)

    def test_is_no_token_of_a_lesser_role(self):
        approval = asked(deciders={"users": ["ann"], "role": "operator"})
        membership = MemberFactory(project=approval.project, role="owner", user__username="ann")
        token, _ = token_and_key(member=membership, role="viewer")

        assert approvals.why_not(approval, Actor(membership.user, token=token), has_link=False)

    def test_is_told_to_log_in_where_only_a_token_comes_for_one_who_is_named(self):
        approval = asked(deciders={"users": ["ann"]})
        membership = MemberFactory(project=approval.project, role="owner", user__username="ann")
        token, _ = token_and_key(member=membership, role="owner")

        assert "log in" in approvals.why_not(approval, Actor(membership.user, token=token), has_link=False)


class TestPage:
    def test_shows_and_decides_nothing(self):
        approval = asked(message="Please.", details={"amount": 7})
        browser = browser_of(member(approval))

        answers = [browser.get(link(approval)), browser.head(link(approval)), browser.get(page(approval))]

        assert [answer.status_code for answer in answers] == [200, 200, 200]
        text = answers[0].content.decode()
        assert "Pay?" in text
        assert "Please." in text
        assert "&quot;amount&quot;: 7" in text
        assert run_of(approval).answer is None

    def test_decides_on_post_and_shows_it(self):
        approval = asked()
        ann = member(approval, username="ann")

        answer = browser_of(ann).post(link(approval), {"verdict": "approve", "comment": "Go."}, follow=True)

        assert answer.redirect_chain == [(link(approval), 303)]
        assert "Approved." in answer.content.decode()
        assert "<strong>ann</strong> approved" in answer.content.decode()
        assert run_of(approval).answer["output"]["decided_by"] == "ann"

    def test_takes_no_post_from_elsewhere(self):
        """[S-WH-9] A page of somebody else's cannot press the button."""
        approval = asked()
        browser = browser_of(member(approval), enforce_csrf_checks=True)

        assert browser.post(link(approval), {"verdict": "approve"}).status_code == 403

        browser.get(link(approval))
        token = browser.cookies["csrftoken"].value
        assert browser.post(link(approval), {"verdict": "approve", "csrfmiddlewaretoken": token}).status_code == 303

    def test_runs_nothing_and_stands_in_no_frame(self):
        """[S-UI-1]"""
        approval = asked(title=SCRIPT, message=SCRIPT, details={SCRIPT: SCRIPT})
        answer = browser_of(member(approval)).get(link(approval))

        assert SCRIPT not in answer.content.decode()
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer["Cache-Control"]
        assert _Inline.found_in(answer.content.decode()) == []

    @pytest.mark.parametrize("where", [link, page])
    def test_sends_people_without_a_session_to_log_in(self, where):
        approval = asked()

        answer = Client().get(where(approval))

        assert answer.status_code == 302
        assert answer["Location"].startswith("/api/auth/login/?next=/approvals/")
        assert Client().post(where(approval), {"verdict": "approve"}).status_code == 302
        assert run_of(approval).answer is None

    def test_lets_people_log_in_under_its_own_name_and_brings_them_back(self):
        approval = asked()
        user = member(approval, password=make_password("right password"))
        browser = Client()

        form = browser.get(page(approval), follow=True)
        there = browser.post(
            "/api/auth/login/",
            {"username": user.get_username(), "password": "right password", "next": form.context["next"]},
        )

        assert "Log in to Segue" in form.content.decode()
        assert there["Location"] == page(approval)

    def test_says_that_a_password_is_wrong(self):
        answer = Client().post("/api/auth/login/", {"username": "<b>", "password": "wrong", "next": "/approvals/x"})

        text = answer.content.decode()
        assert "Please enter a correct username and password." in text
        assert 'value="&lt;b&gt;"' in text
        assert 'name="next" value="/approvals/x"' in text

    @pytest.mark.parametrize("where", [link, page])
    def test_is_nothing_to_strangers(self, where):
        approval = asked(title="Nobody's business")
        stranger = browser_of(UserFactory())

        for answer in (stranger.get(where(approval)), stranger.post(where(approval), {"verdict": "approve"})):
            assert answer.status_code == 404
            assert "Nobody" not in answer.content.decode()

    def test_lets_members_look_who_may_not_decide(self):
        approval = asked()
        viewer = browser_of(member(approval, "viewer"))

        answer = viewer.get(link(approval))
        refused = viewer.post(link(approval), {"verdict": "approve"})

        assert "you are viewer" in answer.content.decode()
        assert "<form" not in answer.content.decode()
        assert refused.status_code == 403

    def test_lets_anybody_with_the_link_decide_where_that_is_wanted(self):
        approval = asked(deciders={"anyone": True})

        answer = Client().post(link(approval), {"verdict": "reject", "name": "A customer"}, follow=True)

        output = run_of(approval).answer["output"]
        assert "Rejected." in answer.content.decode()
        assert "A customer</strong> (by the link)" in answer.content.decode(), "Anybody may call themselves alice."
        assert (output["decided_by"], output["is_by_link"]) == ("A customer", True)
        assert Client().get(page(approval)).status_code == 302, "The id alone is no link."

    @pytest.mark.parametrize("key", ["x", "A" * 43, "01890000-0000-7000-8000-000000000000"])
    def test_is_not_there_without_the_right_key(self, key):
        assert browser_of(UserFactory()).get(f"/approvals/{key}").status_code == 404

    def test_the_link_of_a_wait_is_none_here(self):
        execution = waits()

        answer = Client().post(f"/approvals/{token_of(execution)}", {"verdict": "approve"})

        assert answer.status_code == 404

    def test_reads_the_form(self):
        approval = asked(form=FORM)
        browser = browser_of(member(approval))
        given = {"form.account": "petty cash", "form.amount": "12", "form.share": "0.5", "form.reason": "a\r\nb"}

        answer = browser.post(link(approval), {"verdict": "approve", **given})

        assert answer.status_code == 303
        assert run_of(approval).answer["output"]["form"] == {
            "account": "petty cash",
            "amount": 12,
            "share": 0.5,
            "urgent": False,
            "reason": "a\nb",
        }

    def test_says_beside_the_field_what_is_wrong_and_forgets_nothing(self):
        approval = asked(form=FORM)

        answer = browser_of(member(approval)).post(
            link(approval), {"verdict": "approve", "form.account": "main", "form.amount": "much", "comment": "Hm."}
        )

        text = answer.content.decode()
        assert answer.status_code == 400
        assert 'value="much"' in text
        assert "Hm.</textarea>" in text
        assert text.index('<p class="problem">') > text.index("form.amount")
        assert run_of(approval).answer is None

    def test_says_beside_the_field_what_is_missing(self):
        approval = asked(form=FORM)

        answer = browser_of(member(approval)).post(link(approval), {"verdict": "approve", "form.account": ""})

        assert answer.content.decode().count("This is needed.") == 2

    def test_has_the_fields_in_an_order_that_the_database_cannot_change(self):
        approval = asked(form=FORM)

        text = browser_of(member(approval)).get(link(approval)).content.decode()

        places = [text.index(f'name="form.{name}"') for name in ("account", "amount", "reason", "share", "urgent")]
        assert places == sorted(places)

    def test_shows_afterwards_what_was_filled_in(self):
        approval = asked(form={"type": "object", "properties": {"amount": {"type": "integer", "default": 500}}})
        browser = browser_of(member(approval))

        answer = browser.post(link(approval), {"verdict": "approve", "form.amount": "50"}, follow=True)

        assert "&quot;amount&quot;: 50\n" in answer.content.decode()

    @pytest.mark.parametrize(
        ("minutes", "told"),
        [(5, "12:05 UTC</dd>"), (90, "13:00 UTC; then the execution ends</dd>"), (None, "13:00 UTC; then")],
    )
    def test_says_until_when(self, minutes, told):
        noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
        approval = ApprovalFactory(deadline_at=minutes and noon + timedelta(minutes=minutes))
        WorkflowExecution.objects.update(deadline_at=noon + timedelta(hours=1))

        text = browser_of(member(approval)).get(page(approval)).content.decode()

        assert f"<dt>Until</dt><dd>2026-11-26 {told}" in text

    @pytest.mark.parametrize(("traits", "is_told"), [({}, False), ({"superuser": True}, True)])
    def test_leads_those_to_the_execution_who_may_see_it_there(self, traits, is_told):
        approval = ApprovalFactory()

        text = browser_of(member(approval, **traits)).get(page(approval)).content.decode()

        assert (f"/admin/executions/workflowexecution/{approval.execution_id}/change/" in text) is is_told

    def test_rejects_without_the_form(self):
        approval = asked(form=FORM)

        assert browser_of(member(approval)).post(link(approval), {"verdict": "reject"}).status_code == 303

    @pytest.mark.parametrize("end", ["cancelled", "expired", "decided"])
    def test_says_that_it_is_too_late(self, end):
        approval = asked(timeout="PT30M")
        browser = browser_of(member(approval))
        if end == "cancelled":
            services.cancel_execution(approval.execution, by=None, now=timezone.now())
        elif end == "expired":
            Approval.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
        else:
            approvals.decide(approval, "reject", by=Actor(member(approval)), now=timezone.now())

        answer = browser.post(link(approval), {"verdict": "approve"})

        assert answer.status_code == 409
        assert ApprovalDecision.objects.filter(verdict="approve").count() == 0


class _Inline(HTMLParser):
    """Finds what a strict policy would not run, or should not have to stop."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [tag] if tag in ("script", "style", "iframe") else []
        self.found += [name for name, _ in attrs if name.startswith("on") or name == "style"]

    @classmethod
    def found_in(cls, html):
        parser = cls()
        parser.feed(html)
        return parser.found


class TestAdmin:
    @pytest.fixture
    def browser(self):
        return browser_of(UserFactory(superuser=True))

    @pytest.mark.parametrize(("act", "status"), [("approve", "approved"), ("reject", "rejected")])
    def test_decides(self, browser, act, status):
        approval = asked()

        browser.post(f"/admin/executions/approval/{approval.pk}/act/{act}/")

        approval.refresh_from_db()
        assert approval.status == status

    @pytest.mark.parametrize(("required", "is_offered"), [([], True), (["amount"], False)])
    def test_offers_to_approve_where_the_form_needs_nothing(self, browser, required, is_offered):
        approval = asked(form={"type": "object", "properties": {"amount": {"type": "integer"}}, "required": required})

        text = browser.get(f"/admin/executions/approval/{approval.pk}/change/").content.decode()

        assert (f"{approval.pk}/act/approve/" in text) is is_offered

    def test_leads_from_an_execution_to_where_people_decide(self, browser):
        approval = asked()

        text = browser.get(f"/admin/executions/workflowexecution/{approval.execution_id}/change/").content.decode()

        assert f'<a href="/approvals/{approval.pk}">Decide</a>' in text

    def test_shows_an_execution_what_it_asks(self, browser):
        approval = asked()

        text = browser.get(f"/admin/executions/workflowexecution/{approval.execution_id}/change/").content.decode()

        assert f"/admin/executions/approval/{approval.pk}/change/" in text
        assert "Waits for `ask` for an approval (Pay?)" in text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verdicts", [("approve", "approve"), ("approve", "reject"), ("reject", "reject")])
def test_of_two_who_decide_in_the_same_moment_one_counts(verdicts):
    approval = asked()
    people = [member(approval) for _ in verdicts]
    together, outcomes = threading.Barrier(2), []

    def decide(person, verdict):
        mine = Approval.objects.get(pk=approval.pk)
        together.wait(5)
        try:
            approvals.decide(mine, verdict, by=Actor(person), now=timezone.now())
            outcomes.append(verdict)
        except SegueError as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=pair) for pair in zip(people, verdicts, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert outcomes.count(ApprovalEnded) == 1
    (counted,) = ApprovalDecision.objects.all()
    word = {"approve": "approved", "reject": "rejected"}[counted.verdict]
    assert run_of(approval).answer["output"]["decision"] == word
    services.cancel_execution(approval.execution, by=None, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_one_person_who_presses_twice_at_once_is_one_person():
    approval = asked(needed=2)
    person, together = member(approval), threading.Barrier(2)

    def decide():
        mine = Approval.objects.get(pk=approval.pk)
        together.wait(5)
        approvals.decide(mine, "approve", by=Actor(person), now=timezone.now())
        connection.close()

    threads = [threading.Thread(target=decide) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    approval.refresh_from_db()
    assert (approval.status, approval.decisions.count()) == ("open", 1)
    services.cancel_execution(approval.execution, by=None, now=timezone.now())
