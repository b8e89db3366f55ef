"""Reruns of executions with large outputs: they share the files, which are there as long as anybody names them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from executions import retention, services
from executions.engine.clock import database_now
from executions.exceptions import OutputNotKept
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.outputs import files
from tests.builders import definition, loop, node
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker
from tests.executions.outputs.storages import RefusingStorage, forget, stored, use
from tests.executions.outputs.storages import storage as storage

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = {"text": "x" * 600, "n": 7}
CHAIN = definition(
    "start > big > end",
    big=node("transform", {"value": ["{{ input }}"], "steps": [{"operation": "limit", "count": 1}]}),
    end=node("output", {"value": "{{ input[0] }}"}),
)


@pytest.fixture(autouse=True)
def _small_rows(settings):
    settings.NODE_OUTPUT_INLINE_MAX_BYTES = 500
    forget()


def first(worker, raw=CHAIN, value=LARGE):
    return carry(worker, start(raw, value))


def rerun(worker, execution, **asked):
    forget()
    return carry(worker, services.rerun_execution(execution, by=None, now=timezone.now(), **asked))


def file_of(execution, node_id):
    return execution.node_runs.get(node_id=node_id).output_file


def remove(execution):
    """Let the clean-up remove an execution."""
    now = database_now()
    WorkflowExecution.objects.filter(pk=execution.pk).update(completed_at=now - timedelta(days=31))
    assert retention.clean_up(days=30, now=now).executions == 1
    forget()


class TestTakenOver:
    def test_names_the_same_file_and_counts_its_bytes(self, worker, storage):
        execution = first(worker)

        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="end")

        assert file_of(again, "big") == file_of(execution, "big")
        sizes = again.node_runs.values_list("output_file_bytes", flat=True)
        assert again.output_bytes == sum(sizes) > 1200

    def test_comes_back_after_the_first_execution_was_removed(self, worker, storage):
        execution = first(worker)
        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="end")
        remove(execution)

        carry(worker, again)

        assert again.status == "completed", again.error
        assert services.result_of(again) == LARGE

    def test_goes_with_the_last_that_names_it(self, worker, storage):
        execution = first(worker)
        again = rerun(worker, execution, from_node="end")
        shared = file_of(execution, "big")

        remove(execution)
        assert shared in stored()
        remove(again)

        assert stored() == []

    def test_serves_a_rerun_of_the_rerun(self, worker, storage):
        execution = first(worker)
        again = rerun(worker, execution, from_node="end")
        remove(execution)

        third = rerun(worker, again, from_node="big")

        assert services.result_of(third) == LARGE

    def test_of_passes_of_a_loop(self, worker, storage):
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": [1, 2, 3]},
                "big",
                big=node(
                    "transform",
                    {"value": ["{{ nodes.start.output.text + item }}"], "steps": [{"operation": "limit", "count": 1}]},
                ),
            ),
            end=node("output", {"value": "{{ input.results }}"}),
        )
        execution = first(worker, raw)

        again = rerun(worker, execution, from_node="each", iteration="2")

        assert services.result_of(again) == [[f"{LARGE['text']}{number}"] for number in (1, 2, 3)]
        shared = set(execution.node_runs.filter(iteration__in=["0", "1"]).values_list("output_file", flat=True))
        assert shared == set(again.node_runs.filter(iteration__in=["0", "1"]).values_list("output_file", flat=True))

    def test_of_a_scope_that_goes_on_has_no_output_yet(self, worker, storage):
        raw = definition(
            "start > each",
            each=loop({"items": "{{ [trigger, trigger] }}"}, "nap", nap=node("delay", {"for_seconds": 0})),
        )
        execution = first(worker, raw)
        assert file_of(execution, "each")

        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="each", iteration="1")

        assert file_of(again, "each") is None
        carry(worker, again)
        assert file_of(again, "each") not in {None, file_of(execution, "each")}
        assert file_of(execution, "each") in stored()


class TestEdited:
    def test_a_large_output_that_was_given_goes_to_a_file_of_its_own(self, worker, storage):
        execution = first(worker, value={"small": True})

        again = rerun(worker, execution, from_node="end", outputs={"big": [LARGE]})

        assert services.result_of(again) == LARGE
        run = WorkflowExecutionLog.objects.get(execution=again, node_id="big")
        assert (run.is_edited, run.output_data) == (True, None)
        assert run.output_file in stored()

    def test_is_refused_where_the_storage_does_not_take_it(self, worker, settings, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "PATIENCE", ())
        use(settings, tmp_path, RefusingStorage)
        execution = first(worker, value={"small": True})
        RefusingStorage.refusals = 1

        with pytest.raises(OutputNotKept):
            services.rerun_execution(execution, by=None, now=timezone.now(), from_node="end", outputs={"big": [LARGE]})

        assert not execution.reruns.exists()
