"""The Dockerfile, read line by line. Building it needs a container engine, which tests do without."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]


def of(kind: str) -> list[str]:
    return [text for name, text in INSTRUCTIONS if name == kind]


def is_ignored(name: str) -> bool:
    return any(fnmatch(name, pattern.removeprefix("**/")) for pattern in IGNORED)


class TestDockerfile:
    def test_leaves_the_tools_that_build_behind(self):
        assert of("FROM") == ["python:3.11-slim AS build", "python:3.11-slim"]

    def test_copies_what_exists_and_is_not_ignored(self):
        for sources in (copy.split()[:-1] for copy in of("COPY") if not copy.startswith("--from")):
            for source in sources:
                assert (ROOT / source).exists(), source
                assert not is_ignored(source), source

    def test_installs_by_hash_before_the_code_comes_so_that_a_change_of_code_builds_fast(self):
        order = [text for name, text in INSTRUCTIONS if name in {"RUN", "COPY"}]
        install = next(text for text in order if "pip install" in text)

        assert "--require-hashes -r requirements/base.txt" in install
        assert order.index(install) < order.index(". .")

    def test_collects_the_static_files(self):
        assert any("manage.py collectstatic --noinput" in step for step in of("RUN"))

    def test_runs_as_a_user_that_owns_nothing(self):
        last_stage = INSTRUCTIONS[[name for name, _ in INSTRUCTIONS].index("FROM", 1) :]

        assert ("USER", "segue") in last_stage
        assert not any("chown" in text for _, text in last_stage)
        assert last_stage.index(("USER", "segue")) > max(
            index for index, (name, _) in enumerate(last_stage) if name in {"RUN", "COPY"}
        )


class TestDockerignore:
    @pytest.mark.parametrize("name", [".env", ".env.production", ".git", ".venv", "var", "tests"])
    def test_keeps_secrets_data_and_history_out(self, name):
        assert is_ignored(name)

    @pytest.mark.parametrize(
        "name", ["manage.py", "config", "projects", "workflows", "executions", "triggers", "templates_app"]
    )
    def test_lets_the_code_in(self, name):
        assert not is_ignored(name)
