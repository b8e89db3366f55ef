"""What must not appear in the source at all, and who may import whom."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.environment import ROOT

APPS = ("config", "projects", "workflows", "executions", "triggers", "templates_app")
FILES = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]


@dataclass(frozen=True)
class Source:
    """One file of ours, parsed."""

    path: str
    tree: ast.Module

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def imports(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


SOURCES = [Source(str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in FILES]


def found(sources: list[Source], look: object) -> list[str]:
    """Return the places where ``look(call)`` holds."""
    return [f"{source.path}:{call.lineno}" for source in sources for call in source.calls() if look(call)]


def called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(attr=name):
            return name
    return ""


def allowed(path: str, places: tuple[str, ...]) -> bool:
    return path.startswith(places)


def test_imports_run_one_way():
    """The contracts of pyproject.toml, checked by import-linter."""
    linter = Path(sys.executable).parent / "lint-imports"

    result = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stdout + result.stderr


class TestCelery:
    """R-9: Celery carries bells; whatever waits, repeats or follows is a row."""

    def test_is_given_no_time_and_no_repetition(self):
        forbidden = {"eta", "countdown"}

        assert not found(SOURCES, lambda call: forbidden & {keyword.arg for keyword in call.keywords})

    def test_composes_nothing(self):
        composed = {"celery.chain", "celery.chord", "celery.group", "celery.canvas", "celery.result"}

        assert not [source.path for source in SOURCES if composed & set(source.imports())]

    def test_repeats_nothing(self):
        def is_retry(call: ast.Call) -> bool:
            return isinstance(call.func, ast.Attribute) and call.func.attr == "retry"

        tasks = [source for source in SOURCES if source.path.endswith("tasks.py")]
        assert tasks
        assert not found(tasks, is_retry)

    def test_keeps_no_results(self, settings):
        assert settings.CELERY_RESULT_BACKEND is None
        assert settings.CELERY_TASK_IGNORE_RESULT is True

    def test_speaks_json_alone(self, settings):
        """S-CODE-3."""
        assert settings.CELERY_ACCEPT_CONTENT == ["json"]


class TestDangerousThings:
    """S-CODE-2, S-CODE-3: nothing that comes from outside becomes code, a command or a type."""

    # Who runs other programs, and why: the supervisor is what starts Segue's own; the sandbox starts its evaluator; libraries
    # that read what strangers sent have a process each time; the MCP client starts what the operator's settings name, and nothing else.
    PROCESSES = (
        "config/supervisor/",
        "workflows/expressions/",
        "workflows/isolated/process.py",
        "workflows/tools/mcp/stdio.py",
    )

    def test_no_text_becomes_code(self):
        def is_evaluation(call: ast.Call) -> bool:
            return isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec", "__import__"}

        assert not found(SOURCES, is_evaluation)

    @pytest.mark.parametrize("module", ["pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"])
    def test_no_bytes_become_objects(self, module):
        assert not [source.path for source in SOURCES if module in set(source.imports())]

    def test_yaml_is_read_without_types(self):
        def is_unsafe(call: ast.Call) -> bool:
            return ast.unparse(call.func) in {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"}

        assert not found(SOURCES, is_unsafe)

    def test_no_programs_are_started_but_our_own(self):
        others = [source for source in SOURCES if not allowed(source.path, self.PROCESSES)]

        assert not [
            source.path for source in others if {"subprocess", "pty", "multiprocessing"} & set(source.imports())
        ]
        starts = {"os.system", "os.popen", "os.execv", "os.execve", "os.execvp", "os.spawnv", "os.fork"}
        assert not found(others, lambda call: ast.unparse(call.func) in starts)

    def test_no_shell_is_asked(self):
        assert not found(SOURCES, lambda call: "shell" in {keyword.arg for keyword in call.keywords})

    def test_no_text_becomes_trusted_html(self):
        """S-UI: what is marked safe is written here, or comes from the one function that draws and escapes, and what calls it."""

        def is_trusting(call: ast.Call) -> bool:
            if called_name(call) not in {"mark_safe", "SafeString"} or not call.args:
                return False
            text = call.args[0]
            return not (
                isinstance(text, ast.Constant)
                or (isinstance(text, ast.Call) and called_name(text) in {"draw", "picture_of"})
            )

        assert not found(SOURCES, is_trusting)


class TestQueries:
    """S-CODE-1: keys and SQL come from us, never from a request."""

    LOOKUPS = {"filter", "exclude", "get", "update", "order_by", "values", "values_list", "annotate", "extra", "raw"}
    FROM_OUTSIDE = ("request.", "query_params", ".GET", ".POST", "cleaned_data", "validated_data")

    def test_no_keys_of_a_request_become_lookups(self):
        def takes_keys(call: ast.Call) -> bool:
            spread = [keyword.value for keyword in call.keywords if keyword.arg is None]
            spread += [argument.value for argument in call.args if isinstance(argument, ast.Starred)]
            texts = [ast.unparse(value) for value in spread]
            return called_name(call) in self.LOOKUPS and any(
                sign in text for text in texts for sign in self.FROM_OUTSIDE
            )

        assert not found(SOURCES, takes_keys)

    def test_no_text_is_built_into_sql(self):
        def is_constant(part: ast.expr) -> bool:
            is_name = (
                isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name) and part.value.id.isupper()
            )
            return isinstance(part, ast.Constant) or is_name

        def is_built(call: ast.Call) -> bool:
            if called_name(call) not in {"execute", "executemany", "raw", "RawSQL"} or not call.args:
                return False
            text = call.args[0]
            if isinstance(text, ast.JoinedStr):
                return not all(is_constant(part) for part in text.values)
            return isinstance(text, ast.BinOp)

        assert not found(SOURCES, is_built)

    def test_nobody_filters_by_project_but_access(self):
        """The one place; see ``projects.access.scope``."""

        def is_membership(call: ast.Call) -> bool:
            names = {keyword.arg or "" for keyword in call.keywords}
            return called_name(call) == "filter" and any(
                "members__user" in name or "memberships" in name for name in names
            )

        others = [source for source in SOURCES if source.path != "projects/access.py"]
        assert not found(others, is_membership)


class TestClocks:
    """Times are aware, and come from Django or the database."""

    def test_nobody_asks_for_a_naive_time(self):
        def is_naive(call: ast.Call) -> bool:
            text = ast.unparse(call.func)
            return text.endswith(("datetime.utcnow", "datetime.today")) or (
                text.endswith("datetime.now") and not call.args and not call.keywords
            )

        assert not found(SOURCES, is_naive)


class TestSecrets:
    def test_tokens_and_digests_are_compared_in_constant_time(self):
        """S-API-1, S-WH-3: ``==`` on a digest tells how much of it was right."""
        suspicious = ("digest", "signature", "secret")

        def compares(node: ast.AST) -> bool:
            if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
                return False
            sides = [node.left, *node.comparators]
            # A hash of what everybody may see protects nothing.
            if any(isinstance(side, ast.Constant) or "content_hash" in ast.unparse(side) for side in sides):
                return False
            return any(ast.unparse(side).rpartition(".")[2] in suspicious for side in sides)

        places = [
            f"{source.path}:{node.lineno}" for source in SOURCES for node in ast.walk(source.tree) if compares(node)
        ]
        assert not places


class TestTheCheckItself:
    """Each of the looks above finds what it looks for."""

    @pytest.mark.parametrize(
        ("text", "name"),
        [("task.apply_async(countdown=5)", "countdown"), ("f(eta=now)", "eta")],
    )
    def test_keywords_are_seen(self, text, name):
        source = Source("x.py", ast.parse(text))

        assert found([source], lambda call: name in {keyword.arg for keyword in call.keywords}) == ["x.py:1"]

    @pytest.mark.parametrize(
        "text",
        ["import subprocess", "from subprocess import run", "import subprocess as s", "from celery import chain"],
    )
    def test_imports_are_seen(self, text):
        names = set(Source("x.py", ast.parse(text)).imports())

        assert names & {"subprocess", "celery.chain"}


def test_nothing_reads_the_machines_clock_past_djangos_function():
    """F14: what must hold whatever a worker's clock says uses the database's or a steady one; ``timezone.now`` is for the rest."""
    clocks = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

    assert not found(SOURCES, lambda call: ast.unparse(call.func) in clocks)
