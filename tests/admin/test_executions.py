"""An execution's page and its buttons."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.admin.executions import MOST_NODE_RUNS
from executions.admin.words import WAITS_FOR, why
from executions.blockers import MOST_BLOCKERS
from executions.live.position import Position
from executions.live.reader import Reader
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from projects.models import AuditEntry
from tests.admin.pages import choose, offered, open_page, press
from tests.admin.rows import url
from tests.builders import definition, loop
from tests.clock import NOON
from tests.factories import DeliveryFactory, ExecutionFactory, NodeRunFactory, VersionFactory, WorkflowFactory

pytestmark = pytest.mark.django_db


class TestPage:
    def test_shows_the_state_of_each_node_in_the_picture(self, browser):
        execution = ExecutionFactory(leased=True)
        NodeRunFactory(execution=execution)

        page = open_page(browser, execution)

        assert "Start (trigger): completed; End (output): pending" in page
        assert '<svg xmlns="http://www.w3.org/2000/svg" class="segue-graph"' in page

    def test_a_live_one_keeps_itself_up_to_date_from_what_it_shows_on(self, browser):
        execution = ExecutionFactory(leased=True)
        NodeRunFactory(execution=execution)

        page = open_page(browser, execution)

        script = re.search(r'<script src="[^"]+segue/live.js" data-events="([^"]+)" data-after="([^"]+)" defer>', page)
        assert script[1] == reverse("execution-events", args=[execution.pk])
        told = Reader(execution.pk, Position.from_id(script[2])).look()
        assert [event.kind for event in told] == ["execution"]
        assert 'id="sg-answers" hidden' in page

    def test_one_that_has_ended_does_not(self, browser):
        assert "live.js" not in open_page(browser, ExecutionFactory(ended=True))

    def test_has_the_parts_that_the_script_shows_anew(self, browser):
        source = Path(finders.find("segue/live.js")).read_text()
        parts = re.findall(r'"([.#]sg-[a-z]+)"', source)
        page = open_page(browser, ExecutionFactory(leased=True))

        assert len(parts) == 6
        for part in parts:
            name = part[1:]
            assert re.search(rf'id="{name}"' if part[0] == "#" else rf'class="[^"]*\b{name}\b', page), part

    def test_says_why_it_failed(self, browser):
        execution = ExecutionFactory(failed=True, error={"code": "x", "message": "Node `charge` failed: no funds."})

        assert "Node `charge` failed: no funds." in open_page(browser, execution)

    def test_says_what_it_waits_for_and_until_when(self, browser):
        execution = ExecutionFactory(waiting=True, blocked_detail="Waits for `nap`.", created_at=timezone.now())

        page = open_page(browser, execution)

        assert WAITS_FOR[BlockedOn.TIMER] in page
        assert "Waits for `nap`." in page
        assert f"Goes on at {execution.wake_at:%Y-%m-%d %H:%M:%S} UTC (in 59" in page

    def test_leads_to_its_parent_its_children_and_its_error_workflow(self, browser):
        parent = ExecutionFactory(failed=True)
        child = ExecutionFactory(parent=parent, is_waited_for=True, workflow_version__workflow__name="Bill")
        told = ExecutionFactory(failure_of=parent, workflow_version__workflow__name="Tell us")

        page = open_page(browser, parent)

        assert f'{url("change", WorkflowExecution, child.pk)}">Bill</a> (pending)' in page
        assert f'{url("change", WorkflowExecution, told.pk)}">Tell us</a> (pending)' in page
        assert f"{parent.pk}</a>, which waits for it" in open_page(browser, child)
        assert "Told of the end of" in open_page(browser, told)

    def test_lists_the_node_runs_with_the_beginnings_of_what_went_in_and_out(self, browser):
        execution = ExecutionFactory(ended=True)
        run = NodeRunFactory(execution=execution, input_data={"order": 17}, output_data=["x" * 5000], duration_ms=12)

        page = open_page(browser, execution)

        assert url("change", type(run), run.pk) in page
        assert "{&quot;order&quot;: 17}" in page
        assert "12 ms" in page
        assert "x" * 100 in page
        assert "x" * 200 not in page

    def test_shows_a_failed_attempt_with_its_error(self, browser):
        execution = ExecutionFactory(leased=True)
        NodeRunFactory(execution=execution, status="failed", ports=[], wake_at=NOON, error={"message": "503 <b>"})

        page = open_page(browser, execution)

        assert "503 &lt;b&gt;" in page
        assert "Tried again at 12:00:00." in page

    def test_shows_so_many_node_runs_and_where_the_others_are(self, browser):
        execution = ExecutionFactory(leased=True)
        for attempt in range(1, MOST_NODE_RUNS + 2):
            NodeRunFactory(execution=execution, attempt=attempt, status="failed", ports=[])

        page = open_page(browser, execution)

        assert f"The first {MOST_NODE_RUNS} are shown." in page
        assert f"?execution__id__exact={execution.pk}" in page

    def test_lists_those_of_one_node_in_one_pass(self, browser):
        execution = ExecutionFactory(leased=True)
        runs = [
            NodeRunFactory(execution=execution, node_id=node, iteration=path) for node in "ab" for path in ("3", "4")
        ]

        def listed(**asked):
            page = browser.get(url("change", WorkflowExecution, execution.pk), asked).content.decode()
            return [run for run in runs if url("change", type(run), run.pk) in page]

        assert listed() == runs
        assert listed(node="a", iteration="4") == [runs[1]]
        assert listed(node="b") == runs[2:]
        assert listed(iteration="5") == []

    @pytest.mark.parametrize("asked", [{"iteration": "x"}, {"iteration": "3."}, {"node": "\x00"}, {"node": "x" * 65}])
    def test_says_that_a_question_makes_no_sense(self, browser, asked):
        run = NodeRunFactory()

        page = browser.get(url("change", WorkflowExecution, run.execution_id), asked)

        assert page.status_code == 200
        assert "sg-error" in page.content.decode()

    def test_leads_on_to_the_list_of_what_was_asked_for(self, browser):
        execution = ExecutionFactory(leased=True)
        for number in range(MOST_NODE_RUNS + 1):
            NodeRunFactory(execution=execution, node_id="weigh", iteration=f"{number}")

        page = browser.get(url("change", WorkflowExecution, execution.pk), {"node": "weigh"}).content.decode()
        listed = browser.get(
            url("changelist", WorkflowExecutionLog), {"execution__id__exact": execution.pk, "node_id": "weigh"}
        )

        assert f"?execution__id__exact={execution.pk}&amp;node_id=weigh" in page
        assert listed.context["cl"].result_count == MOST_NODE_RUNS + 1

    def test_says_of_a_node_run_which_pass_it_was_what_it_waits_for_and_what_it_took_over(self, browser):
        execution = ExecutionFactory(leased=True)
        source = NodeRunFactory()
        NodeRunFactory(execution=execution, iteration="3.1", running=True, waits_for="timer", wake_at=NOON)
        NodeRunFactory(execution=execution, node_id="early", reused_from=source.pk)

        page = open_page(browser, execution)

        assert "<td>3.1</td>" in page
        assert "waits: timer until 2026-03-04 12:00:00" in page
        assert url("change", type(source), source.pk) in page

    def test_shows_how_far_a_loop_has_come(self, browser):
        raw = definition("start > each", each=loop({"items": "{{ input }}"}, "weigh"))
        execution = ExecutionFactory(leased=True, workflow_version__definition=raw)
        state = {"next": 3, "open": [2], "succeeded": 1, "failed": 1, "total": 7, "accumulator": None, "stopped": False}
        NodeRunFactory(execution=execution, node_id="each", node_type="loop", running=True, state=state)

        assert "2 of 7 passes · 1 failed" in open_page(browser, execution)

    def test_leads_to_the_executions_that_it_waits_for(self, browser):
        execution = ExecutionFactory(waiting=True, blocked_on="callback", wake_at=None)
        child = ExecutionFactory(workflow_version=execution.workflow_version, parent=execution, is_waited_for=True)

        page = open_page(browser, execution)

        assert "Until these end:" in page
        assert page.index("Until these end:") < page.index(url("change", WorkflowExecution, child.pk))

    def test_leads_to_those_that_are_in_its_way_and_says_when_there_are_more(self, browser):
        limited = {"workflow_version": VersionFactory(), "concurrency_key": ""}
        execution = ExecutionFactory(**limited, blocked_on="concurrency", wake_at=None)
        for _ in range(MOST_BLOCKERS + 1):
            ExecutionFactory(**limited, leased=True)

        assert " and more." in open_page(browser, execution)

    def test_costs_the_same_number_of_queries_however_many_node_runs_there_are(self, browser):
        def queries(execution: WorkflowExecution) -> int:
            with CaptureQueriesContext(connection) as captured:
                open_page(browser, execution)
            return len(captured)

        few, many = ExecutionFactory(ended=True), ExecutionFactory(ended=True)
        NodeRunFactory(execution=few)
        for attempt in range(1, 15):
            NodeRunFactory(execution=many, attempt=attempt, status="failed", ports=[])
            for column in ("parent", "rerun_of", "failure_of"):
                ExecutionFactory(workflow_version=many.workflow_version, **{column: many})
        queries(few)

        assert queries(few) == queries(many)

    def test_reads_no_more_than_the_beginnings_of_what_node_runs_took_and_gave(self, browser):
        run = NodeRunFactory(execution=ExecutionFactory(ended=True), output_data={"a": 1})

        with CaptureQueriesContext(connection) as captured:
            open_page(browser, run.execution)

        (reading,) = [query["sql"] for query in captured if "output_excerpt" in query["sql"]]
        assert reading.count('"workflow_execution_logs"."output_data"') == 1
        assert reading.count('"workflow_execution_logs"."input_data"') == 1

    def test_leads_to_what_it_runs_again_and_what_ran_it_again(self, browser):
        first = ExecutionFactory(ended=True)
        again = ExecutionFactory(ended=True, rerun_of=first, workflow_version=first.workflow_version)

        assert url("change", WorkflowExecution, again.pk) in open_page(browser, first)
        assert url("change", WorkflowExecution, first.pk) in open_page(browser, again)

    @pytest.mark.parametrize("column", ["parent", "failure_of"])
    def test_leads_to_what_started_it_and_to_what_it_started(self, browser, column):
        above = ExecutionFactory(ended=True)
        below = ExecutionFactory(ended=True, workflow_version=above.workflow_version, **{column: above})

        assert url("change", WorkflowExecution, below.pk) in open_page(browser, above)
        assert url("change", WorkflowExecution, above.pk) in open_page(browser, below)

    def test_says_from_where_it_was_run_again_and_what_was_taken_over(self, browser):
        first = ExecutionFactory(ended=True)
        context = {"trigger": {}, "node_id": "start", "rerun_from": {"node_id": "charge", "iteration": "3"}}
        again = ExecutionFactory(
            ended=True, rerun_of=first, workflow_version=first.workflow_version, execution_context=context
        )
        original = NodeRunFactory(execution=first)
        copy = NodeRunFactory(execution=again, reused_from=original.pk, input_data={"is_edited": True})

        page = open_page(browser, again)

        assert "from <code>charge</code>, pass 3" in page
        assert "taken over" in page
        assert url("change", type(copy), original.pk) in open_page(browser, copy)

    def test_leads_to_the_delivery_that_started_it(self, browser):
        delivery = DeliveryFactory()

        assert url("change", type(delivery), delivery.pk) in open_page(browser, delivery.execution)

    def test_shows_what_it_can_of_a_version_that_is_no_definition(self, browser):
        execution = ExecutionFactory(workflow_version__definition={"nodes": "none"}, execution_context={})

        assert "This workflow has no nodes yet." in open_page(browser, execution)


class TestWhy:
    @pytest.mark.parametrize("reason", BlockedOn)
    def test_there_is_a_sentence_for_everything_that_an_execution_can_wait_for(self, reason):
        execution = ExecutionFactory.build(workflow_version=None, workflow=None, project=None, workflow_name="")
        execution.blocked_on, execution.wake_at = reason, None

        assert why(execution, now=NOON) == [WAITS_FOR[reason]]

    def test_says_how_far_away_its_turn_is(self):
        waiting = {"blocked_on": "concurrency", "concurrency_key": "acme", "wake_at": None}
        first = ExecutionFactory(**waiting | {"blocked_detail": "At most 1 may."})

        assert why(first, now=NOON) == [
            WAITS_FOR[BlockedOn.CONCURRENCY],
            "At most 1 may.",
            "0 are under way now, and 0 wait before it.",
        ]

    def test_names_the_worker_that_has_it(self):
        execution = WorkflowExecution(
            status="running", lease_owner="worker-7", lease_expires_at=NOON + timedelta(seconds=9)
        )

        assert why(execution, now=NOON) == ["Worker worker-7 has it."]

    def test_says_that_the_worker_that_had_it_was_lost(self):
        execution = WorkflowExecution(status="running", lease_owner="w", lease_expires_at=NOON - timedelta(seconds=3))

        (told,) = why(execution, now=NOON)

        assert told == (
            "Worker w had it and was lost: its lease ran out at 2026-03-04 11:59:57 UTC (3 s ago). Another worker takes it over."
        )

    @pytest.mark.parametrize("reason", ["timer", "retry", "callback"])
    def test_what_is_due_waits_for_a_worker_whatever_it_waited_for(self, reason):
        execution = WorkflowExecution(status="running", blocked_on=reason, wake_at=NOON - timedelta(seconds=1))

        assert why(execution, now=NOON)[0] == WAITS_FOR[BlockedOn.QUEUE]

    def test_says_where_to_look_when_nobody_takes_it(self):
        execution = WorkflowExecution(status="pending", blocked_on="queue", wake_at=NOON - timedelta(minutes=2))

        assert "see under Operations whether workers run" in why(execution, now=NOON)[-1]

    def test_says_since_when_it_is_due(self):
        execution = WorkflowExecution(status="pending", blocked_on="queue", wake_at=NOON - timedelta(seconds=20))

        assert why(execution, now=NOON)[-1] == "Due since 2026-03-04 11:59:40 UTC (20 s ago)."

    @pytest.mark.parametrize("error", [None, {}, [], "text", {"message": None}])
    def test_an_end_without_a_reason_says_so(self, error):
        assert why(WorkflowExecution(status="failed", error=error), now=NOON) == ["It did not say why."]

    def test_an_execution_that_completed_needs_no_reason(self):
        assert why(WorkflowExecution(status="completed"), now=NOON) == []


class TestCancel:
    def test_ends_a_live_execution_and_writes_down_who_did_it(self, browser, superuser):
        execution = ExecutionFactory(leased=True)

        told = press(browser, execution, "cancel")

        execution.refresh_from_db()
        assert execution.status == ExecutionStatus.CANCELLED
        assert told == [f"{execution}: cancelled."]
        entry = AuditEntry.objects.get(action="execution.cancelled")
        assert (entry.actor, entry.target_id) == (superuser, str(execution.pk))

    def test_says_of_each_what_happened(self, browser):
        live = ExecutionFactory()
        over = ExecutionFactory(ended=True)

        told = choose(browser, "cancel", live, over)

        assert told == [
            f"{live}: cancelled.",
            f"{over}: Execution {over.pk} cannot become cancelled: it has ended or moved on.",
        ]

    def test_a_fault_of_ours_is_a_message_and_does_not_stop_the_others(self, browser, monkeypatch, caplog):
        version = VersionFactory()
        broken, whole = ExecutionFactory(workflow_version=version), ExecutionFactory(workflow_version=version)
        from executions import services

        original = services.cancel_execution

        def cancel(execution, **named):
            if execution.pk == broken.pk:
                raise ZeroDivisionError
            return original(execution, **named)

        monkeypatch.setattr(services, "cancel_execution", cancel)

        told = choose(browser, "cancel", broken, whole)

        assert f"{broken}: it failed for a reason that is in the log of this server." in told
        assert f"{whole}: cancelled." in told
        assert "An action of the admin failed." in caplog.text

    def test_tells_of_the_first_and_counts_the_others(self, browser):
        version = VersionFactory()
        executions = [ExecutionFactory(workflow_version=version) for _ in range(13)]

        told = choose(browser, "cancel", *executions)

        assert len(told) == 11
        assert told[-1] == "And 3 more likewise."

    def test_too_many_at_once_are_refused(self, browser, monkeypatch):
        from projects.backoffice import actions

        monkeypatch.setattr(actions, "MOST_AT_ONCE", 2)
        version = VersionFactory()
        executions = [ExecutionFactory(workflow_version=version) for _ in range(3)]

        assert choose(browser, "cancel", *executions) == ["At most 2 at once. Nothing was done; choose fewer."]
        assert WorkflowExecution.objects.live().count() == 3


class TestRerun:
    def test_starts_a_new_execution_and_leads_to_it(self, browser):
        execution = ExecutionFactory(ended=True)

        (told,) = press(browser, execution, "rerun")

        again = execution.reruns.get()
        assert again.status == ExecutionStatus.PENDING
        assert url("change", WorkflowExecution, again.pk) in told

    def test_on_the_newest_version_if_that_is_asked_for(self, browser):
        workflow = WorkflowFactory(published=True)
        execution = ExecutionFactory(ended=True, workflow_version=workflow.versions.get())
        newest = VersionFactory(workflow=workflow, number=2)
        type(workflow).objects.filter(pk=workflow.pk).update(version=2)

        press(browser, execution, "rerun_newest")

        assert execution.reruns.get().workflow_version == newest

    def test_a_live_one_is_not_run_again(self, browser):
        execution = ExecutionFactory()

        (told,) = press(browser, execution, "rerun")

        assert "is still pending" in told
        assert not execution.reruns.exists()


class TestRerunFrom:
    def asked(self, **answers):
        return {"confirmed": "1", "from_node": "", "iteration": "", "version": "", "input": "", "outputs": ""} | answers

    def test_asks_from_where_and_with_what(self, browser):
        response = browser.post(url("act", WorkflowExecution, ExecutionFactory(ended=True).pk, "rerun_from"))

        page = response.content.decode()
        assert response.status_code == 200
        assert all(f'name="{name}"' in page for name in ("from_node", "iteration", "version", "input", "outputs"))

    def test_runs_again_from_a_node_with_other_outputs(self, browser):
        workflow = WorkflowFactory(published=True, definition=definition("start > a > end"))
        execution = ExecutionFactory(ended=True, workflow_version=workflow.versions.get())
        for node_id in ("start", "a", "end"):
            NodeRunFactory(execution=execution, node_id=node_id, node_type="trigger" if node_id == "start" else "delay")

        (told,) = press(
            browser, execution, "rerun_from", **self.asked(from_node="end", outputs='{"a": 7}', input='{"n": 1}')
        )

        again = execution.reruns.get()
        assert url("change", WorkflowExecution, again.pk) in told
        assert again.execution_context["trigger"] == {"n": 1}
        assert dict(again.node_runs.values_list("node_id", "output_data")) == {"start": {"n": 1}, "a": 7}

    def test_says_all_that_is_wrong(self, browser):
        execution = ExecutionFactory(ended=True)

        (told,) = press(browser, execution, "rerun_from", **self.asked(from_node="nope", version="7", iteration="1"))

        assert "/version: The workflow has no version 7." in told
        assert not execution.reruns.exists()

    def test_outputs_that_are_no_object_are_asked_for_again(self, browser):
        execution = ExecutionFactory(ended=True)

        response = browser.post(
            url("act", WorkflowExecution, execution.pk, "rerun_from"), self.asked(from_node="end", outputs="[1]")
        )

        assert "It is an object" in response.content.decode()
        assert not execution.reruns.exists()


class TestOffered:
    def test_a_live_execution_can_be_cancelled(self, browser):
        assert offered(open_page(browser, ExecutionFactory())) == ["cancel"]

    def test_an_ended_one_can_be_run_again(self, browser):
        assert offered(open_page(browser, ExecutionFactory(ended=True))) == [
            "rerun",
            "rerun_newest",
            "rerun_from",
        ]

    def test_whoever_may_change_executions_in_django_s_words_may_use_the_buttons(self, staff):
        execution = ExecutionFactory()
        client = staff("executions.view_workflowexecution", "executions.change_workflowexecution")

        assert press(client, execution, "cancel") == [f"{execution}: cancelled."]


class TestSearch:
    def found(self, browser, term: str) -> set[str]:
        response = browser.get(url("changelist", WorkflowExecution), {"q": term})
        return {str(execution.pk) for execution in response.context["cl"].result_list}

    def test_finds_an_execution_by_its_id(self, browser):
        wanted, _ = ExecutionFactory(), ExecutionFactory()

        assert self.found(browser, f" {wanted.pk} ") == {str(wanted.pk)}

    def test_finds_the_executions_of_a_workflow_by_its_id_and_by_its_name(self, browser):
        wanted, _ = ExecutionFactory(workflow_version__workflow__name="Parcels"), ExecutionFactory()

        assert self.found(browser, str(wanted.workflow_id)) == {str(wanted.pk)}
        assert self.found(browser, "parc") == {str(wanted.pk)}
        assert self.found(browser, "letters") == set()

    def test_finds_node_runs_by_their_execution(self, browser):
        wanted, _ = NodeRunFactory(), NodeRunFactory()

        response = browser.get(url("changelist", type(wanted)), {"q": str(wanted.execution_id)})

        assert list(response.context["cl"].result_list) == [wanted]
        assert not browser.get(url("changelist", type(wanted)), {"q": "start"}).context["cl"].result_list


class TestNodeRunPage:
    def test_leads_to_the_execution_that_it_has_started_and_to_what_it_took_over(self, browser):
        source = NodeRunFactory()
        run = NodeRunFactory(reused_from=source.pk)
        child = ExecutionFactory(parent=run.execution, parent_node_run_id=run.pk)

        page = open_page(browser, run)

        assert url("change", WorkflowExecution, child.pk) in page
        assert url("change", type(source), source.pk) in page

    def test_says_that_what_it_took_over_is_deleted(self, browser):
        run = NodeRunFactory(reused_from="01890000-0000-7000-8000-000000000000")

        assert "01890000-0000-7000-8000-000000000000 (deleted)" in open_page(browser, run)

    def test_shows_how_far_a_scope_is_and_what_was_answered(self, browser):
        run = NodeRunFactory(running=True, state={"next": 41}, answer={"output": "yes, do"}, waits_for="approval")

        page = open_page(browser, run)

        assert "&quot;next&quot;: 41" in page
        assert "yes, do" in page
        assert "Approval" in page

    def test_a_list_of_many_costs_as_many_queries_as_one_of_few_and_reads_nothing_large(self, browser):
        def listed(number: int) -> list[str]:
            execution = ExecutionFactory(leased=True)
            WorkflowExecutionLog.objects.bulk_create(
                NodeRunFactory.build(execution=execution, iteration=str(at), output_data="x") for at in range(number)
            )
            with CaptureQueriesContext(connection) as captured:
                page = browser.get(url("changelist", WorkflowExecutionLog), {"execution__id__exact": execution.pk})
            assert page.context["cl"].result_count == number
            return [query["sql"] for query in captured]

        few, many = listed(3), listed(2_000)

        assert len(few) == len(many)
        assert not any('"output_data"' in sql or '"state"' in sql for sql in many)
