"""docs/how-to/test-agents.md against the provider: its tables leave nothing out and invent nothing, its scripts are valid."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT, blocks
from workflows.fake_provider.answers import Answer, Failure, ToolCall, Usage
from workflows.fake_provider.fixtures import VOLATILE
from workflows.fake_provider.ledger import MAX_REQUESTS
from workflows.fake_provider.script import Rule, Script, When, parse_script

PAGE = ROOT / "docs" / "how-to" / "test-agents.md"
TEXT = PAGE.read_text(encoding="utf-8")
PARTS = {
    "script": Script,
    "rule": Rule,
    "when": When,
    "answer": Answer,
    "tool call": ToolCall,
    "usage": Usage,
    "error": Failure,
}


def rows(table: str) -> dict[str, list[str]]:
    """Return the cells behind each name of a table, by its heading."""
    found = re.search(rf"^\| {table} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found, f"there is no table {table!r}"
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]
    return {name.strip("`"): others for name, *others in lines}


class TestTables:
    @pytest.mark.parametrize("name", PARTS)
    def test_have_every_name_and_no_other(self, name):
        assert set(rows(name)) == {field.alias or key for key, field in PARTS[name].model_fields.items()}

    def test_have_the_defaults(self):
        fields = Answer.model_fields
        told = {name: cells[0].strip("`") for name, cells in rows("answer").items() if cells[0].startswith("`")}

        assert told == {name: json.dumps(fields[name].default) for name in told}
        assert {"chunk_chars", "hang"} <= set(told)


class TestScripts:
    @pytest.mark.parametrize(
        "text", [pytest.param(block.text, id=block.place) for block in blocks(PAGE) if block.language == "json"]
    )
    def test_are_valid(self, text):
        assert parse_script(json.loads(text)) != Script()

    def test_in_python_runs(self, tmp_path):
        (text,) = [block.text for block in blocks(PAGE) if block.language == "python"]
        file = tmp_path / "example.py"
        file.write_text(text)

        done = subprocess.run(
            [sys.executable, file],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr


class TestNumbersAndNames:
    def test_are_those_of_the_source(self):
        assert f"The newest {MAX_REQUESTS:,} are kept." in TEXT
        assert set(re.findall(r"`(\w+)`", re.search(r"nor do (.*?)\.", TEXT, re.DOTALL)[1])) == VOLATILE
