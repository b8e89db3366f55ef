"""What is asked of a child comes back, or the child is gone."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workflows.http import Cancel, Cancelled, abandonable
from workflows.isolated import process
from workflows.isolated.process import Exhausted, Limits, ask
from workflows.nodes.base import NodeError


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Write a program that children run."""
    monkeypatch.setattr(process, "_PROGRAMS", tmp_path)

    def write(body: str) -> str:
        (tmp_path / "it.py").write_text(f"def answer(parts, question):\n    {body}\n")
        return "it"

    return write


def asked(program, *parts, question=None, **limits):
    return ask(program, question or {}, parts, libraries=(), limits=Limits(**limits))


def running_children() -> list[int]:
    """Return the process ids of what this process has started and not ended. Others may run tests, too."""
    found = []
    for process_folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # It ends while it is looked at.
            parent = int((process_folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"isolated/child.py" in (process_folder / "cmdline").read_bytes():
                found.append(int(process_folder.name))
    return found


class TestAnswer:
    def test_is_what_the_program_makes_of_the_parts_and_the_question(self, program):
        echo = program("return {'parts': [part.hex() for part in parts], 'question': question}")

        assert asked(echo, b"\n{", b"", b"\xff", question={"a": "ü\n"}) == {
            "parts": ["0a7b", "", "ff"],
            "question": {"a": "ü\n"},
        }

    def test_is_there_for_more_than_a_pipe_and_a_command_line_hold(self, program):
        sizes = program("return [len(parts[0]), len(question['a'])]")

        assert asked(sizes, b"x" * 1_000_000, question={"a": "a" * 1_000_000}) == [1_000_000, 1_000_000]

    def test_is_read_whatever_characters_are_in_it(self, program):
        assert asked(program(r"return ['Gr\xf6\xdfe', '\U0001f375', '\0', 'a\ud800b']")) == ["Größe", "🍵", "\0", "a?b"]

    def test_is_made_without_this_process_environment(self, program, monkeypatch):
        monkeypatch.setenv("SECRET_OF_THE_WORKER", "x")

        assert "SECRET_OF_THE_WORKER" not in asked(program("import os; return dict(os.environ)"))


class TestLimits:
    @pytest.mark.parametrize(
        ("body", "limits"),
        [
            ("return len(bytearray(600_000_000))", {}),
            ("return [0] * 100_000_000", {}),
            ("[None for _ in iter(int, 1)]", {"cpu_seconds": 1}),
            ("import os; os.abort()", {}),
            ("import os; os._exit(3)", {}),
            ("open(__file__ + '.more', 'wb', buffering=0).write(b'x')", {}),
            ("raise RuntimeError", {}),
        ],
    )
    def test_end_the_child_and_nothing_else(self, program, body, limits):
        with pytest.raises(Exhausted):
            asked(program(body), **limits)

    def test_a_child_that_does_not_get_the_time_may_be_tried_again(self, program):
        with pytest.raises(NodeError) as caught:
            asked(program("import time; time.sleep(60)"), wall_seconds=0.5)

        assert (caught.value.code, caught.value.retryable) == ("timeout", True)

    def test_a_child_that_cannot_be_started_may_be_tried_again(self, program, monkeypatch):
        monkeypatch.setattr(process.sys, "executable", "/nowhere/python")

        with pytest.raises(NodeError) as caught:
            asked(program("return 1"))

        assert (caught.value.code, caught.value.retryable) == ("crashed", True)

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_only_so_many_work_at_once_and_all_have_their_turn(self, program, monkeypatch):
        monkeypatch.setattr(process, "_places", threading.BoundedSemaphore(2))
        waits = program("import time; time.sleep(0.3); return question")
        most_seen = 0

        with ThreadPoolExecutor(6) as threads:
            asking = [threads.submit(asked, waits, question={"number": number}) for number in range(6)]
            while not all(one.done() for one in asking):
                most_seen = max(most_seen, len(running_children()))
        assert [one.result()["number"] for one in asking] == list(range(6))
        assert most_seen in (1, 2)

    def test_a_node_that_is_abandoned_waits_for_no_turn(self, program, monkeypatch):
        monkeypatch.setattr(process, "_places", threading.BoundedSemaphore(1))
        cancel = Cancel()
        threading.Timer(0.1, cancel.cancel).start()

        with process._places, abandonable(cancel), pytest.raises(Cancelled):
            asked(program("return 1"))

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_a_node_that_is_abandoned_takes_its_child_along(self, program):
        cancel = Cancel()
        seen: list[int] = []
        threading.Timer(1, lambda: (seen.extend(running_children()), cancel.cancel())).start()
        began = time.monotonic()

        with abandonable(cancel), pytest.raises(Cancelled):
            asked(program("import time; time.sleep(60)"))

        assert time.monotonic() - began < 30
        assert (len(seen), running_children()) == (1, [])
