"""Executions over the API."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import WorkflowExecution
from tests.builders import definition, loop
from tests.clock import NOON
from tests.factories import ExecutionFactory, NodeRunFactory, VersionFactory, WorkflowFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow(project):
    return WorkflowFactory(project=project, published=True)


@pytest.fixture
def version(project):
    return VersionFactory(workflow__project=project)


class TestTry:
    def test_runs_the_draft_and_says_that_it_has_no_number(self, api, workflow):
        answer = api("editor").post(f"/api/workflows/{workflow.pk}/test/", {"input": {"n": 1}, "wait_seconds": 5})

        assert (answer.status_code, answer.data["status"]) == (201, "completed")
        assert (answer.data["is_test"], answer.data["version"]) == (True, None)

    def test_lists_can_leave_tests_out(self, api, workflow):
        api("editor").post(f"/api/workflows/{workflow.pk}/test/", {})

        client = api("viewer")
        assert client.get("/api/executions/?is_test=false").data["results"] == []
        assert len(client.get("/api/executions/?is_test=true").data["results"]) == 1

    @pytest.mark.parametrize(
        "asked",
        [
            "executions/?is_test",
            "approvals/?open",
            "conversations/?is_test",
            "triggers/?is_active",
            "workflows/?include_archived",
            "templates/?featured",
        ],
    )
    def test_a_filter_that_is_neither_true_nor_false_does_not_answer_with_everything(self, api, asked):
        client = api("viewer")

        refused = [client.get(f"/api/{asked}={mistake}") for mistake in ("1", "2", "maybe")]

        assert [(answer.status_code, answer.data["message"]) for answer in refused] == [
            (400, "This is true or false.")
        ] * 3
        assert [client.get(f"/api/{asked}={word}").status_code for word in ("true", "False", "")] == [200] * 3


class TestRun:
    def test_starts_the_newest_version(self, api, workflow):
        answer = api("operator").post(f"/api/workflows/{workflow.pk}/run/", {"input": {"n": 1}})

        assert answer.status_code == 201, answer.content
        execution = WorkflowExecution.objects.get(pk=answer.data["id"])
        assert execution.execution_context == {"trigger": {"n": 1}, "node_id": "start"}
        assert execution.started_by.username

    def test_answers_with_the_end_of_an_execution_of_pure_nodes(self, api, workflow):
        answer = api("operator").post(f"/api/workflows/{workflow.pk}/run/", {"wait_seconds": 5})

        assert (answer.status_code, answer.data["status"]) == (201, "completed")

    def test_answers_202_when_it_has_not_ended_in_the_time_that_was_to_be_waited(self, settings, api, workflow):
        settings.ENGINE_IN_PLACE = False
        answer = api("operator").post(f"/api/workflows/{workflow.pk}/run/", {"wait_seconds": 1})

        assert answer.status_code == 202
        assert answer.data["status"] == "pending"

    def test_tells_a_project_that_starts_too_much_when_to_come_again(self, api, workflow, settings):
        """[S-DOS-1, S-API-2]"""
        settings.PROJECT_STARTS_PER_SECOND, settings.PROJECT_STARTS_AT_ONCE = 1, 2
        client, url = api("operator"), f"/api/workflows/{workflow.pk}/run/"

        *_, refused = [client.post(url, {}) for _ in range(3)]

        assert (refused.status_code, refused["Retry-After"]) == (429, "1")
        assert refused.json() == {
            "code": "too_many_starts",
            "message": "This project starts executions too often: 1 a second are allowed.",
        }
        assert WorkflowExecution.objects.count() == 2

    def test_the_same_start_again_is_no_start(self, api, workflow, settings):
        settings.PROJECT_MAX_LIVE = 1
        client, url = api("operator"), f"/api/workflows/{workflow.pk}/run/"

        answers = [client.post(url, {"idempotency_key": key}).status_code for key in ("a", "a", "b")]

        assert answers == [201, 201, 429]

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"inputs": {}}, "/inputs"),
            ({"wait_seconds": "long"}, "/wait_seconds"),
            ({"wait_seconds": 61}, "/wait_seconds"),
            ({"trigger": 7 * [1]}, "/trigger"),
            ({"trigger": "nope"}, "/trigger"),
            ({"idempotency_key": "x" * 256}, "/idempotency_key"),
        ],
    )
    def test_says_what_is_wrong(self, api, workflow, body, path):
        answer = api("operator").post(f"/api/workflows/{workflow.pk}/run/", body)

        assert answer.status_code == 400
        assert path in json.dumps(answer.json())
        assert not WorkflowExecution.objects.exists()

    def test_a_workflow_that_is_switched_off_is_a_conflict(self, api, project):
        disabled = WorkflowFactory(project=project, disabled=True)

        answer = api("operator").post(f"/api/workflows/{disabled.pk}/run/", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "not_runnable")


class TestList:
    def test_narrowed_by_status_it_does_not_sort_what_it_will_not_show(self, api, version):
        ExecutionFactory(workflow_version=version, failed=True)
        viewer = api("viewer")

        with CaptureQueriesContext(connection) as asked:
            answer = viewer.get("/api/executions/", {"status": ["failed", "timeout"]})

        assert len(answer.json()["results"]) == 1
        assert not [query["sql"] for query in asked if "DISTINCT" in query["sql"]]

    def test_can_be_narrowed_by_status_time_and_what_started_it(self, api, version):
        wanted = ExecutionFactory(workflow_version=version, failed=True, triggered_by="schedule")
        ExecutionFactory(workflow_version=version, ended=True)

        for query in ("status=failed", "triggered_by=schedule", f"workflow={version.workflow_id}&status=failed"):
            answer = api("viewer").get(f"/api/executions/?{query}&created_before=2026-03-05T00:00:00Z")
            assert [row["id"] for row in answer.data["results"]] == [str(wanted.pk)], query

    def test_can_be_narrowed_to_what_one_has_started(self, api, version):
        parent = ExecutionFactory(workflow_version=version, failed=True)
        child = ExecutionFactory(workflow_version=version, parent=parent, depth=1)
        told = ExecutionFactory(workflow_version=version, failure_of=parent)

        for query, wanted in ((f"parent={parent.pk}", child), (f"failure_of={parent.pk}", told)):
            (row,) = api("viewer").get(f"/api/executions/?{query}").data["results"]
            assert (row["id"], row["depth"]) == (str(wanted.pk), wanted.depth)
            assert (row["parent"], row["failure_of"]) == (wanted.parent_id, wanted.failure_of_id)

    @pytest.mark.parametrize(
        "query",
        [
            "status=nope",
            "workflow=7",
            "created_after=yesterday",
            "project=x'--",
            "created_after=9999-12-31T23:59:59-23:59",
            "created_before=0001-01-01T00:00:00%2B23:59",
            "page_size=0",
            "page_size=x",
            "page_size=-5",
        ],
    )
    def test_refuses_filters_that_make_no_sense(self, api, query):
        assert api("viewer").get(f"/api/executions/?{query}").status_code == 400

    @pytest.mark.parametrize("path", ["/api/executions/", "/api/executions/{execution}/node-runs/"])
    def test_asks_as_many_queries_for_one_row_as_for_twenty(self, api, version, path):
        client = api("viewer")
        execution = ExecutionFactory(workflow_version=version)
        NodeRunFactory(execution=execution)
        path = path.format(execution=execution.pk)
        with_one = self.queries(client, path)

        ExecutionFactory.create_batch(19, workflow_version=version)
        for number in range(19):
            NodeRunFactory(execution=execution, node_id=f"node_{number}")

        assert self.queries(client, path) == with_one

    def queries(self, client, path):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)


class TestDetail:
    def test_shows_what_went_in_and_why_it_does_not_move(self, api, version):
        execution = ExecutionFactory(workflow_version=version, waiting=True, blocked_detail="Waits for `nap`.")

        shown = api("viewer").get(f"/api/executions/{execution.pk}/").json()

        assert (shown["blocked_on"], shown["blocked_detail"]) == ("timer", "Waits for `nap`.")
        assert shown["execution_context"] == {"trigger": {}, "node_id": "start"}

    def test_lists_its_node_runs_in_order(self, api, version):
        execution = ExecutionFactory(workflow_version=version)
        for node_id in ("start", "middle", "end"):
            NodeRunFactory(execution=execution, node_id=node_id)

        shown = api("viewer").get(f"/api/executions/{execution.pk}/node-runs/").json()

        assert [run["node_id"] for run in shown["results"]] == ["start", "middle", "end"]


class TestCancel:
    def test_stops_a_live_one(self, api, version):
        execution = ExecutionFactory(workflow_version=version)

        answer = api("operator").post(f"/api/executions/{execution.pk}/cancel/", {"reason": "Enough."})

        assert (answer.status_code, answer.data["status"]) == (200, "cancelled")

    def test_an_ended_one_is_a_conflict(self, api, version):
        execution = ExecutionFactory(workflow_version=version, ended=True, completed_at=NOON)

        answer = api("operator").post(f"/api/executions/{execution.pk}/cancel/", {})

        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


class TestRerun:
    def test_makes_a_new_one_that_knows_where_it_comes_from(self, api, version):
        execution = ExecutionFactory(workflow_version=version, failed=True)

        answer = api("operator").post(f"/api/executions/{execution.pk}/rerun/", {})

        assert answer.status_code == 201
        assert str(answer.data["rerun_of"]) == str(execution.pk)

    def test_runs_from_a_node_with_what_came_before_taken_over(self, api, version):
        execution = ExecutionFactory(workflow_version=version, failed=True)
        original = NodeRunFactory(execution=execution, output_data={"n": 1})
        NodeRunFactory(execution=execution, node_id="end", node_type="output", status="failed", ports=[])

        answer = api("operator").post(f"/api/executions/{execution.pk}/rerun/", {"from_node": "end"})

        assert answer.status_code == 201, answer.content
        assert answer.data["execution_context"]["rerun_from"] == {"node_id": "end", "iteration": ""}
        (copy,) = api("viewer").get(f"/api/executions/{answer.data['id']}/node-runs/").data["results"]
        assert (copy["node_id"], copy["reused_from"], copy["is_edited"]) == ("start", str(original.pk), False)

    def test_marks_what_was_taken_over_with_another_output(self, api, version):
        execution = ExecutionFactory(workflow_version=version, ended=True)
        NodeRunFactory(execution=execution)

        answer = api("operator").post(f"/api/executions/{execution.pk}/rerun/", {"from_node": "end", "input": {"n": 2}})

        (edited,) = api("viewer").get(f"/api/executions/{answer.data['id']}/node-runs/").data["results"]
        assert (edited["output_data"], edited["is_edited"]) == ({"n": 2}, True)

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"from": "end"}, "/from"),
            ({"from_node": "x" * 65}, "/from_node"),
            ({"from_node": "nope"}, "/from_node"),
            ({"from_node": "end", "iteration": "0"}, "/iteration"),
            ({"from_node": "end", "outputs": [1]}, "/outputs"),
            ({"from_node": "end", "outputs": {"end": 1}}, "/outputs/end"),
            ({"from_node": "end", "outputs": {"start": None}}, "/outputs/start"),
            ({"version": 0}, "/version"),
            ({"version": 7}, "/version"),
            ({"version": 1, "newest": True}, "/newest"),
            ({"from_node": "\u0000"}, "/from_node"),
        ],
    )
    def test_says_what_is_wrong(self, api, version, body, path):
        execution = ExecutionFactory(workflow_version=version, ended=True)

        answer = api("operator").post(f"/api/executions/{execution.pk}/rerun/", body)

        assert answer.status_code == 400, answer.content
        assert path in json.dumps(answer.json())
        assert not execution.reruns.exists()

    def test_a_live_one_is_a_conflict(self, api, version):
        execution = ExecutionFactory(workflow_version=version)

        answer = api("operator").post(f"/api/executions/{execution.pk}/rerun/", {"from_node": "end"})

        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")

    def test_more_than_an_execution_may_hold_is_too_large(self, api, version, settings):
        settings.EXECUTION_OUTPUT_MAX_BYTES = 10
        execution = ExecutionFactory(workflow_version=version, ended=True)
        NodeRunFactory(execution=execution, output_data="x" * 20)

        answer = api("operator").post(f"/api/executions/{execution.pk}/rerun/", {"from_node": "end"})

        assert (answer.status_code, answer.json()["code"]) == (413, "execution_too_large")

    def test_a_viewer_may_not(self, api, version):
        execution = ExecutionFactory(workflow_version=version, ended=True)

        assert api("viewer").post(f"/api/executions/{execution.pk}/rerun/", {"from_node": "end"}).status_code == 403


class TestTree:
    def test_shows_what_belongs_together_and_how(self, api, version):
        root = ExecutionFactory(workflow_version=version, ended=True)
        child = ExecutionFactory(workflow_version=version, parent=root, is_waited_for=True)
        rerun = ExecutionFactory(workflow_version=version, rerun_of=root)

        shown = api("viewer").get(f"/api/executions/{child.pk}/tree/").json()

        assert (shown["root"], shown["is_cut"]) == (str(root.pk), False)
        assert [(each["execution"]["id"], each["relation"], each["above"]) for each in shown["executions"]] == [
            (str(root.pk), None, None),
            (str(child.pk), "child", str(root.pk)),
            (str(rerun.pk), "rerun", str(root.pk)),
        ]

    def test_asks_as_many_queries_for_one_execution_as_for_twenty(self, api, version):
        client = api("viewer")

        def queries(execution):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(f"/api/executions/{execution.pk}/tree/").status_code == 200
            return len(captured)

        alone, crowded = ExecutionFactory(workflow_version=version), ExecutionFactory(workflow_version=version)
        ExecutionFactory.create_batch(19, workflow_version=version, parent=crowded)

        assert queries(alone) == queries(crowded)


class TestBlockedBy:
    def blocked_by(self, api, execution):
        return [each["id"] for each in api("viewer").get(f"/api/executions/{execution.pk}/").json()["blocked_by"]]

    def test_names_the_sub_workflows_that_it_waits_for(self, api, version):
        execution = ExecutionFactory(workflow_version=version, waiting=True, blocked_on="callback")
        child = ExecutionFactory(workflow_version=version, parent=execution, is_waited_for=True)
        ExecutionFactory(workflow_version=version, parent=execution)
        ExecutionFactory(workflow_version=version, parent=execution, is_waited_for=True, ended=True)

        assert self.blocked_by(api, execution) == [str(child.pk)]

    def test_names_those_that_are_under_way_when_it_waits_for_its_turn(self, api, version):
        limited = {"workflow_version": version, "concurrency_key": "eu"}
        queued = {"blocked_on": "concurrency", "wake_at": None}
        ExecutionFactory(**limited, **queued)
        execution = ExecutionFactory(**limited, **queued)
        held, asleep = ExecutionFactory(**limited, leased=True), ExecutionFactory(**limited, waiting=True)
        ExecutionFactory(**limited, ended=True)
        ExecutionFactory(**limited | {"concurrency_key": "us"}, leased=True)
        ExecutionFactory(concurrency_key="eu", leased=True)

        assert self.blocked_by(api, execution) == [str(held.pk), str(asleep.pk)]

    @pytest.mark.parametrize("state", [{}, {"leased": True}, {"ended": True}, {"waiting": True}])
    def test_is_empty_when_it_waits_for_no_other(self, api, version, state):
        assert self.blocked_by(api, ExecutionFactory(workflow_version=version, **state)) == []


class TestNodes:
    def test_says_what_has_become_of_each_node(self, api, version):
        execution = ExecutionFactory(workflow_version=version, leased=True)
        NodeRunFactory(execution=execution)

        assert api("viewer").get(f"/api/executions/{execution.pk}/nodes/").json() == [
            {"node_id": "start", "state": "completed", "counts": {}, "passes": None},
            {"node_id": "end", "state": "pending", "counts": {}, "passes": None},
        ]

    def test_says_how_far_a_scope_is_and_what_its_passes_came_to(self, api, project):
        raw = definition("start > each", each=loop({"items": "{{ input }}"}, "weigh"))
        execution = ExecutionFactory(
            leased=True, workflow_version__workflow__project=project, workflow_version__definition=raw
        )
        state = {"next": 3, "open": [2], "succeeded": 1, "failed": 1, "total": 7, "accumulator": None, "stopped": False}
        NodeRunFactory(execution=execution, node_id="each", node_type="loop", running=True, state=state)
        NodeRunFactory(execution=execution, node_id="weigh", node_type="delay", iteration="0")
        NodeRunFactory(
            execution=execution, node_id="weigh", node_type="delay", iteration="1", status="failed", ports=[]
        )

        _, each, weigh = api("viewer").get(f"/api/executions/{execution.pk}/nodes/").json()

        assert each["passes"] == {"succeeded": 1, "failed": 1, "open": 1, "total": 7}
        assert (weigh["state"], weigh["counts"]) == ("failed", {"failed": 1, "completed": 1})


class TestGraph:
    def test_is_a_picture_with_the_state_of_each_node(self, api, version):
        execution = ExecutionFactory(workflow_version=version, leased=True)
        NodeRunFactory(execution=execution)

        answer = api("viewer").get(f"/api/executions/{execution.pk}/graph/")

        assert answer["Content-Type"] == "image/svg+xml; charset=utf-8"
        assert answer["Content-Security-Policy"].startswith("sandbox")
        assert "Start (trigger): completed; End (output): pending" in answer.content.decode()


class TestNodeRunsOfScopes:
    @pytest.fixture
    def execution(self, version):
        execution = ExecutionFactory(workflow_version=version, leased=True)
        for iteration in ("", "3", "3.0", "3.1", "30"):
            NodeRunFactory(execution=execution, node_id="weigh", iteration=iteration)
        NodeRunFactory(execution=execution, node_id="weigh", iteration="4", status="failed", ports=[])
        NodeRunFactory(execution=execution, node_id="weigh", iteration="4", attempt=2)
        return execution

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("iteration=3", ["3"]),
            ("iteration=", [""]),
            ("iteration=%25", []),
            ("within=3", ["3", "3.0", "3.1"]),
            ("within=_", []),
            ("within=", ["", "3", "3.0", "3.1", "30", "4", "4"]),
            ("attempt=2", ["4"]),
            ("iteration=4&attempt=1", ["4"]),
        ],
    )
    def test_can_be_narrowed_by_pass_and_attempt(self, api, execution, query, found):
        answer = api("viewer").get(f"/api/executions/{execution.pk}/node-runs/?{query}")

        assert sorted(each["iteration"] for each in answer.json()["results"]) == found

    @pytest.mark.parametrize("query", ["attempt=0", "attempt=x", "attempt=99999999", "iteration=" + "1" * 101])
    def test_refuses_what_no_node_run_can_have(self, api, execution, query):
        assert api("viewer").get(f"/api/executions/{execution.pk}/node-runs/?{query}").status_code == 400

    def test_says_what_a_node_run_waits_for_and_how_far_a_scope_is(self, api, execution):
        state = {"next": 1, "open": [0], "succeeded": 0, "failed": 0, "total": 2, "accumulator": None, "stopped": False}
        NodeRunFactory(execution=execution, node_id="each", node_type="loop", running=True, state=state)
        NodeRunFactory(
            execution=execution, node_id="nap", node_type="delay", running=True, waits_for="timer", wake_at=NOON
        )

        def only(node_id):
            (row,) = api("viewer").get(f"/api/executions/{execution.pk}/node-runs/?node_id={node_id}").json()["results"]
            return row["state"], row["waits_for"]

        assert only("each") == (state, None)
        assert only("nap") == (None, "timer")
