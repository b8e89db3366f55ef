"""Links between pages lead somewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests.docs.pages import ROOT, anchors, links, pages

DOCS = ROOT / "docs"


def relative_links() -> list[Any]:
    return [
        pytest.param(page, target, id=f"{page.relative_to(ROOT)}:{target}")
        for page in pages()
        for target in links(page)
        if not target.startswith(("http://", "https://", "mailto:"))
    ]


@pytest.mark.parametrize(("page", "target"), relative_links())
def test_a_relative_link_leads_to_a_file_and_a_heading_of_it(page: Path, target: str) -> None:
    path, _, anchor = unquote(target).partition("#")
    file = (page.parent / path).resolve() if path else page

    assert file.exists(), f"There is no {path}."
    assert file.is_relative_to(ROOT), "It leads out of the project."
    assert not anchor or anchor in anchors(file), f"{file.name} has no heading #{anchor}."


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.relative_to(DOCS))) for page in DOCS.rglob("*.md")])
def test_every_page_of_the_documentation_is_in_its_index(page: Path) -> None:
    index = DOCS / "README.md"
    listed = {(DOCS / target.partition("#")[0]).resolve() for target in links(index)}

    assert page == index or page in listed


def test_every_picture_is_shown_somewhere() -> None:
    shown = {(page.parent / target).resolve() for page in pages() for target in links(page)}

    assert set((DOCS / "images").iterdir()) <= shown
