"""The Makefile and what it calls, in a copy whose ``.venv`` is a stand-in that writes down what it is asked."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SAYS_WHAT_IT_IS_ASKED = '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "in $(pwd): $*"\n'


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def project(tmp_path) -> Path:
    """A folder with a space in its path, the Makefile, and nothing installed."""
    folder = tmp_path / "a folder" / "segue"
    (folder / "requirements").mkdir(parents=True)
    for name in ("Makefile", "requirements/install.sh", "requirements/base.txt", "requirements/dev.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def installed(project) -> Path:
    """The same folder with everything installed."""
    script(project / ".venv/bin/python", SAYS_WHAT_IT_IS_ASKED)
    for name in ("base", "dev"):
        shutil.copy(project / f"requirements/{name}.txt", project / f".venv/installed-{name}.txt")
    return project


def make(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    # A make that runs the tests hands its own settings on; this one is to start afresh.
    clean = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments], cwd=cwd, env={**clean, **environ}, capture_output=True, text=True
    )


class TestUp:
    def test_starts_segue_with_the_options_it_was_given(self, installed):
        done = make("up", "PORT=8001", "WORKERS=4", cwd=installed)

        assert done.stdout == f"in {installed}: manage.py up --host 127.0.0.1 --port 8001 --workers 4\n"

    def test_listens_for_this_machine_alone_whatever_the_shell_calls_its_host(self, installed):
        assert "--host 127.0.0.1 " in make("up", cwd=installed, HOST="machine.example.com").stdout

    def test_works_from_any_folder(self, installed, tmp_path):
        by_file = make("-f", str(installed / "Makefile"), "up", cwd=tmp_path)
        by_folder = make("-C", str(installed), "up", cwd=tmp_path)

        assert by_file.stdout == by_folder.stdout
        assert by_file.stdout.startswith(f"in {installed}: manage.py up")

    def test_ends_as_segue_ended(self, installed):
        script(installed / ".venv/bin/python", '#!/bin/sh\n[ "$1" = -c ] && exit 0\nexit 1\n')

        assert make("up", cwd=installed).returncode != 0


class TestDemo:
    def test_is_up_that_stops_by_itself(self, installed):
        assert make("demo", cwd=installed).stdout.endswith("--demo\n")


class TestTest:
    def test_runs_pytest_with_the_arguments_it_was_given(self, installed):
        assert make("test", "PYTEST_ARGS=tests/projects -x", cwd=installed).stdout.endswith(
            ": -m pytest -m not journey and not crash and not chaos tests/projects -x\n"
        )

    def test_leaves_to_another_target_what_starts_a_whole_segue(self, installed):
        assert make("test-journeys", "PYTEST_ARGS=-x", cwd=installed).stdout.endswith(
            ": -m pytest -m journey and not crash and not chaos -x\n"
        )

    def test_leaves_to_another_target_what_kills_servers(self, installed):
        assert make("test-crash", "PYTEST_ARGS=-x", cwd=installed).stdout.endswith(": -m pytest -m crash or chaos -x\n")


class TestChaos:
    def test_passes_its_options_on(self, installed):
        assert make("chaos", "CHAOS_ARGS=--seed 7 --executions 500", cwd=installed).stdout.endswith(
            ": -m tests.chaos --seed 7 --executions 500\n"
        )


class TestClean:
    def test_leaves_the_data_alone(self, installed):
        data = installed / "var" / "segue.sqlite3"
        data.parent.mkdir()
        data.write_bytes(b"data")

        make("clean", cwd=installed)

        assert data.exists()
        assert not (installed / ".venv").exists()


class TestInstall:
    def test_does_nothing_when_the_lock_is_installed(self, installed):
        assert make("install", cwd=installed).stdout == ""

    def test_installs_by_hash_when_the_lock_has_changed(self, installed):
        (installed / "requirements/base.txt").write_text("other==1 --hash=sha256:00\n")

        done = make("install", cwd=installed)

        assert "-m pip install" in done.stdout
        assert "--require-hashes -r requirements/base.txt" in done.stdout
        assert make("install", cwd=installed).stdout == ""

    def test_tries_again_after_a_failure(self, installed):
        (installed / "requirements/base.txt").write_text("other==1 --hash=sha256:00\n")
        script(installed / ".venv/bin/python", '#!/bin/sh\ncase "$*" in *install*) exit 1;; esac\n')

        for _ in range(2):
            assert "could not be installed" in make("install", cwd=installed).stderr

    def test_makes_the_environment_anew_when_its_python_is_gone(self, installed, tmp_path):
        script(installed / ".venv/bin/python", "#!/nowhere/python3\n")
        python = script(tmp_path / "bin/python3.11", SAYS_WHAT_IT_IS_ASKED)

        done = make("install", f"PYTHON={python}", cwd=installed)

        assert "-m venv --clear .venv" in done.stdout

    def test_says_that_python_is_too_old(self, project, tmp_path):
        script(tmp_path / "bin/python3", '#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit\nexit 1\n')

        done = make("up", "PYTHON=", cwd=project, PATH=f"{tmp_path / 'bin'}:{essentials(tmp_path)}")

        assert done.returncode != 0
        assert "Segue needs Python 3.11 or newer; found: Python 3.9.2" in done.stderr
        assert "apt install python3" in done.stderr

    def test_says_that_there_is_no_python(self, project, tmp_path):
        done = make("up", "PYTHON=", cwd=project, PATH=str(essentials(tmp_path)))

        assert "Segue needs Python 3.11 or newer; found: none" in done.stderr

    def test_says_that_python_cannot_make_environments(self, project, tmp_path):
        no_venv = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\n'
        python = script(tmp_path / "bin/python3.11", no_venv)

        done = make("up", f"PYTHON={python}", cwd=project)

        assert done.returncode != 0
        assert "apt install python3-venv" in done.stderr
        assert not (project / ".venv").exists()


def essentials(tmp_path: Path) -> Path:
    """Return a folder for the PATH with the few tools that are not Python."""
    folder = tmp_path / "essentials"
    folder.mkdir()
    for tool in ("sh", "make", "sed", "dirname", "cmp", "cp"):
        (folder / tool).symlink_to(shutil.which(tool))
    return folder
