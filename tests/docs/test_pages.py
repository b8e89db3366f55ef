"""How pages are taken apart."""

from __future__ import annotations

import pytest

from tests.docs import pages

PAGE = """# A page: with `code` and (more)

[here](other.md#there) and `[not](a-link.md)` and <img src="images/x.svg" width="10">

```sh
echo "[not](a-link.md)"
```

```text
[not](a-link.md)
```

Words.

```text
no output
```

```sh
echo a
```

Words.

```text
no output either
```
"""


@pytest.fixture
def page(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(PAGE)
    return file


class TestBlocks:
    def test_know_what_they_print_only_from_the_block_right_after_them(self, page):
        found = [(block.language, block.output) for block in pages.blocks(page)]

        assert found == [("sh", "[not](a-link.md)\n"), ("text", None), ("text", None), ("sh", None), ("text", None)]

    def test_know_where_they_stand(self, page):
        assert [block.line for block in pages.blocks(page)] == [5, 9, 15, 19, 25]


class TestLinks:
    def test_are_those_outside_of_code_and_pictures(self, page):
        assert pages.links(page) == ["other.md#there", "images/x.svg"]


class TestAnchors:
    def test_are_githubs(self, page):
        assert pages.anchors(page) == {"a-page-with-code-and-more"}


class TestCommands:
    def test_begin_with_the_quickstarts_shell_where_the_page_says_so(self, page):
        page.write_text(f"The shell functions of the quickstart are needed.\n\n{PAGE}")

        texts = [block.text for block in pages.commands(page)]

        assert texts[0].startswith("SEGUE=http://127.0.0.1:8000\n")
        assert texts[1:] == ['echo "[not](a-link.md)"\n', "echo a\n"]
