"""The pages of the documentation, taken apart: their fenced blocks, their headings, their links.

- ``sh`` blocks are run, page by page and in order (test_examples).
- A ``text`` or ``json`` block right after one is what it prints; ``…`` in it stands for anything.
- ``json`` blocks with nodes are definitions, and valid.
- ``console`` blocks are commands that a test cannot run; that they exist is checked (test_reference).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Pages whose commands say "with the shell functions of the quickstart" begin with its first block.
QUICKSTART = ROOT / "docs" / "quickstart.md"

_FENCED = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^()\s]+)\)|src=\"(?P<source>[^\"]+)\"")
_HEADING = re.compile(r"^#+ +(?P<text>.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block. ``output`` is the block right after it, if that says what it prints."""

    page: Path
    line: int
    language: str
    text: str
    output: str | None = None

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return every page of the project."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md"]


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks, in order."""
    text = page.read_text(encoding="utf-8")
    found = list(_FENCED.finditer(text))
    return [
        Block(
            page=page,
            line=text.count("\n", 0, here.start()) + 1,
            language=here["language"],
            text=here["text"],
            output=_output(text, here, after),
        )
        for here, after in zip_longest(found, found[1:])
    ]


def commands(page: Path) -> list[Block]:
    """Return the blocks of a page that are run; first of all those that it takes from the quickstart."""
    own = [block for block in blocks(page) if block.language == "sh"]
    borrows = own and page != QUICKSTART and "shell functions of the quickstart" in prose(page)
    return [commands(QUICKSTART)[0], *own] if borrows else own


def links(page: Path) -> list[str]:
    """Return where a page's links lead, and where its pictures are."""
    return [found["target"] or found["source"] for found in _LINK.finditer(prose(page))]


def anchors(page: Path) -> set[str]:
    """Return the names by which GitHub knows a page's headings."""
    return {_anchor(found["text"]) for found in _HEADING.finditer(_FENCED.sub("", page.read_text(encoding="utf-8")))}


def prose(page: Path) -> str:
    """Return a page without its code."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return re.sub(r"`[^`\n]*`", "", text)


def _output(text: str, here: re.Match[str], after: re.Match[str] | None) -> str | None:
    if here["language"] != "sh" or after is None or after["language"] not in {"text", "json"}:
        return None
    return after["text"] if not text[here.end() : after.start()].strip() else None


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.lower())
    return words.replace(" ", "-")
