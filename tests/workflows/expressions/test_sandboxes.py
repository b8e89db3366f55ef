"""Several child processes: none waits for another, none is used by two."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clock import NOON
from tests.workflows.expressions.test_sandbox import in_fork
from workflows.expressions import Limits, Sandboxes

BUSY = "const end = items[0]; let n = 0; while (n < end) n++; return n"


@pytest.fixture
def sandboxes():
    made = Sandboxes(Limits(source_bytes=64 * 1024, cpu_seconds=5, batch_cpu_seconds=5), most=3)
    yield made
    made.close()


def run(sandboxes, body="return items", items=(1,)):
    return sandboxes.run_script(body, list(items), {}, now=NOON)


class TestSandboxes:
    def test_start_no_child_before_it_is_needed(self, sandboxes):
        assert sandboxes.pids == []

    def test_have_no_more_children_than_are_needed_at_once(self, sandboxes):
        for _ in range(5):
            run(sandboxes)

        assert len(sandboxes.pids) == 1

    def test_do_not_let_the_short_wait_for_the_long(self, sandboxes):
        run(sandboxes)
        with ThreadPoolExecutor(2) as pool:
            long = pool.submit(run, sandboxes, BUSY, [30_000_000])
            time.sleep(0.05)
            assert run(sandboxes, "return 1") == 1
            was_done = long.done()
            long.result()

        assert not was_done

    def test_never_give_one_the_answer_of_another(self, sandboxes):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda number: run(sandboxes, "return items[0] * 2", [number]), range(80)))

        assert answers == [number * 2 for number in range(80)]
        assert 1 <= len(sandboxes.pids) <= 3

    def test_go_on_after_children_were_killed(self, sandboxes):
        run(sandboxes)
        for pid in sandboxes.pids:
            os.kill(pid, 9)

        assert run(sandboxes) == [1]

    @pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
    def test_can_be_used_in_a_fork_that_came_while_all_were_taken(self, sandboxes):
        """[S-EXPR-6]"""
        with ThreadPoolExecutor(3) as pool:
            busy = [pool.submit(run, sandboxes, BUSY, [20_000_000]) for _ in range(3)]
            while not sandboxes._free.empty():
                time.sleep(0.001)
            theirs = in_fork(lambda: str(run(sandboxes, "return 7")))
            done = [each.result() for each in busy]

        assert theirs == "7"
        assert done == [20_000_000] * 3
