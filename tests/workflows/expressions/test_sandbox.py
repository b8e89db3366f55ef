"""The child process: what it may do, and what happens when it goes."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clock import NOON
from tests.workflows.expressions.evaluating import error_of, value_of
from workflows.expressions import Expression, Limits, Sandbox

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# Goes on for many seconds within one function of QuickJS, which never looks at the clock.
ENDLESS = "new Array(1e9).join('x')"
FREEZE = "(() => { while (true); })()"


@pytest.fixture
def own_sandbox():
    """A sandbox with a running child, of one test alone."""
    sandbox = Sandbox()
    assert value_of(sandbox, "1 + 1") == 2
    yield sandbox
    sandbox.close()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or " Z " not in Path(f"/proc/{pid}/stat").read_text()


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 20
    while is_running(pid):
        assert time.monotonic() < deadline, f"Process {pid} is still there."
        time.sleep(0.01)


@on_linux
class TestRights:
    """S-EXPR-2: a separate process, with nothing and with limits."""

    def read(self, sandbox: Sandbox, name: str) -> str:
        return Path(f"/proc/{sandbox.pid}/{name}").read_text()

    def test_are_no_environment(self, own_sandbox, monkeypatch):
        monkeypatch.setenv("SECRET_KEY", "s3cret")
        own_sandbox.close()
        value_of(own_sandbox, "1 + 1")

        assert self.read(own_sandbox, "environ").strip("\0") == "TZ=UTC"

    def test_are_no_descriptors_but_its_pipes(self, own_sandbox):
        opened = [os.readlink(link) for link in Path(f"/proc/{own_sandbox.pid}/fd").iterdir()]

        assert sorted(target.split(":")[0] for target in opened) == ["/dev/null", "pipe", "pipe"]

    def test_are_no_new_files_processes_or_privileges(self, own_sandbox):
        limits = {
            line[:26].strip(): line[26:].split()[:2] for line in self.read(own_sandbox, "limits").splitlines()[1:]
        }

        assert limits["Max open files"] == ["3", "3"]
        assert limits["Max processes"] == ["0", "0"]
        assert limits["Max file size"] == ["0", "0"]
        assert limits["Max core file size"] == ["0", "0"]
        assert limits["Max address space"] == [str(512 * 1024 * 1024)] * 2
        assert int(limits["Max cpu time"][0]) < 10
        assert "NoNewPrivs:\t1" in self.read(own_sandbox, "status")

    def test_are_not_those_of_a_terminal(self, own_sandbox):
        assert os.getsid(own_sandbox.pid) == own_sandbox.pid

    def test_do_not_show_secrets_on_its_command_line(self, own_sandbox):
        arguments = self.read(own_sandbox, "cmdline").split("\0")

        assert arguments[1:4] == ["-I", "-S", "-B"]
        assert arguments[4].endswith("child.py")


class TestSandbox:
    """S-EXPR-2: whatever happens to the child, the parent lives and the next evaluation works."""

    def test_starts_no_child_before_it_is_needed(self):
        sandbox = Sandbox()

        assert sandbox.pid is None
        assert value_of(sandbox, "input.a", input={"a": 1}) == 1
        assert sandbox.pid is None

    def test_keeps_its_child(self, own_sandbox):
        pid = own_sandbox.pid

        error_of(own_sandbox, FREEZE)

        assert value_of(own_sandbox, "1 + 1") == 2
        assert own_sandbox.pid == pid

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
    def test_goes_on_after_its_child_was_killed(self, own_sandbox, number):
        pid = own_sandbox.pid

        os.kill(pid, number)

        assert value_of(own_sandbox, "1 + 1") == 2
        assert own_sandbox.pid != pid

    def test_goes_on_when_its_child_dies_in_the_middle(self, own_sandbox):
        pid = own_sandbox.pid
        # The first kill may come before the expression has begun, and is then forgiven.
        killer = threading.Timer(0.1, lambda: os.kill(pid, signal.SIGKILL))
        killer.start()

        error = error_of(own_sandbox, FREEZE)

        killer.join()
        assert error.code in ("crashed", "time_limit")
        assert value_of(own_sandbox, "1 + 1") == 2

    def test_ends_a_child_that_no_longer_looks_at_the_clock(self, own_sandbox):
        pid = own_sandbox.pid

        error = error_of(own_sandbox, ENDLESS)

        assert error.code == "time_limit"
        assert "computes for too long" in error.message
        assert not is_running(pid)
        assert value_of(own_sandbox, "1 + 1") == 2

    def test_ends_a_child_that_does_not_answer(self):
        sandbox = Sandbox(Limits(wall_seconds=0.5))
        value_of(sandbox, "1 + 1")
        os.kill(sandbox.pid, signal.SIGSTOP)

        error = error_of(sandbox, "1 + 1")

        assert (error.code, "no answer came in time" in error.message) == ("time_limit", True)
        assert value_of(sandbox, "1 + 1") == 2
        sandbox.close()

    def test_lets_only_the_one_fail_that_ends_the_child(self, own_sandbox):
        sources = ["1 + 1", ENDLESS, "2 + 2", FREEZE, "3 + 3"]

        results = own_sandbox.evaluate([Expression(source) for source in sources], {}, now=NOON)

        assert [result.value for result in results] == [2, None, 4, None, 6]
        assert [result.error and result.error.code for result in results] == [
            None,
            "time_limit",
            None,
            "time_limit",
            None,
        ]

    def test_gives_up_on_expressions_that_end_one_child_after_another(self, own_sandbox):
        results = own_sandbox.evaluate([Expression(ENDLESS)] * 4, {}, now=NOON)

        assert [result.error.code for result in results] == ["time_limit", "time_limit", "crashed", "crashed"]
        assert "ended it more than once" in results[3].error.message

    def test_takes_a_new_child_after_so_many_evaluations(self):
        sandbox = Sandbox(Limits(evaluations_per_process=3))
        pids = []
        for _ in range(7):
            value_of(sandbox, "1 + 1")
            pids.append(sandbox.pid)
        sandbox.close()

        assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]

    def test_evaluates_more_at_once_than_a_child_may(self):
        sandbox = Sandbox(Limits(evaluations_per_process=3))

        results = sandbox.evaluate([Expression(f"{number} + 1") for number in range(10)], {}, now=NOON)

        assert [result.value for result in results] == list(range(1, 11))
        sandbox.close()

    def test_can_be_used_after_it_was_closed(self, own_sandbox):
        pid = own_sandbox.pid

        own_sandbox.close()

        assert not is_running(pid)
        assert own_sandbox.pid is None
        assert value_of(own_sandbox, "1 + 1") == 2

    def test_ends_its_child_when_it_is_dropped(self):
        sandbox = Sandbox()
        value_of(sandbox, "1 + 1")
        pid = sandbox.pid

        del sandbox
        gc.collect()

        assert not is_running(pid)

    def test_serves_several_threads_at_once(self, own_sandbox):
        def evaluate(number: int) -> list[object]:
            return [value_of(own_sandbox, f"input + {step}", input=number) for step in range(20)]

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(evaluate, range(40)))

        assert answers == [[number + step for step in range(20)] for number in range(40)]

    def test_never_takes_the_answer_to_another_question(self, own_sandbox):
        """S-EXPR-6: somebody breaks in while an answer is on its way, as Celery's soft time limit does."""

        def break_in(*_: object) -> None:
            raise InterruptedError

        previous = signal.signal(signal.SIGALRM, break_in)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(InterruptedError):
                value_of(own_sandbox, f"{FREEZE} ?? 'theirs'")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

        assert value_of(own_sandbox, "'our' + 's'") == "ours"

    def test_takes_no_answer_that_is_larger_than_any_may_be(self, monkeypatch):
        """The child keeps to the limits itself, unless somebody has taken it over."""
        limits = Limits()
        monkeypatch.setattr("workflows.expressions.process._LONGEST_ERROR", 100 - limits.each_output_bytes)
        sandbox = Sandbox(limits)

        error = error_of(sandbox, "'x'.repeat(200)")

        assert (error.code, "answers with more than it may" in error.message) == ("crashed", True)
        assert value_of(sandbox, "1 + 1") == 2
        sandbox.close()

    def test_says_when_no_child_can_be_started(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/nowhere/python")

        error = error_of(Sandbox(), "1 + 1")

        assert error.code == "crashed"
        assert "did not start: No such file or directory" in error.message

    def test_says_when_a_child_ends_at_once(self, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/bin/false")

        error = error_of(Sandbox(), "1 + 1")

        assert "it did not start, it ended with status 1" in error.message

    def test_leaves_the_parents_memory_alone(self, own_sandbox):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        for _ in range(5):
            error_of(own_sandbox, "(() => { let all = ['x']; for (;;) all = all.concat(all); })()")

        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000

    def test_takes_large_input_and_gives_large_output(self, own_sandbox):
        text = "ü" * 2_000_000

        assert value_of(own_sandbox, "(input).length", input=text) == 2_000_000
        assert value_of(own_sandbox, "(input).slice(0, 500000)", input=text) == "ü" * 500_000


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of what is tested here.
class TestFork:
    """S-EXPR-6: a forked process never talks to the child of the process that it came from."""

    def test_gives_each_process_its_own_child(self, own_sandbox):
        own = own_sandbox.pid

        theirs = int(in_fork(lambda: f"{value_of(own_sandbox, '1 + 1')}:{own_sandbox.pid}").split(":")[1])

        assert theirs != own
        assert is_running(own)
        assert value_of(own_sandbox, "1 + 1") == 2
        assert own_sandbox.pid == own
        wait_until_gone(theirs)

    def test_does_not_wait_for_a_thread_that_stayed_behind(self, own_sandbox):
        busy = threading.Thread(target=error_of, args=(own_sandbox, FREEZE))
        busy.start()
        while not own_sandbox._lock.locked():
            time.sleep(0.001)

        assert in_fork(lambda: str(value_of(own_sandbox, "1 + 1"))) == "2"

        busy.join()

    def test_does_not_end_the_child_of_the_parent(self, own_sandbox):
        in_fork(lambda: str(own_sandbox.close()))

        assert is_running(own_sandbox.pid)
        assert value_of(own_sandbox, "1 + 1") == 2


class TestParent:
    SCRIPT = """
import sys, time
from tests.clock import NOON
from workflows.expressions import Expression, Sandbox
sandbox = Sandbox()
sandbox.evaluate([Expression("1 + 1")], {}, now=NOON)
print(sandbox.pid, flush=True)
WHAT_THEN
"""

    @pytest.mark.parametrize("what_then", ["time.sleep(60)", "sys.exit()"])
    def test_takes_its_child_along(self, what_then):
        script = self.SCRIPT.replace("WHAT_THEN", what_then)
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert parent.stdout is not None
        child = int(parent.stdout.readline())

        if what_then != "sys.exit()":
            parent.kill()

        wait_until_gone(child)
        parent.stdout.close()
        parent.wait()


def in_fork(action) -> str:
    """Return what an action returns in a forked process, which then ends without cleaning up, as a worker does."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, action().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return answer
