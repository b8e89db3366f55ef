"""HTML: what selectors find is what a browser finds, and no page keeps a worker."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given

from tests.workflows.nodes.transform.stepping import failure, in_processes, problems, result, some_of
from workflows.isolated.process import Limits, ask
from workflows.nodes.transform import documents, extract_html
from workflows.nodes.transform.batch import MAX_ITEMS

PAGE = """<!DOCTYPE html>
<html lang="en"><head><title>Shop</title><style>p { color: red }</style></head>
<body>
<div id="main" class="wide page">
  <h1>Tea &amp; more</h1>
  <ul class="list">
    <li class="item new" data-id="1"><a href="/a">Green</a> <b>4.50</b>
    <li class="item" data-id="2"><a href="/b" rel="nofollow noopener">Black</a><br>strong
    <li data-id="3" lang="de-AT"><p>Kräuter</p><p></p></li>
  </ul>
  <table><tr><td>1<td>2<tr><td>3<td>4</table>
  <script>let x = "<p>no</p>";</script>
</div>
</body></html>"""


def found(selector, page=PAGE, get="text"):
    """Return what a selector finds, in order."""
    return result(page, "extract_html", fields={"it": {"selector": selector, "get": get, "all": True}})["it"]


class TestSelectors:
    @pytest.mark.parametrize(
        ("selector", "ids"),
        [
            ("li", "123"),
            ("LI", "123"),
            ("li.item", "12"),
            (".item.new", "1"),
            ("#main li", "123"),
            ("#main > li", ""),
            ("ul > li", "123"),
            ("div li:first-child", "1"),
            ("li:last-child", "3"),
            ("li:nth-child(2)", "2"),
            ("li:nth-child(2n+1)", "13"),
            ("li:nth-child(even)", "2"),
            ("li:nth-child(-n+2)", "12"),
            ("li:nth-last-child(1)", "3"),
            ("li:nth-of-type(3)", "3"),
            ("li:nth-last-of-type(3)", "1"),
            ("li:first-of-type", "1"),
            ("li:last-of-type", "3"),
            ("li:only-child", ""),
            ("li + li", "23"),
            ("li.new ~ li", "23"),
            ("li.new + li + li", "3"),
            ("li:not(.item)", "3"),
            ("li:not(:nth-child(2))", "13"),
            ("li:is(.new, [lang])", "13"),
            ("li:where(.new)", "1"),
            ("li:has(p)", "3"),
            ("li:has(> a)", "12"),
            ("li:has(+ li)", "12"),
            ("li:has(~ [lang])", "12"),
            ("[data-id]", "123"),
            ('[data-id="2"]', "2"),
            ("[lang|=de]", "3"),
            ("li[class^=item]", "12"),
            ("li[class$=new]", "1"),
            ("li[class*=tem]", "12"),
            ("li[class~=new]", "1"),
            ("li[class=ITEM i]", "2"),
            ("li.new, li[lang]", "13"),
            ("li[lang], li.new", "13"),
            ("html body div ul li:has(a[rel~=noopener])", "2"),
            ("div > ul > li", "123"),
            ("div div li", ""),
        ],
    )
    def test_find_what_css_says(self, selector, ids):
        assert "".join(found(selector, get="@data-id")) == ids

    def test_nested_elements_of_one_kind(self):
        assert found("div div div", "<div id=a><div id=b><div id=c><div id=d>", get="@id") == ["c", "d"]

    def test_tables_are_read_though_their_rows_are_never_closed(self):
        assert found("table tr:nth-of-type(2) td") == ["3", "4"]

    def test_empty_and_root(self):
        assert found("p:empty") == [""]
        assert found(":root", get="@lang") == ["en"]

    @pytest.mark.parametrize(
        "selector",
        [
            "",
            " ",
            "li[",
            "li,",
            "> li",
            "li::before",
            "li:nth-child(x)",
            "li:has(",
            "a" * 301,
        ],
    )
    def test_that_nobody_can_follow_are_refused_when_it_is_published(self, selector):
        step = {"operation": "extract_html", "fields": {"it": {"selector": selector}}}

        assert [path for _, path in problems(**step)] == ["/fields/it/selector"]

    @pytest.mark.parametrize("get", ["", "value", "@", "@a b", "@1", "href"])
    def test_what_nothing_has_is_refused(self, get):
        step = {"operation": "extract_html", "fields": {"it": {"selector": "a", "get": get}}}

        assert [path for _, path in problems(**step)] == ["/fields/it/get"]


class TestValues:
    @pytest.mark.parametrize(
        ("selector", "get", "expected"),
        [
            ("h1", "text", "Tea & more"),
            ("li.new", "text", "Green 4.50"),
            ("li:nth-child(2)", "text", "Black strong"),
            ("tr", "text", "1 2"),
            ("h1", "html", "Tea &amp; more"),
            ("li.new a", "html", "Green"),
            ("li[lang]", "html", "<p>Kräuter</p><p></p>"),
            ("script", "html", 'let x = "<p>no</p>";'),
            ("script", "text", 'let x = "<p>no</p>";'),
            ("li.new a", "@href", "/a"),
            ("li.new a", "@HREF", "/a"),
            ("li.new a", "@title", None),
            ("nav", "text", None),
        ],
    )
    def test_are_of_the_first_one(self, selector, get, expected):
        fields = {"it": {"selector": selector, "get": get}}

        assert result(PAGE, "extract_html", fields=fields) == {"it": expected}

    def test_all_leave_out_those_without_the_attribute(self):
        assert found("a", get="@rel") == ["nofollow noopener"]

    def test_text_is_what_is_seen(self):
        assert "color" not in found("html")[0]
        assert "let x" not in found("body")[0]

    def test_are_taken_from_each_of_some_elements(self):
        fields = {"id": {"get": "@data-id"}, "name": {"selector": "a"}, "all": {"selector": "p", "all": True}}

        assert result(PAGE, "extract_html", each="li", fields=fields) == [
            {"id": "1", "name": "Green", "all": []},
            {"id": "2", "name": "Black", "all": []},
            {"id": "3", "name": None, "all": ["Kräuter", ""]},
        ]

    def test_selectors_look_at_the_whole_page_and_take_what_is_within(self):
        fields = {"it": {"selector": "#main ul a"}}

        assert result(PAGE, "extract_html", each="li.new", fields=fields) == [{"it": "Green"}]

    @pytest.mark.parametrize(
        ("page", "charset"),
        [("<meta charset=iso-8859-1><p>Größe", "iso-8859-1"), ("<meta charset=utf-8><p>Größe €", "utf-8")],
    )
    def test_of_bytes_as_the_page_says(self, page, charset):
        data = base64.b64encode(page.encode(charset)).decode()
        fields = {"it": {"selector": "p"}}

        assert result(data, "extract_html", encoded="base64", fields=fields) == {"it": page.rpartition(">")[2]}

    @pytest.mark.parametrize(
        ("named", "meant"),
        [
            ("iso-8859-1", "windows-1252"),
            ("us-ascii", "windows-1252"),
            ("gb2312", "gb18030"),
            ("shift_jis", "cp932"),
            ("utf-16", "utf-8"),
            ("nonsense", "utf-8"),
            ("hex", "utf-8"),
            ("idna", "utf-8"),
            ("undefined", "utf-8"),
            ("utf-7", "utf-8"),
            ("unicode_escape", "utf-8"),
        ],
    )
    def test_of_bytes_as_browsers_read_what_a_page_names(self, named, meant):
        says = {"windows-1252": "“Größe” €", "gb18030": "朱镕基", "cp932": "①髙", "utf-8": r"Größe \ud800 +2AA-"}[meant]
        data = base64.b64encode(f"<meta charset={named}><p>{says}".encode(meant)).decode()

        assert result(data, "extract_html", encoded="base64", fields={"it": {"selector": "p"}}) == {"it": says}

    @pytest.mark.parametrize(
        "page", ["", " ", "no html at all", "<", "<!-- -->", "\0", "<?xml version='1.0'?>", "\ud83d\ude00"]
    )
    def test_of_what_is_no_page_are_none(self, page):
        assert result(page, "extract_html", fields={"it": {"selector": "li"}}) == {"it": None}

    def test_of_a_file_of_the_machine_are_none(self):
        evil = '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>&x;</p>'

        assert "root" not in (found("p", evil) or [""])[0]

    @given(some_of("<>/ab \"'=&;!-p"))
    @in_processes
    def test_any_text_is_a_page(self, pages):
        fields = {"it": {"selector": "p", "all": True}}

        assert all(isinstance(each["it"], list) for each in result(pages, "extract_html", fields=fields))


class TestLimits:
    def test_a_page_that_was_made_to_take_long(self, monkeypatch):
        monkeypatch.setattr(documents, "LIMITS", Limits(cpu_seconds=1))
        page = "<a " + " ".join(f"a{number}=1" for number in range(300_000)) + ">x"

        assert failure(page, "extract_html", fields={"it": {"selector": "a"}}).code == "html_too_large"

    def test_many_pages_take_one_process(self, monkeypatch):
        asked = []
        monkeypatch.setattr(documents, "ask", lambda *given, **more: asked.append(given) or ask(*given, **more))

        assert result([f"<p>{n}" for n in range(100)], "extract_html", fields={"it": {"selector": "p"}})[99] == {
            "it": "99"
        }
        assert len(asked) == 1

    def test_more_bytes_than_are_read(self, monkeypatch):
        monkeypatch.setattr(documents, "MAX_BYTES_EACH", 10)

        assert result("<p>1234567", "extract_html", fields={"it": {"selector": "p"}}) == {"it": "1234567"}
        assert failure("<p>12345678", "extract_html", fields={"it": {"selector": "p"}}).code == "html_too_large"

    def test_a_text_that_comes_out_again_for_each_element_around_it(self, monkeypatch):
        monkeypatch.setattr(documents, "MAX_CHARS", 1000)
        fields = {"it": {"selector": "div", "all": True}}

        assert failure("<div>" * 20 + "x" * 60, "extract_html", fields=fields).code == "html_too_large"

    def test_more_values(self, monkeypatch):
        monkeypatch.setattr(extract_html, "MAX_VALUES", 10)

        assert (
            failure("<p>x" * 11, "extract_html", fields={"it": {"selector": "p", "all": True}}).code == "html_too_large"
        )

    def test_more_items(self):
        assert failure("<p>x" * (MAX_ITEMS + 1), "extract_html", each="p", fields={"it": {}}).code == "too_many_items"
