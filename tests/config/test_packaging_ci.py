"""``.ci/run`` in a copy where ``make`` and Python are stand-ins, so that its own behaviour is all that shows."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLOSING_LINE = "======= 7 passed in 0.10s ======="
JOURNEYS_CLOSING_LINE = "======= 5 passed in 0.15s ======="
CRASH_CLOSING_LINE = "======= 3 passed in 0.20s ======="
# Targets of the Makefile, and what the parts that call them are called.
OF_PROCESSES = [("test_journeys", "journeys"), ("test_crash", "crash tests")]
CLOSING_LINES = [CRASH_CLOSING_LINE, JOURNEYS_CLOSING_LINE, CLOSING_LINE]


@pytest.fixture
def project(tmp_path) -> Path:
    """A copy of ``.ci`` beside a Makefile and a Python that succeed at everything."""
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    write_makefile(tmp_path)
    write_python(tmp_path)
    return tmp_path


def write_makefile(
    project: Path, *, test: str = "true", test_journeys: str = "true", lint: str = "true", test_crash: str = "true"
) -> None:
    """Write a Makefile whose parts end as the given shell commands do."""
    (project / "Makefile").write_text(
        f"install-dev:\n\t@true\ntest:\n\t@echo 'collected 7 items'; echo '{CLOSING_LINE}'; {test}\nlint:\n\t@{lint}\n"
        f"test-journeys:\n\t@echo 'journeys $(PYTEST_ARGS)'; echo '{JOURNEYS_CLOSING_LINE}'; {test_journeys}\n"
        f"test-crash:\n\t@echo 'crash tests $(PYTEST_ARGS)'; echo '{CRASH_CLOSING_LINE}'; {test_crash}\n"
    )


def write_python(project: Path, refuses: str = "nothing at all") -> None:
    """Write a ``.venv/bin/python`` that fails when its arguments contain ``refuses``."""
    python = project / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(f'#!/bin/sh\ncase "$*" in *"{refuses}"*) exit 1;; esac\n')
    python.chmod(0o755)


def run(project: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    of_make = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTEST_ARGS"}  # This test may have been started by it.
    clean = {name: value for name, value in os.environ.items() if name not in of_make}
    return subprocess.run([project / ".ci" / "run"], cwd="/", env={**clean, **environ}, capture_output=True, text=True)


class TestRun:
    def test_ends_with_the_test_runners_closing_lines(self, project):
        done = run(project)

        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-4:] == ["Everything passed.", *CLOSING_LINES]

    def test_goes_on_after_a_failure_and_names_everything_that_failed(self, project):
        write_makefile(project, test="exit 1", lint="exit 1")

        done = run(project)

        assert done.returncode == 1
        assert "=== migrations" in done.stdout
        assert done.stdout.splitlines()[-4:] == ["Failed: tests, lint", *CLOSING_LINES]

    @pytest.mark.parametrize(
        ("refuses", "part"),
        [
            ("makemigrations --check", "migrations"),
            ("check --deploy --fail-level WARNING", "deployment"),
            ("pip check", "installed packages"),
        ],
    )
    def test_fails_when_one_check_fails(self, project, refuses, part):
        write_python(project, refuses)

        done = run(project)

        assert done.returncode == 1
        assert f"Failed: {part}\n" in done.stdout

    def test_lets_each_part_keep_what_it_has_compiled_for_the_next(self, project):
        write_makefile(project, test="echo kept$(PYTHONDONTWRITEBYTECODE)")

        assert "\nkept\n" in run(project, PYTHONDONTWRITEBYTECODE="1").stdout

    @pytest.mark.parametrize(("target", "part"), OF_PROCESSES)
    def test_tries_tests_of_real_processes_that_failed_once_more_alone(self, project, target, part):
        write_makefile(project, **{target: "test -n '$(PYTEST_ARGS)'"})

        done = run(project)

        assert done.returncode == 0, done.stdout
        assert f"{part} --last-failed" in done.stdout

    @pytest.mark.parametrize(("target", "part"), OF_PROCESSES)
    def test_fails_when_they_fail_twice(self, project, target, part):
        write_makefile(project, **{target: "exit 1"})

        assert f"Failed: {part}\n" in run(project).stdout

    def test_tests_nothing_that_could_not_be_installed(self, project):
        (project / "Makefile").write_text("install-dev:\n\t@exit 1\n")

        done = run(project)

        assert done.returncode == 1
        assert done.stdout.splitlines()[-1] == "Failed: install"

    def test_is_what_the_makefile_calls_it(self):
        text = (ROOT / ".ci" / "run").read_text()
        targets = (ROOT / "Makefile").read_text()

        assert all(
            f" {target}" in text and f"\n{target}:" in targets
            for target in ("test", "test-journeys", "test-crash", "lint", "install-dev")
        )
