"""Large outputs over the API and in the admin: what is said of them, and how they are downloaded."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing

import pytest

from tests.executions.outputs.rows import VALUE, run_with_file
from tests.executions.outputs.storages import AwayStorage, change, folder, lose, storage, use
from tests.factories import ExecutionFactory, NodeRunFactory

__all__ = ["folder", "storage"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(project):
    return run_with_file(project)


def path_of(run):
    return f"/api/executions/{run.execution_id}/node-runs/{run.pk}/"


def download(client, run, **more):
    """Return the answer, and what it brought."""
    with closing(client.get(f"{path_of(run)}output/", **more)) as answer:
        return answer, b"".join(answer.streaming_content) if answer.streaming else answer.content


class TestWhatIsSaid:
    def test_a_node_run_says_where_its_output_is(self, storage, api, settings, run):
        shown = api("viewer").get(path_of(run)).data

        assert shown["output_data"] is None
        assert shown["output_file"] == {
            "size": len(json.dumps(VALUE, ensure_ascii=False, separators=(",", ":")).encode()),
            "sha256": run.output_file_sha256,
            "url": f"{settings.WEBHOOK_BASE_URL}{path_of(run)}output/",
        }

    def test_a_node_run_with_a_small_output_shows_it(self, api, project):
        run = NodeRunFactory(execution__workflow_version__workflow__project=project, output_data={"n": 1})

        shown = api("viewer").get(path_of(run)).data

        assert (shown["output_data"], shown["output_file"]) == ({"n": 1}, None)

    def test_an_execution_says_where_its_result_is(self, storage, api, run):
        shown = api("viewer").get(f"/api/executions/{run.execution_id}/").data

        assert shown["result"] is None
        assert shown["result_file"]["url"].endswith(f"{path_of(run)}output/")

    def test_an_execution_with_a_small_result_shows_it(self, api, project):
        execution = ExecutionFactory(ended=True, workflow_version__workflow__project=project, result=7)

        shown = api("viewer").get(f"/api/executions/{execution.pk}/").data

        assert (shown["result"], shown["result_file"]) == (7, None)

    def test_lists_and_details_read_no_file(self, folder, api, run, monkeypatch):
        monkeypatch.setattr("executions.outputs.files.default_storage", _no_storage)
        execution = f"/api/executions/{run.execution_id}/"

        for path in ("/api/executions/", execution, f"{execution}node-runs/", path_of(run)):
            assert api("viewer").get(path).status_code == 200


def _no_storage():
    pytest.fail("A file was looked at.")


class TestDownload:
    def test_gives_what_was_put_out_as_a_file_that_no_browser_opens(self, storage, api, run):
        answer, body = download(api("viewer"), run)

        assert json.loads(body) == VALUE
        assert hashlib.sha256(body).hexdigest() == run.output_file_sha256
        assert {
            name: answer[name]
            for name in ("Content-Type", "Content-Disposition", "X-Content-Type-Options", "Content-Length")
        } == {
            "Content-Type": "application/json",
            "Content-Disposition": 'attachment; filename="end.json"',
            "X-Content-Type-Options": "nosniff",
            "Content-Length": str(len(body)),
        }
        assert "sandbox" in answer["Content-Security-Policy"]
        assert "no-store" in answer["Cache-Control"]

    def test_comes_in_pieces(self, folder, api, run):
        answer, _ = download(api("viewer"), run)

        assert answer.streaming

    @pytest.mark.parametrize("output", [{"n": 1}, "text", None])
    def test_gives_a_small_output_in_the_same_way(self, api, project, output):
        run = NodeRunFactory(execution__workflow_version__workflow__project=project, output_data=output)

        answer, body = download(api("viewer"), run)

        assert (answer.status_code, json.loads(body)) == (200, output)
        assert answer["Content-Disposition"] == 'attachment; filename="start.json"'

    @pytest.mark.parametrize("accept", ["text/html", "application/json", "image/png"])
    def test_whatever_is_accepted(self, folder, api, run, accept):
        answer, _ = download(api("viewer"), run, headers={"accept": accept})

        assert answer.status_code == 200

    @pytest.mark.parametrize(("who", "status"), [("nobody", 401), ("stranger", 404)])
    def test_is_for_members_alone(self, storage, api, run, who, status):
        assert api(who).get(f"{path_of(run)}output/").status_code == status

    def test_is_for_the_execution_that_the_path_names(self, storage, api, project, run):
        other = ExecutionFactory(ended=True, workflow_version__workflow__project=project)

        assert api("viewer").get(f"/api/executions/{other.pk}/node-runs/{run.pk}/output/").status_code == 404

    @pytest.mark.parametrize(("spoil", "says"), [(lose, "is not there any more"), (change, "does not hold any more")])
    def test_of_a_lost_or_changed_file_is_an_error_that_says_what_to_do(self, storage, api, run, spoil, says):
        spoil(run.output_file)

        answer = api("viewer").get(f"{path_of(run)}output/")

        assert (answer.status_code, answer.data["code"]) == (410, "output_lost")
        assert says in answer.data["message"]
        assert "backup" in answer.data["hint"]

    def test_of_a_storage_that_is_away_can_be_tried_again(self, settings, tmp_path, api, monkeypatch, request):
        monkeypatch.setattr("executions.outputs.files.PATIENCE", ())
        use(settings, tmp_path, AwayStorage)
        run = request.getfixturevalue("run")
        AwayStorage.refusals = 1

        answer = api("viewer").get(f"{path_of(run)}output/")

        assert (answer.status_code, answer.data["code"]) == (503, "storage_failed")
