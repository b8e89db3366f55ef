"""``manage.py up`` as people meet it: a copy of the project in a folder of its own, and real processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.supervisor.folder import Folder
from config.supervisor.loopback import NoAnswer, ask
from tests.environment import known_names

pytestmark = [pytest.mark.journey, pytest.mark.crash]

ROOT = Path(__file__).resolve().parents[2]
CODE = ["manage.py", ".env.example", "config", "projects", "workflows", "executions", "triggers", "templates_app"]

# From a command to what it says, on a small machine that is busy with other tests.
PATIENCE_SECONDS = 180


class Up:
    """One ``manage.py up`` and what it has said so far."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if name not in known_names()}
        self._output = (folder / "output").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", "0", *arguments],
            cwd=folder,
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    @property
    def said(self) -> str:
        return (self.folder / "output").read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it has said something like this."""
        until(lambda: re.search(pattern, self.said) or self.process.poll() is not None, lambda: self.said)
        found = re.search(pattern, self.said)
        assert found, self.said
        return found

    @property
    def url(self) -> str:
        return self.wait_for(r"Segue is up at (\S+)")[1]

    def end(self) -> int:
        """Wait until it ends by itself, and return its exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        self._output.close()
        return code

    def descendants(self) -> dict[int, str]:
        """Return the command of every process below it, by its id."""
        rows = [row.split(maxsplit=2) for row in ps("-ww", "-eo", "pid=,ppid=,args=").splitlines()]
        below = {self.process.pid}
        for _ in rows:
            below |= {int(pid) for pid, parent, _ in rows if int(parent) in below}
        return {int(pid): command for pid, _, command in rows if int(pid) in below - {self.process.pid}}

    def program(self, words: str) -> int:
        """Return the id of the oldest process below it whose command has these words."""
        return min(pid for pid, command in self.descendants().items() if words in command)


def ps(*arguments: str) -> str:
    return subprocess.run(["ps", *arguments], capture_output=True, text=True, check=True).stdout


def until(condition: Callable[[], object], explain: Callable[[], str] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.1)


def living(pids: dict[int, str]) -> dict[int, str]:
    """Return those of the processes that still run; a dead one that nobody has asked about does not."""
    rows = dict(row.split(maxsplit=1) for row in ps("-eo", "pid=,stat=").splitlines())
    return {pid: command for pid, command in pids.items() if not rows.get(str(pid), "Z").startswith("Z")}


def copy_code(folder: Path) -> Path:
    """Put the code into a folder, with .env.example as its .env."""
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    shutil.copy(ROOT / ".env.example", folder / ".env")
    return folder


@pytest.fixture
def fresh_folder(tmp_path) -> Path:
    """The code in a folder where nothing has been started, with a space in its path."""
    (tmp_path / "a folder").mkdir()
    return copy_code(tmp_path / "a folder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The code in a folder where others may have been started, so that most of the work is done."""
    return copy_code(tmp_path_factory.mktemp("segue"))


@contextlib.contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Up]:
    """Start ``up`` in the folder, and leave nothing of it behind."""
    up = Up(folder, *arguments)
    try:
        yield up
    finally:
        left = up.descendants()
        up.process.kill()
        up.end()
        until(lambda: not living(left), lambda: str(living(left)))


class TestDemo:
    def test_proves_itself_at_the_first_start_and_keeps_the_data_for_the_second(self, fresh_folder):
        with running(fresh_folder, "--demo") as first:
            assert first.end() == 0, first.said
        password = re.search(r"Sign in as admin with the password (\S+)", first.said)
        assert password
        assert "completed in" in first.said

        with running(fresh_folder, "--demo") as second:
            assert second.end() == 0, second.said
        assert "completed in" in second.said
        assert password[1] not in second.said
        assert "manage.py changepassword admin" in second.said
        assert not any(
            password[1] in path.read_text(errors="replace") for path in (fresh_folder / "var" / "log").iterdir()
        )


@pytest.fixture(scope="class")
def up(folder) -> Iterator[Up]:
    """One that is up, for tests that leave it so."""
    with running(folder) as up:
        up.wait_for("Segue is up at")
        yield up


class TestUp:
    @pytest.mark.parametrize("words", ["gunicorn", "celery -A config worker", "celery -A config beat", "valkey-server"])
    def test_starts_again_what_was_killed(self, up, words):
        victim = up.program(words)

        os.kill(victim, signal.SIGKILL)

        until(lambda: any(words in command for pid, command in up.descendants().items() if pid != victim))
        # Callers wait while the web server starts; they are not refused.
        assert ask("GET", f"{up.url}/health/", timeout_seconds=60).status == 200

    def test_answers(self, up):
        assert ask("GET", f"{up.url}/health/ready/").status == 200
        assert ask("GET", f"{up.url}/api/schema/?format=json").status == 200

    def test_tells_a_second_one_that_it_is_there(self, up):
        second = subprocess.run(
            [sys.executable, "manage.py", "up"], cwd=up.folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS
        )

        assert second.returncode == 1
        assert f"Segue is running in this folder already: process {up.process.pid}" in second.stderr


class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_stops_everything_when_it_is_asked_to(self, folder, number):
        with running(folder) as up:
            url = up.url
            everything = up.descendants()

            up.process.send_signal(number)

            assert up.end() == 0
            assert len(everything) >= 6
            assert not living(everything)
            assert not Folder(folder).broker_socket.parent.exists()
            with pytest.raises(NoAnswer):
                ask("GET", f"{url}/health/")

    @pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells children of their parent's death.")
    def test_takes_everything_along_when_it_is_killed(self, folder):
        with running(folder) as up:
            up.wait_for("Segue is up at")
            everything = up.descendants()

            up.process.kill()

            until(lambda: not living(everything), lambda: str(living(everything)))
