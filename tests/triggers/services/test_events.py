"""Events: what they start, and what is kept of them (R-2)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from executions.engine.recovery import sweep
from executions.exceptions import TooManyStarts
from executions.models import WorkflowExecution
from projects import failpoints
from projects.access import Actor
from projects.exceptions import TooLarge
from tests.clock import NOON
from tests.factories import EventFactory, EventMatchFactory, ProjectFactory, UserFactory, VersionFactory
from tests.threads import at_once
from tests.triggers.stories import event, publish_again, published, started_by, trigger_of
from triggers.events import listeners
from triggers.exceptions import EventMismatch, InvalidEvent
from triggers.models import Event, EventMatch, Subscription, Trigger
from triggers.services import emit, remove_old_events, switch_trigger
from workflows.models import Workflow
from workflows.services import archive, disable, enable, pause

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def project():
    return ProjectFactory()


def listening(project, *names, settings=None, **config):
    """Publish a workflow that listens to some names."""
    more = {"settings": settings} if settings else {}
    return published(started_by(heard=event(*names, **config), **more), project=project)


def send(project, name="order.created", data=None, **more):
    return emit(project, name, data, **({"now": NOON} | more))


def verdicts(event):
    return {
        match.trigger.workflow_id: (match.verdict, match.reason_code)
        for match in event.matches.select_related("trigger")
    }


class TestEmit:
    def test_starts_agents_where_agents_wait(self, project):
        workflow = listening(project, "order.created")
        VersionFactory(workflow=workflow, number=2, definition=workflow.definition, has_agent=True)
        Workflow.objects.filter(pk=workflow.pk).update(version=2)

        send(project)

        assert WorkflowExecution.objects.get().queue == "agents"

    def test_starts_what_listens_to_the_name(self, project):
        workflow = listening(project, "order.created")

        sent = send(project, data={"total": 42}, id="a-1", source="shop")

        execution = WorkflowExecution.objects.get()
        trigger = trigger_of(workflow, "heard")
        assert (execution.workflow_id, execution.triggered_by) == (workflow.pk, "event")
        assert execution.trigger_id == trigger.pk
        assert execution.execution_context == {
            "node_id": "heard",
            "trigger": {
                "event_id": str(sent.pk),
                "name": "order.created",
                "data": {"total": 42},
                "id": "a-1",
                "source": "shop",
                "received_at": NOON.isoformat(),
            },
        }

    def test_keeps_the_event_and_what_came_of_it(self, project):
        workflow = listening(project)

        sent = send(project, data={"total": 42})

        kept = Event.objects.get()
        assert (kept.name, kept.data, kept.type, kept.matched_count) == ("order.created", {"total": 42}, "event", 1)
        assert verdicts(sent) == {workflow.pk: ("matched", "")}
        assert sent.matches.get().execution == WorkflowExecution.objects.get()

    def test_keeps_an_event_that_nobody_listens_to(self, project):
        sent = send(project, "nobody.listens")

        assert (Event.objects.count(), sent.matched_count) == (1, 0)

    @pytest.mark.parametrize(
        ("pattern", "name", "matches"),
        [
            ("order.created", "order.created", True),
            ("order.created", "order.created.eu", False),
            ("order.*", "order.created", True),
            ("order.*", "order.created.eu", True),
            ("order.*", "order", False),
            ("order.*", "orders.created", False),
            ("*", "order", True),
            ("*", "order.created", True),
            ("Order", "order", False),
        ],
    )
    def test_matches_names_by_their_parts(self, project, pattern, name, matches):
        listening(project, pattern)

        assert send(project, name).matched_count == (1 if matches else 0)

    def test_starts_a_trigger_once_of_which_several_names_match(self, project):
        listening(project, "order.created", "order.*", "*")

        assert send(project).matched_count == 1
        assert WorkflowExecution.objects.count() == 1

    def test_starts_every_trigger_that_listens(self, project):
        workflows = [listening(project, "order.*") for _ in range(3)]

        send(project)

        assert set(WorkflowExecution.objects.values_list("workflow_id", flat=True)) == {each.pk for each in workflows}

    def test_starts_nothing_of_another_project(self, project):
        listening(ProjectFactory())

        assert send(project).matched_count == 0
        assert not WorkflowExecution.objects.exists()

    def test_asks_the_same_number_of_queries_however_many_triggers_do_not_match(self, project):
        listening(project, "order.created")

        def queries():
            with CaptureQueriesContext(connection) as captured:
                send(project)
            return len(captured)

        queries()
        before = queries()
        for _ in range(5):
            listening(project, "something.else")

        assert queries() == before

    def test_runs_the_newest_version(self, project):
        workflow = listening(project)
        publish_again(workflow, started_by(heard=event("order.*")))

        send(project)

        assert WorkflowExecution.objects.get().workflow_version.number == 2

    def test_a_new_version_listens_to_its_own_names_alone(self, project):
        workflow = listening(project, "order.created")
        publish_again(workflow, started_by(heard=event("order.paid")))

        assert send(project, "order.created").matched_count == 0
        assert send(project, "order.paid").matched_count == 1
        assert list(Subscription.objects.values_list("topic", flat=True)) == ["order.paid"]

    def test_says_who_sent_it(self, project):
        person = UserFactory()

        sent = send(project, by=Actor(user=person))

        assert sent.sent_by == person

    def test_all_is_undone_if_one_part_cannot_be_written(self, project, request):
        listening(project)
        request.addfinalizer(lambda: failpoints.arm({}, secure=False))
        failpoints.arm({"SEGUE_FAILPOINTS": "event.inside=error"}, secure=False)

        with pytest.raises(OperationalError):
            send(project)

        assert (Event.objects.count(), WorkflowExecution.objects.count()) == (0, 0)


class TestFilter:
    @pytest.mark.parametrize(
        ("expression", "verdict", "code"),
        [
            ("{{ trigger.data.total > 100 }}", "matched", ""),
            ("{{ trigger.name == 'order.created' && now() !== '' }}", "matched", ""),
            ("{{ trigger.data.total > 1000 }}", "filtered", "filtered"),
            ("{{ trigger.data.total }}", "failed", "filter_not_boolean"),
            ("{{ trigger.data.buyer.name == 'Ann' }}", "failed", "filter_failed"),
        ],
    )
    def test_decides_whether_it_starts(self, project, expression, verdict, code):
        workflow = listening(project, filter=expression)

        sent = send(project, data={"total": 500})

        assert verdicts(sent) == {workflow.pk: (verdict, code)}
        assert WorkflowExecution.objects.exists() is (verdict == "matched")

    def test_that_fails_does_not_stop_the_others(self, project):
        listening(project, filter="{{ trigger.data.buyer.name == 'Ann' }}")
        fine = listening(project)

        sent = send(project, data={})

        assert (sent.matched_count, sent.failed_count) == (1, 1)
        assert WorkflowExecution.objects.get().workflow == fine

    def test_is_not_evaluated_again_when_the_execution_runs(self, project):
        """The trigger node hands the event on, whatever its filter would say now."""
        from executions.engine.versions import compiled

        workflow = listening(project, filter="{{ trigger.data.total > 100 }}")

        nodes = compiled(workflow.versions.get().pk).nodes

        assert nodes["heard"].begin.templates == ()
        assert not nodes["heard"].begin.mentions.roots

    def test_of_many_are_evaluated(self, project, monkeypatch):
        monkeypatch.setattr(listeners, "FILTERS_AT_ONCE", 2)
        for least in range(5):
            listening(project, filter=f"{{{{ trigger.data.total > {least} }}}}")

        sent = send(project, data={"total": 3})

        assert (sent.matched_count, sent.filtered_count) == (3, 2)


class TestWhyNot:
    def test_a_paused_workflow_accepts(self, project):
        workflow = listening(project)
        pause(workflow, by=None, now=NOON)

        assert verdicts(send(project)) == {workflow.pk: ("matched", "")}

    def test_a_disabled_workflow_starts_nothing_and_says_so(self, project):
        workflow = listening(project)
        disable(workflow, reason="Moved.", by=None, now=NOON)

        sent = send(project)

        assert verdicts(sent) == {workflow.pk: ("refused", "workflow_disabled")}
        assert "Moved." in sent.matches.get().reason
        assert sent.refused_count == 1

        enable(workflow, by=None, now=NOON)
        assert send(project).matched_count == 1

    def test_a_trigger_that_is_switched_off_says_so(self, project):
        workflow = listening(project)
        switch_trigger(trigger_of(workflow, "heard"), is_active=False, by=None, now=NOON)

        assert verdicts(send(project)) == {workflow.pk: ("refused", "trigger_off")}

    def test_an_archived_workflow_is_silent(self, project):
        archive(listening(project), by=None, now=NOON)

        assert verdicts(send(project)) == {}

    def test_a_circle_comes_to_its_end(self, project, settings):
        settings.WORKFLOW_MAX_DEPTH = 3
        workflow = listening(project)

        allowed, refused = send(project, depth=3), send(project, depth=4)

        assert WorkflowExecution.objects.get().depth == 3
        assert allowed.matched_count == 1
        assert verdicts(refused) == {workflow.pk: ("refused", "too_deep")}

    def test_a_request_that_came_through_too_many_workflows_starts_nothing(self, project):
        workflow = listening(project)

        assert verdicts(send(project, hops=9)) == {workflow.pk: ("refused", "too_many_hops")}

    def test_hands_on_through_how_many_workflows_it_came(self, project):
        listening(project)

        send(project, hops=2)

        assert WorkflowExecution.objects.get().execution_context["hops"] == 2

    def test_triggers_beyond_the_most_are_left_out_and_counted(self, project, monkeypatch):
        monkeypatch.setattr(listeners, "MAX_LISTENERS", 2)
        for _ in range(5):
            listening(project)

        sent = send(project)

        assert (sent.matched_count, sent.left_out_count) == (2, 3)

    def test_a_concurrency_limit_that_skips_is_still_a_match(self, project):
        listening(project, settings={"concurrency": {"max": 1, "on_limit": "skip"}})

        sent = [send(project), send(project)]

        assert [each.matched_count for each in sent] == [1, 1]
        assert sorted(WorkflowExecution.objects.values_list("status", flat=True)) == ["cancelled", "pending"]

    def test_a_project_that_starts_too_much_is_told_to_wait(self, project, settings):
        settings.PROJECT_STARTS_PER_SECOND, settings.PROJECT_STARTS_AT_ONCE = 1, 1
        listening(project)
        somebody = Actor(user=UserFactory())
        send(project, by=somebody)

        with pytest.raises(TooManyStarts):
            send(project, by=somebody, id="second")

        assert not Event.objects.filter(dedupe_key="second").exists()

    def test_events_that_start_nothing_ask_for_no_quota(self, project, settings):
        settings.PROJECT_STARTS_PER_SECOND, settings.PROJECT_STARTS_AT_ONCE = 1, 1
        somebody = Actor(user=UserFactory())

        assert [send(project, by=somebody).matched_count for _ in range(3)] == [0, 0, 0]


class TestTheSameAgain:
    def test_answers_with_the_first_event(self, project):
        """R-2"""
        listening(project)
        first = send(project, data={"a": 1}, id="x")

        again = send(project, data={"a": 1}, id="x")

        assert (again.pk, again.is_duplicate, first.is_duplicate) == (first.pk, True, False)
        assert (Event.objects.count(), WorkflowExecution.objects.count()) == (1, 1)

    @pytest.mark.parametrize(("name", "data"), [("order.created", {"a": 2}), ("order.paid", {"a": 1})])
    def test_with_something_else_is_refused(self, project, name, data):
        """R-2"""
        send(project, data={"a": 1}, id="x")

        with pytest.raises(EventMismatch, match="was here before"):
            send(project, name, data, id="x")

    def test_is_told_apart_by_project(self, project):
        send(project, id="x")

        assert not send(ProjectFactory(), id="x").is_duplicate

    def test_without_an_id_each_is_a_new_one(self, project):
        assert [send(project).is_duplicate for _ in range(2)] == [False, False]


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_of_one_id_start_one_execution(self, project):
        """R-2: in the same moment, on two connections."""
        listening(project)

        sent = at_once(*[lambda: send(project, data={"a": 1}, id="x")] * 4)

        assert len({each.pk for each in sent}) == 1
        assert sorted(each.is_duplicate for each in sent) == [False, True, True, True]
        assert WorkflowExecution.objects.count() == 1

    def test_that_start_limited_workflows_do_not_wait_for_each_other_in_a_circle(self, project):
        for _ in range(4):
            listening(project, settings={"concurrency": {"max": 1}})

        at_once(*[lambda: send(project)] * 4)

        assert WorkflowExecution.objects.count() == 16


class TestChecks:
    @pytest.mark.parametrize(
        "name", ["", ".", "a.", ".a", "a..b", "a b", "ä", "order.*", "*", "a" * 201, "a." * 20 + "a"]
    )
    def test_refuse_what_is_no_name(self, project, name):
        with pytest.raises(InvalidEvent) as refused:
            send(project, name)

        assert refused.value.path == "/name"

    @pytest.mark.parametrize("name", ["a", "A-1_b", "a.b.c", ".".join("a" * 20)])
    def test_take_what_is_one(self, project, name):
        assert send(project, name).name == name

    @pytest.mark.parametrize("id", ["", "x" * 256])
    def test_refuse_what_is_no_id(self, project, id):
        with pytest.raises(InvalidEvent, match="id of an event"):
            send(project, id=id)

    def test_refuse_data_that_is_too_large(self, project, settings):
        settings.WEBHOOK_MAX_BODY_BYTES = 100

        send(project, data="x" * 98)
        with pytest.raises(TooLarge):
            send(project, data="x" * 99)

    def test_keep_what_a_database_cannot_as_its_escape(self, project):
        assert send(project, data={"a": "\x00"}).data == {"a": "\\u0000"}


class TestRemoveOldEvents:
    def test_removes_what_is_older_than_executions_are_kept(self, settings):
        settings.EXECUTION_RETENTION_DAYS = 30
        old, young = EventFactory(received_at=NOON - 31 * DAY), EventFactory(received_at=NOON - 29 * DAY)
        EventMatchFactory(event=old, trigger__workflow__project=old.project)

        assert remove_old_events(NOON) == 1

        assert list(Event.objects.all()) == [young]
        assert not EventMatch.objects.exists()
        assert Trigger.objects.exists()

    def test_is_part_of_every_sweep(self):
        EventFactory(received_at=NOON - 3650 * DAY)

        sweep()

        assert not Event.objects.exists()


def test_people_who_are_gone_leave_their_events(project):
    sent = send(project, by=Actor(user=UserFactory()))

    User.objects.all().delete()

    sent.refresh_from_db()
    assert sent.sent_by is None
