"""Watching on a terminal: ``run_workflow`` and ``watch_execution``."""

from __future__ import annotations

import runpy
import threading
from io import StringIO

import pytest
from django.conf import settings
from django.core import management
from django.core.management import CommandError, call_command

from executions.engine.worker import Worker
from executions.live import console, reader
from executions.live.events import Event, Kind
from executions.models import WorkflowExecution
from projects.ids import new_id
from tests.factories import ApprovalFactory, ExecutionFactory, NodeRunFactory, WorkflowFactory
from tests.threads import beside

pytestmark = pytest.mark.django_db


def _press_ctrl_c(*_):
    raise KeyboardInterrupt


def printed(command, *arguments, **options):
    out = StringIO()
    call_command(command, *map(str, arguments), stdout=out, **options)
    return out.getvalue()


class TestWatchExecution:
    def test_prints_node_runs_and_the_result(self):
        execution = ExecutionFactory(ended=True, result={"total": 7})
        NodeRunFactory(execution=execution)
        NodeRunFactory(execution=execution, node_id="each", iteration="3", attempt=2)

        assert printed("watch_execution", execution.pk).splitlines() == [
            "  completed  start (attempt 1)",
            "  completed  each in pass 3 (attempt 2)",
            "completed in 1.00 s",
            "{",
            '  "total": 7',
            "}",
        ]

    def test_says_what_went_wrong(self):
        execution = ExecutionFactory(failed=True)

        with pytest.raises(CommandError, match=r"failed: It failed\."):
            printed("watch_execution", execution.pk)

    def test_says_what_it_waits_for_when_the_time_is_over(self):
        execution = ExecutionFactory(waiting=True, blocked_detail="Waits for `nap`.")

        with pytest.raises(CommandError, match=r"still running \(Waits for `nap`\.\)"):
            printed("watch_execution", execution.pk, timeout=0)

    def test_says_where_to_decide_what_it_waits_for(self, settings):
        settings.WEBHOOK_BASE_URL = "https://segue.example.com"
        approval = ApprovalFactory()
        out = StringIO()

        with pytest.raises(CommandError):
            call_command("watch_execution", str(approval.execution_id), timeout=0, stdout=out)

        assert f"  decide at https://segue.example.com/approvals/{approval.pk}\n" in out.getvalue()

    @pytest.mark.parametrize("ends", ["time", "ctrl-c"])
    def test_says_how_to_see_more_of_what_goes_on(self, monkeypatch, ends):
        execution = ExecutionFactory(waiting=True)
        if ends == "ctrl-c":
            monkeypatch.setattr(reader.time, "sleep", _press_ctrl_c)

        with pytest.raises(CommandError, match=f"It goes on; .*: manage.py watch_execution {execution.pk}"):
            printed("watch_execution", execution.pk, timeout=0 if ends == "time" else 60)

    def test_says_to_the_shell_that_it_was_interrupted(self, monkeypatch):
        monkeypatch.setattr(reader.time, "sleep", _press_ctrl_c)

        with pytest.raises(CommandError) as caught:
            printed("watch_execution", ExecutionFactory(waiting=True).pk)

        assert caught.value.returncode == 130

    def test_says_that_there_is_none(self):
        with pytest.raises(CommandError, match="There is no execution"):
            printed("watch_execution", new_id())


@pytest.mark.django_db(transaction=True)
class TestRunWorkflow:
    @pytest.fixture
    def worker(self):
        """A worker beside the command."""
        ends, worker = threading.Event(), Worker()

        def work():
            while not ends.wait(0.05):
                worker.work()
            worker.close()

        thread = beside(work)
        yield
        ends.set()
        thread.join(10)

    def test_watches_what_it_has_started(self, worker):
        workflow = WorkflowFactory(published=True)

        lines = printed("run_workflow", workflow.pk, timeout=20).splitlines()

        assert lines[0] == f"Execution {WorkflowExecution.objects.get().pk} of {workflow.name} v1"
        assert [line for line in lines if "completed" in line][:2] == [
            "  completed  start (attempt 1)",
            "  completed  end (attempt 1)",
        ]

    def test_says_that_its_input_is_no_json(self):
        workflow = WorkflowFactory(published=True)

        with pytest.raises(CommandError, match="--input is not JSON"):
            printed("run_workflow", workflow.pk, input="nonsense")


class TestManagePy:
    def test_ends_at_ctrl_c_without_a_traceback(self, monkeypatch):
        monkeypatch.setattr(management, "execute_from_command_line", _press_ctrl_c)

        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(settings.BASE_DIR / "manage.py"), run_name="__main__")

        assert ended.value.code == 130


class TestPrinter:
    def show(self, *events):
        out = StringIO()
        printer = console._Printer(console.OutputWrapper(out))
        for kind, data in events:
            printer.show(Event(kind, data, "1"))
        printer.end_line()
        return out.getvalue()

    def run(self, name, **more):
        told = {"id": name, "node_id": name, "iteration": "", "attempt": 1, "status": "running", "waits_for": None}
        return Kind.NODE_RUN, {**told, "error": None, **more}

    def text(self, of, text, *, reset=False):
        return Kind.TEXT, {"node_run": of, "text": text, "reset": reset, "number": 1}

    def test_texts_grow_within_their_line(self):
        shown = self.show(
            self.run("ask"),
            self.text("ask", "It ", reset=True),
            self.text("ask", "is."),
            self.run("ask", status="completed"),
        )

        assert shown == "  running    ask (attempt 1)\n  ask: It is.\n  completed  ask (attempt 1)\n"

    def test_answers_at_once_take_turns(self):
        shown = self.show(
            self.run("a"),
            self.run("b"),
            self.text("a", "One "),
            self.text("b", "Uno "),
            self.text("a", "two."),
            self.text("a", "Anew.", reset=True),
        )

        assert shown.splitlines()[2:] == ["  a: One ", "  b: Uno ", "  a: two.", "  a: Anew."]

    def test_says_what_it_waits_for(self):
        waits = {
            "id": str(new_id()),
            "status": "running",
            "blocked_on": "approval",
            "blocked_detail": "Waits for `ask`.",
        }

        shown = self.show((Kind.EXECUTION, waits), self.run("ask", waits_for="approval"))

        assert shown == "  (approval: Waits for `ask`.)\n  waiting    ask (attempt 1)\n"

    def test_nothing_from_outside_steers_the_terminal(self):
        shown = self.show(self.text("a", "\x1b[2J\x9b1m\rgone\tand\nover"))

        assert shown == "  a: \ufffd[2J\ufffd1m\ufffdgone\tand\nover\n"
