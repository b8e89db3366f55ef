"""Whether worker processes get on. [R-13]"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

import pytest

from executions import liveness
from tests.environment import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Temporary files of this test alone, and a process that has not begun."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(liveness, "_mark", None)
    monkeypatch.setattr(liveness, "_noted_at", float("-inf"))
    return tmp_path


class TestStale:
    def test_says_nothing_of_a_process_that_has_just_looked(self):
        liveness.begin()

        assert liveness.stale(now=time.time()) == []

    def test_names_a_process_that_has_not_looked_for_long(self):
        liveness.begin()

        (problem,) = liveness.stale(now=time.time() + 90)

        assert problem == f"Process {os.getpid()} has not looked for work for 90 seconds."

    def test_says_so_when_there_is_none(self):
        assert liveness.stale(now=time.time()) == ["No worker process has looked for work yet."]

    def test_passes_over_the_dead(self, folder):
        liveness.begin()
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        (folder / f"segue-worker-{os.getppid()}" / str(ended.pid)).touch()
        (folder / f"segue-worker-{ended.pid}").mkdir()

        assert liveness.stale(now=time.time() + 1) == []


class TestBegin:
    def test_removes_what_dead_workers_left(self, folder):
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        left = folder / f"segue-worker-{ended.pid}"
        left.mkdir()

        liveness.begin()

        assert not left.exists()


class TestNote:
    def test_does_nothing_in_a_process_that_is_no_worker_s(self, folder):
        liveness.note()

        assert list(folder.iterdir()) == []


class TestMain:
    @pytest.mark.parametrize(("begun", "status"), [(True, 0), (False, 1)])
    def test_answers_by_its_exit_status(self, folder, begun, status):
        if begun:
            liveness.begin()

        done = subprocess.run(
            [sys.executable, "-m", "executions.liveness"], cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}
        )

        assert done.returncode == status
