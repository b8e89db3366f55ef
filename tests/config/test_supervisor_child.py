"""Real processes: what is started here must be gone afterwards, also what it started itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.supervisor.child import Child, Program, describe, end, spawn
from config.supervisor.folder import Folder
from config.supervisor.restart import FIRST_PAUSE_SECONDS

# Says who it is, starts a child of its own and says that too, then sleeps. With "deaf" it ignores SIGTERM.
PARENT = """
import os, signal, subprocess, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(120)
"""


@pytest.fixture
def folder(tmp_path) -> Folder:
    (tmp_path / "var" / "log").mkdir(parents=True)
    return Folder(tmp_path)


@pytest.fixture
def child_of(folder) -> Iterator[Callable[..., Child]]:
    """Make children, and stop them when the test is over."""
    children: list[Child] = []

    def make(source: str, *arguments: str, grace_seconds: float = 10) -> Child:
        program = Program("web", (sys.executable, "-c", source, *arguments), grace_seconds=grace_seconds)
        children.append(Child(program, folder=folder, environ=os.environ))
        return children[-1]

    yield make
    for child in children:
        child.stop(at_once=True)


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until something holds; generous, because the machine may be busy."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within 30 s.")


def alive(pid: int) -> bool:
    """Test whether a process runs. One that ended and that nobody has asked about does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def pids_in(log: Path) -> list[int]:
    """Wait for the line that PARENT writes, and return the ids of it and its child."""
    until(lambda: log.exists() and log.read_text().strip(), "the first line of the log")
    return [int(word) for word in log.read_text().split()]


class TestWatch:
    def test_starts_the_program_in_the_folder_with_its_output_in_the_log(self, child_of, folder):
        child = child_of("import os; print(os.getcwd(), flush=True); import time; time.sleep(120)")

        child.watch()

        until(lambda: child.log.read_text().strip(), "the line")
        assert child.log.read_text().strip() == str(folder.base)

    def test_says_how_the_program_ended_and_starts_it_again_after_a_pause(self, child_of):
        child = child_of(PARENT)
        child.watch(now=100.0)
        first = child.pid
        os.kill(first, signal.SIGKILL)

        until(lambda: (said := child.watch(now=101.0)) and "web ended (SIGKILL); it starts again in 0.5 s" in said)

        child.watch(now=101.0 + FIRST_PAUSE_SECONDS - 0.01)
        assert child.pid is None
        child.watch(now=101.0 + FIRST_PAUSE_SECONDS)
        assert child.pid not in {None, first}

    def test_waits_longer_after_every_end(self, child_of):
        child = child_of("import sys; sys.exit(3)")
        said: list[str] = []

        for now in (0.0, 10.0, 20.0):
            child.watch(now=now)
            until(lambda now=now: (sentence := child.watch(now=now)) and not said.append(sentence))

        assert ["0.5 s" in said[0], "1 s" in said[1], "2 s" in said[2]] == [True, True, True]
        assert all("exit code 3" in sentence for sentence in said)
        assert child.failures == 3

    def test_kills_what_a_dead_program_left_behind(self, child_of):
        child = child_of(PARENT)
        child.watch()
        parent, grandchild = pids_in(child.log)

        os.kill(parent, signal.SIGKILL)
        until(child.watch, "the end")

        until(lambda: not alive(grandchild), "the end of what it left behind")

    def test_appends_to_the_log_of_the_last_run(self, child_of):
        child = child_of("print('a line')")

        for now in (0.0, 10.0):
            child.watch(now=now)
            until(lambda now=now: child.watch(now=now))

        assert child.log.read_text() == "a line\na line\n"


class TestStop:
    def test_asks_first(self, child_of):
        child = child_of("import signal, sys, time; signal.signal(15, lambda *_: sys.exit(print('bye')))\n"
                         "print('ready', flush=True); time.sleep(120)")  # fmt: skip
        child.watch()
        until(lambda: "ready" in child.log.read_text())

        child.stop()

        assert "bye" in child.log.read_text()
        assert child.pid is None

    def test_kills_what_does_not_listen_and_all_that_it_started(self, child_of):
        child = child_of(PARENT, "deaf", grace_seconds=0.2)
        child.watch()
        pids = pids_in(child.log)

        child.stop()

        until(lambda: not any(alive(pid) for pid in pids), "the end of all")

    def test_does_nothing_to_what_does_not_run(self, child_of):
        child_of("").stop()


class TestSpawn:
    def test_keeps_the_terminals_ctrl_c_away(self, folder):
        process = spawn(sleeper(), folder=folder, environ=os.environ)
        try:
            assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
        finally:
            end(process, grace_seconds=0)

    def test_hands_on_open_files_by_their_number(self, folder, tmp_path):
        with (tmp_path / "file").open("wb") as file:
            source = f"import os; os.write({file.fileno()}, b'written')"
            program = Program("writer", (sys.executable, "-c", source), grace_seconds=1, pass_fds=(file.fileno(),))
            process = spawn(program, folder=folder, environ=os.environ)
            assert process.wait(30) == 0

        assert (tmp_path / "file").read_bytes() == b"written"

    @pytest.mark.crash
    @pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells children of their parent's death.")
    def test_dies_with_the_process_that_started_it(self, folder):
        source = f"""
import os, subprocess, sys, time
from pathlib import Path
from config.supervisor.child import Program, spawn
from config.supervisor.folder import Folder
program = Program("sleeper", (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(120)"), 1)
process = spawn(program, folder=Folder(Path({str(folder.base)!r})), environ=os.environ, stdout=subprocess.PIPE)
process.stdout.readline()
print(process.pid, flush=True)
time.sleep(120)
"""
        supervisor = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
        try:
            pid = int(supervisor.stdout.readline())
            assert alive(pid)
        finally:
            supervisor.kill()
            supervisor.communicate()

        until(lambda: not alive(pid), "the end of the child")


class TestDescribe:
    @pytest.mark.parametrize(
        ("code", "text"), [(0, "exit code 0"), (3, "exit code 3"), (-9, "SIGKILL"), (-15, "SIGTERM")]
    )
    def test_says_how_a_process_ended(self, code, text):
        assert describe(code) == text


def sleeper() -> Program:
    return Program("sleeper", (sys.executable, "-c", "import time; time.sleep(120)"), grace_seconds=1)
