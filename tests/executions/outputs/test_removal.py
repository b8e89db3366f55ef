"""Files of outputs go after the rows that named them, and so do those that no row came to name."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from executions import invariants, retention, tasks
from executions.models import WorkflowExecutionLog
from executions.outputs import removal
from executions.outputs.files import write
from executions.outputs.reference import file_columns
from executions.outputs.removal import ORPHAN_AGE, remove_after_commit, remove_orphans, remove_unnamed
from projects import files
from projects.ids import new_id
from tests.clock import NOON
from tests.executions.outputs.storages import folder, lose, storage, stored
from tests.factories import ExecutionFactory, NodeRunFactory, ProjectFactory
from tests.plans import plan_of

__all__ = ["folder", "storage"]

pytestmark = pytest.mark.django_db

LONG_AGO = NOON - timedelta(days=31)
TWO_DAYS = NOON - timedelta(days=2)


def written(execution=None, *, at=TWO_DAYS):
    """Write a file that no row names."""
    execution_id = new_id() if execution is None else execution.pk
    project_id = ProjectFactory().pk if execution is None else execution.project_id
    return write("x" * 100, project_id=project_id, execution_id=execution_id, now=at)


def with_file(execution, node_id="start", *, file=None):
    """Return a node run whose output lies in a file."""
    file = file or written(execution, at=execution.created_at)
    return NodeRunFactory(execution=execution, node_id=node_id, **file_columns(file))


def ended(at=LONG_AGO, **more):
    return ExecutionFactory(ended=True, created_at=at, completed_at=at, **more)


class TestRetention:
    def test_removes_files_with_their_rows_and_no_others(self, storage):
        with_file(ended())
        young = with_file(ended(NOON))

        retention.clean_up(days=30, now=NOON)

        assert stored() == [young.output_file]

    def test_keeps_a_file_that_a_rerun_names_until_that_goes_too(self, storage):
        run = with_file(ended())
        rerun = ended(NOON - timedelta(days=10))
        with_file(rerun, file=run.file)

        retention.clean_up(days=30, now=NOON)
        assert stored() == [run.output_file]

        retention.clean_up(days=5, now=NOON)
        assert stored() == []

    def test_removes_a_file_once_that_both_named_who_go_together(self, storage):
        run = with_file(ended())
        with_file(ended(), file=run.file)

        retention.clean_up(days=30, now=NOON)

        assert stored() == []

    def test_removes_rows_first(self, folder, monkeypatch):
        with_file(ended())
        monkeypatch.setattr(files, "delete", lambda name: rows.append(WorkflowExecutionLog.objects.count()))
        rows = []

        retention.clean_up(days=30, now=NOON)

        assert rows == [0]

    def test_of_a_process_that_dies_in_between_leaves_the_file_for_the_next_one(self, folder, monkeypatch):
        with_file(ended())

        def die(names):
            raise SystemExit

        monkeypatch.setattr(retention, "remove_unnamed", die)
        with pytest.raises(SystemExit):
            retention.clean_up(days=30, now=NOON)
        assert len(stored()) == 1

        assert remove_orphans(now=NOON) == 1
        assert stored() == []

    def test_goes_on_where_the_storage_refuses(self, folder, monkeypatch, caplog):
        with_file(ended())
        with monkeypatch.context() as patched:
            patched.setattr(files, "delete", _refuse)

            removed = retention.clean_up(days=30, now=NOON)

        assert (removed.executions, removed.node_runs) == (1, 1)
        assert "was not removed" in caplog.text
        assert remove_orphans(now=NOON) == 1

    def test_minds_no_file_that_is_gone_already(self, storage):
        lose(with_file(ended()).output_file)

        assert retention.clean_up(days=30, now=NOON).executions == 1

    def test_of_very_many_node_runs_removes_files_in_steps(self, folder, monkeypatch):
        monkeypatch.setattr(retention, "NODE_RUNS_AT_ONCE", 2)
        execution = ended()
        for number in range(5):
            with_file(execution, f"node_{number}")

        retention.clean_up(days=30, now=NOON)

        assert stored() == []


def _refuse(name):
    raise PermissionError(name)


class TestRemoveUnnamed:
    def test_leaves_what_a_row_names(self, storage):
        run = with_file(ended())
        orphan = written()

        assert remove_unnamed([run.output_file, orphan.name]) == 1
        assert stored() == [run.output_file]

    def test_does_no_harm_twice(self, storage):
        orphan = written()

        assert [remove_unnamed([orphan.name]) for _ in range(2)] == [1, 0]

    def test_asks_in_batches(self, folder, monkeypatch):
        monkeypatch.setattr(removal, "BATCH", 2)
        names = [written().name for _ in range(5)]

        assert remove_unnamed(names) == 5

    def test_asks_the_index(self, postgresql_only):
        plan = plan_of(WorkflowExecutionLog.objects.filter(output_file__in=["a", "b"]).values_list("output_file"))

        assert "logs_file" in plan


@pytest.fixture
def postgresql_only():
    from django.db import connection

    if connection.vendor != "postgresql":
        pytest.skip("Plans are PostgreSQL's.")


class TestRemoveAfterCommit:
    @pytest.mark.django_db(transaction=True)
    def test_removes_it_once_the_change_holds(self, storage):
        orphan = written()
        with transaction.atomic():
            remove_after_commit([orphan.name])
            assert stored() == [orphan.name]

        assert stored() == []

    @pytest.mark.django_db(transaction=True)
    def test_leaves_it_if_the_change_is_undone(self, storage):
        orphan = written()
        with transaction.atomic():
            remove_after_commit([orphan.name])
            transaction.set_rollback(True)

        assert stored() == [orphan.name]


class TestRemoveOrphans:
    @pytest.mark.parametrize(
        ("written_at", "now", "removed"),
        [
            (NOON, NOON, 0),
            (NOON, NOON + ORPHAN_AGE, 0),
            # The whole day has to be over for so long.
            (NOON, NOON + timedelta(days=1, hours=11, minutes=59), 0),
            (NOON, NOON + timedelta(days=1, hours=12), 1),
            (NOON, NOON + timedelta(days=400), 1),
        ],
    )
    def test_waits_until_nobody_can_commit_it_any_more(self, storage, written_at, now, removed):
        written(at=written_at)

        assert remove_orphans(now=now) == removed

    def test_leaves_what_a_row_names_whatever_its_age(self, storage):
        run = with_file(ended())
        assert remove_orphans(now=NOON) == 0
        assert stored() == [run.output_file]

    @pytest.mark.parametrize("trait", [{}, {"leased": True}, {"waiting": True}])
    def test_leaves_those_of_live_executions(self, storage, trait):
        written(ExecutionFactory(created_at=LONG_AGO, **trait))

        assert remove_orphans(now=NOON) == 0

    def test_removes_those_of_executions_that_have_ended_or_are_gone(self, storage):
        written(ended())
        written()

        assert remove_orphans(now=NOON) == 2

    def test_leaves_those_of_projects_that_another_database_knows(self, folder):
        """Two installations that share a storage, which they should not."""
        write("x", project_id=new_id(), execution_id=new_id(), now=LONG_AGO)

        assert remove_orphans(now=NOON) == 0

    def test_leaves_what_is_not_its_own(self, folder):
        project, day = ProjectFactory().pk, f"{LONG_AGO:%Y-%m-%d}"
        strange = [
            "outputs/readme.txt",
            f"outputs/{project}/notes/a.json",
            f"outputs/{project}/{day}/mine.json",
            f"outputs/notes/{day}/{new_id()}.json",
            "projects/p/a.json",
        ]
        for name in strange:
            files.write_whole(name, b"{}", replaces=False, content_type="application/json")

        assert remove_orphans(now=NOON) == 0
        assert all((folder / name).exists() for name in strange)

    def test_removes_the_folders_of_days_that_are_empty(self, folder):
        orphan, today = written(), written(at=NOON)

        remove_orphans(now=NOON)

        assert not (folder / orphan.name).parent.exists()
        assert (folder / today.name).exists()

    def test_has_nothing_to_do_where_nothing_was_ever_written(self, storage):
        assert remove_orphans(now=NOON) == 0

    def test_is_a_task_and_a_part_of_the_command(self, folder):
        written(at=NOON - timedelta(days=3650))
        tasks.remove_orphans()
        assert stored() == []

        written(at=NOON - timedelta(days=3650))
        out = StringIO()
        call_command("clean_up_executions", stdout=out)
        assert stored() == []
        assert "1 files of outputs that no node run named" in out.getvalue()


class TestInvariant:
    def test_finds_a_row_whose_file_is_not_there(self, storage):
        kept, lost = with_file(ended()), with_file(ended())
        lose(lost.output_file)

        broken = {rule.name: ids for rule, ids in invariants.check_all(NOON) if ids}

        assert broken == {"file_is_there": [str(lost.pk)]}
        assert kept.output_file in stored()
