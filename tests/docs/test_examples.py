"""What the documentation shows is what happens: its definitions are valid, its commands run and print what it says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs import shell
from tests.docs.pages import ROOT, Block, blocks, commands, pages
from tests.installation import Installation
from workflows.definition.validation import check
from workflows.expressions import shared_evaluator
from workflows.nodes.base import catalogue
from workflows.nodes.loading import load

# Definitions as files that a page writes: cat > name.json <<'JSON'.
HEREDOC = re.compile(r"^cat > \S+\.json <<'JSON'\n(?P<text>.*?)^JSON$", re.MULTILINE | re.DOTALL)
# By name, whether they are secret: the variables that definitions in the documentation use.
VARIABLES = {
    "FREE_FROM": False,
    "CLIENT_SECRET": True,
    "SHOP": False,
    "SHOP_KEY": True,
    "SPREADSHEET_ID": False,
    "SERVICE_ACCOUNT": True,
}

load()


def definitions() -> list[Any]:
    """Return every JSON text with nodes, by the place where it stands."""
    found = []
    for page in pages():
        if page.name == "definition.md" or "examples" in page.parts:
            continue  # They have tests of their own: single nodes, and what needs the example's package.
        for block in blocks(page):
            texts = [here["text"] for here in HEREDOC.finditer(block.text)] if block.language == "sh" else [block.text]
            found += [pytest.param(text, id=block.place) for text in texts if '"nodes"' in text]
    return found


def pages_with_commands() -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages() if commands(page)]


class TestDefinitions:
    @pytest.mark.parametrize("text", definitions())
    def test_can_be_published(self, text: str) -> None:
        problems = check(
            json.loads(text),
            node_types=catalogue(),
            variables=VARIABLES,
            compile=shared_evaluator().check,
            execution_timeout_seconds=3600,
        )

        assert problems == []


@pytest.mark.journey
class TestCommands:
    @pytest.mark.parametrize("page", pages_with_commands())
    def test_print_what_the_page_says(self, page: Path, segue: Installation, tmp_path: Path) -> None:
        run = commands(page)

        printed = shell.run(run, segue, folder=tmp_path)

        different = [
            f"{block.place} says:\n{block.output}\nbut it was:\n{text}"
            for block, text in zip(run, printed, strict=True)
            if block.output is not None and not shell.matches(text, block.output)
        ]
        assert not different, "\n\n".join(different)


class TestMatches:
    """The judge of all the others: what it lets pass, and what it does not."""

    @pytest.mark.parametrize(
        ("printed", "expected"),
        [
            ('{"to_pay": 108}\n', '{"to_pay": 108}'),
            ('{"code": "invalid", "message": "No."}', '{"code": "invalid", …}'),
            ("01a20941-cdc7-7645-bd32-448c0e08d722 completed", "01a20933-60f5-70f2-9f38-9482268e6dae completed"),
            ("at 2026-11-23T16:35:10Z", "at 2025-01-01T00:00:00+01:00"),
            ("completed in 1.25 s", "completed in 0.00 s"),
        ],
    )
    def test_lets_pass_what_differs_from_run_to_run(self, printed: str, expected: str) -> None:
        assert shell.matches(printed, expected)

    @pytest.mark.parametrize(
        ("printed", "expected"),
        [
            ('{"to_pay": 109}', '{"to_pay": 108}'),
            ("one\ntwo", "one"),
            ('{"code": "conflict", "message": "No."}', '{"code": "invalid", …}'),
            ("01a20941-cdc7-7645-bd32-448c0e08d722 failed", "01a20933-60f5-70f2-9f38-9482268e6dae completed"),
        ],
    )
    def test_does_not_let_pass_anything_else(self, printed: str, expected: str) -> None:
        assert not shell.matches(printed, expected)


@pytest.mark.journey
class TestRun:
    def test_stops_at_a_command_that_fails_and_says_where(self, segue: Installation, tmp_path: Path) -> None:
        broken = Block(ROOT / "README.md", line=1, language="sh", text="echo before\nfalse\necho after\n")

        with pytest.raises(shell.CommandFailed, match=r"README.md:1 failed:(?s:.*)before\n$"):
            shell.run([broken], segue, folder=tmp_path)
