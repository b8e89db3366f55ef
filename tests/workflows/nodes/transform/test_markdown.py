"""Markdown: of pages for models, and HTML of what models answer."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given

from tests.workflows.nodes.runs import node_type
from tests.workflows.nodes.transform.stepping import failure, in_processes, result, some_of
from workflows.isolated.process import Limits
from workflows.nodes.base import Effect
from workflows.nodes.transform import documents


def html(text, **settings):
    return result(text, "build_html", **settings)


def markdown(page, **settings):
    return result(page, "build_markdown", **settings)


class TestBuildHtml:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("", ""),
            ("# Größe", "<h1>Größe</h1>\n"),
            ("*a* **b** `c` ~~d~~", "<p><em>a</em> <strong>b</strong> <code>c</code> <s>d</s></p>\n"),
            ("a\nb", "<p>a\nb</p>\n"),
            ("a  \nb", "<p>a<br />\nb</p>\n"),
            ("```python\na < b\n```", '<pre><code class="language-python">a &lt; b\n</code></pre>\n'),
            ("1. a\n2. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n"),
            ("![it](/i.png)", '<p><img src="/i.png" alt="it" /></p>\n'),
            ("> a", "<blockquote>\n<p>a</p>\n</blockquote>\n"),
            ("<https://example.com>", '<p><a href="https://example.com">https://example.com</a></p>\n'),
        ],
    )
    def test_is_what_commonmark_says(self, text, expected):
        assert html(text) == expected

    def test_has_tables(self):
        assert "<td>4</td>" in html("| a | b |\n| --- | --- |\n| 3 | 4 |")

    def test_breaks_lines_if_it_is_told_to(self):
        assert html("a\nb", breaks=True) == "<p>a<br />\nb</p>\n"

    @pytest.mark.parametrize(
        "text",
        [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[a](javascript:alert(1))",
            "[a](JaVaScRiPt&colon;alert(1))",
            "![a](vbscript:x)",
            "[a](data:text/html;base64,PHNjcmlwdD4=)",
            "<javascript:alert(1)>",
            '[a](/x "\\" onmouseover=alert(1) \\"")',
            "[a]: javascript:alert(1)\n\n[a]",
        ],
    )
    def test_never_runs_anything(self, text):
        written = html(text).lower()

        assert "<script" not in written
        assert "<img src=x" not in written
        assert not any(f'="{scheme}' in written for scheme in ("javascript", "vbscript", "data"))
        assert '" onmouseover' not in written

    @given(some_of("ab *_`#>-+1.[]()!|\n\\<&:~"))
    @in_processes
    def test_any_text_is_markdown(self, texts):
        assert all(isinstance(each, str) for each in html(texts))


class TestBuildMarkdown:
    @pytest.mark.parametrize(
        ("page", "expected"),
        [
            ("", ""),
            ("no page", "no page"),
            ("<h2>A</h2><p>b <b>c</b> <i>d</i></p>", "## A\n\nb **c** *d*"),
            ("<a href='/x'>y</a>", "[y](/x)"),
            ("<img src=i.png alt=it>", "![it](i.png)"),
            ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
            ("<pre><code class='language-python'>a = 1\nb</code></pre>", "```python\na = 1\nb\n```"),
            ("<title>T</title><style>x</style><script>y</script><p>z", "z"),
            ("<p>Gr&ouml;&szlig;e", "Größe"),
        ],
    )
    def test_keeps_what_a_page_says(self, page, expected):
        assert markdown(page) == expected

    def test_keeps_tables(self):
        page = "<table><tr><th>n<th>p<tr><td>tea<td>4</table>"

        rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in markdown(page).splitlines()]
        assert (rows[0], rows[2]) == (["n", "p"], ["tea", "4"])

    def test_reads_bytes_as_the_page_says(self):
        data = base64.b64encode("<meta charset=iso-8859-1><p>Größe".encode("iso-8859-1")).decode()

        assert markdown(data, encoded="base64") == "Größe"

    def test_works_on_each_item_in_one_process(self, monkeypatch):
        asked = []
        ask = documents.ask
        monkeypatch.setattr(documents, "ask", lambda *given, **more: asked.append(given) or ask(*given, **more))
        items = [{"page": f"<h1>{number}"} for number in range(100)]

        assert markdown(items, field="page")[99] == {"page": "# 99"}
        assert len(asked) == 1

    def test_what_it_made_becomes_html_again(self):
        page = "<h1>A</h1>\n<p>b <strong>c</strong></p>\n<ul>\n<li>d</li>\n</ul>\n"

        assert html(markdown(page)) == page

    @given(some_of("<>/ab \"'=&;!-pliu"))
    @in_processes
    def test_any_text_is_a_page(self, pages):
        assert all(isinstance(each, str) for each in markdown(pages))


class TestLimits:
    @pytest.mark.parametrize(
        ("operation", "code"), [("build_html", "markdown_too_large"), ("build_markdown", "html_too_large")]
    )
    def test_hold_for_what_goes_in(self, monkeypatch, operation, code):
        monkeypatch.setattr(documents, "MAX_BYTES_EACH", 10)

        error = failure(["a", "a" * 11], operation)

        assert (error.code, error.details["item"]) == (code, 1)

    @pytest.mark.parametrize(
        ("operation", "code"), [("build_html", "markdown_too_large"), ("build_markdown", "html_too_large")]
    )
    def test_hold_for_what_comes_out(self, monkeypatch, operation, code):
        monkeypatch.setattr(documents, "MAX_CHARS", 30)

        error = failure(["a" * 10, "a" * 30], operation)

        assert (error.code, error.details["item"]) == (code, 1)

    def test_hold_for_all_together(self, monkeypatch):
        monkeypatch.setattr(documents, "MAX_BYTES", 10)

        assert failure(["a" * 6, "a" * 6], "build_html").code == "markdown_too_large"

    @pytest.mark.parametrize(
        ("operation", "value"),
        [
            ("build_html", "[" * 200_000),
            ("build_html", "*a_" * 200_000),
            ("build_markdown", "<a " + " ".join(f"a{number}=1" for number in range(300_000)) + ">x"),
        ],
        ids=["brackets", "emphasis", "attributes"],
    )
    def test_hold_for_what_was_made_to_take_long(self, monkeypatch, operation, value):
        monkeypatch.setattr(documents, "LIMITS", Limits(cpu_seconds=1))

        assert failure(value, operation).code in ("html_too_large", "markdown_too_large")

    @pytest.mark.parametrize(
        ("operation", "value"),
        [
            ("build_html", "> " * 100_000 + "a"),
            ("build_html", "- " * 10_000 + "a"),
            ("build_markdown", "<div>" * 200_000),
            ("build_markdown", "<b>" * 200_000 + "x"),
            ("build_markdown", "<table><tr><td>" * 20_000),
        ],
        ids=["quotes", "lists", "blocks", "letters", "tables"],
    )
    def test_leave_room_for_what_is_nested_deep(self, operation, value):
        assert isinstance(result(value, operation), str)


class TestNode:
    @pytest.mark.parametrize("operation", ["build_html", "build_markdown"])
    def test_does_it_beside_others(self, operation):
        assert node_type("transform").effect({"steps": [{"operation": operation}]}) is Effect.READ
