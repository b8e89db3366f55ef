"""JSON, XML and JSON Schema."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.definition.strategies import patient
from tests.workflows.expressions.strategies import json_values
from tests.workflows.nodes.runs import output
from tests.workflows.nodes.transform.stepping import failure, problems, result
from workflows.nodes.transform.xml_mapping import MAX_CHARS, MAX_DEPTH, MAX_ELEMENTS

# U+0000 cannot be stored, and becomes its escape.
JSON_VALUES = json_values.filter(lambda value: "\\x00" not in repr(value))
NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,5}", fullmatch=True)
# What XML keeps: text without space around it, which no parser changes.
WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=8)


def elements(children):
    objects = st.builds(
        lambda attributes, text, members: {
            **{f"@{name}": value for name, value in attributes.items()},
            **({"#text": text} if text else {}),
            **members,
        },
        st.dictionaries(NAMES, WORDS, max_size=2),
        WORDS,
        st.dictionaries(NAMES, children | st.lists(children, min_size=2, max_size=3), max_size=3),
    )
    # An object that is only text comes back as that text.
    return objects.filter(lambda each: each.keys() - {"#text"})


DOCUMENTS = st.dictionaries(NAMES, st.recursive(WORDS, elements, max_leaves=8), min_size=1, max_size=1)


class TestJson:
    def test_is_read_and_written(self):
        value = {"b": [1, 2.5, None, True, "ü"], "a": {}}

        text = result([value], "build_json")

        assert text == ['{"b":[1,2.5,null,true,"ü"],"a":{}}']
        assert result(text, "parse_json") == [value]

    def test_may_be_written_for_people_and_in_one_order(self):
        assert result([{"b": 1, "a": [2]}], "build_json", indent=2, sort_keys=True) == [
            '{\n  "a": [\n    2\n  ],\n  "b": 1\n}'
        ]

    def test_hands_the_items_of_a_list_on(self):
        assert result('[{"a": 1}, {"a": 2}]', "parse_json") == [{"a": 1}, {"a": 2}]

    @patient
    @given(JSON_VALUES)
    def test_is_read_as_it_was(self, value):
        (text,) = result([{"it": value}], "build_json")

        assert result([text], "parse_json") == [{"it": value}]

    def test_holds_nothing_that_the_next_step_cannot_take(self):
        """Half of a character, such as JavaScript sends that cuts an emoji in two."""
        steps = [
            {"operation": "parse_json"},
            {"operation": "check_schema", "schema": {"type": "string"}},
            {"operation": "decode", "encoding": "url"},
        ]

        assert output("transform", {"steps": steps}, '"\\ud800"') == "\\ud800"

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("{'a': 1}", "not_json"),
            ('{"a": 1} x', "not_json"),
            ("", "not_json"),
            ("NaN", "not_json"),
            ("[" * 65 + "]" * 65, "json_too_deep"),
            ("1" * 401, "json_number_too_long"),
        ],
    )
    def test_is_read_strictly_and_within_limits(self, text, code):
        assert failure(text, "parse_json").code == code


class TestParseXml:
    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("<a/>", {}, {"a": ""}),
            ("<a>x</a>", {}, {"a": "x"}),
            ("<a> x\n </a>", {}, {"a": "x"}),
            ('<a b="1">x</a>', {}, {"a": {"@b": "1", "#text": "x"}}),
            ("<a><b>1</b><c/><b>2</b></a>", {}, {"a": {"b": ["1", "2"], "c": ""}}),
            ("<a><b>1</b></a>", {"lists": ["b"]}, {"a": {"b": ["1"]}}),
            ("<a>x<b>1</b>y</a>", {}, {"a": {"b": "1", "#text": "xy"}}),
            ("<a>&lt;&#65;&amp;</a>", {}, {"a": "<A&"}),
            ("<a><![CDATA[<b>&amp;]]></a>", {}, {"a": "<b>&amp;"}),
            ("<?xml version='1.0' encoding='iso-8859-1'?><!-- c --><a>ü</a><?p i?>", {}, {"a": "ü"}),
            ("\ufeff<a/>", {}, {"a": ""}),
            (
                '<x:a xmlns:x="urn:x" x:b="1"><x:c/></x:a>',
                {},
                {"x:a": {"@xmlns:x": "urn:x", "@x:b": "1", "x:c": ""}},
            ),
            (
                '<x:a xmlns:x="urn:x" xmlns="urn:y" x:b="1"><x:c/></x:a>',
                {"prefixes": "strip"},
                {"a": {"@b": "1", "c": ""}},
            ),
            ("<constructor><__proto__>1</__proto__></constructor>", {}, {"constructor": {"__proto__": "1"}}),
        ],
    )
    def test_reads(self, text, settings, expected):
        assert result({"t": text}, "parse_xml", field="t", **settings) == {"t": expected}

    def test_reads_bytes_in_the_encoding_that_they_name(self):
        data = base64.b64encode("<?xml version='1.0' encoding='iso-8859-1'?><a>ü</a>".encode("iso-8859-1")).decode()

        assert result(data, "parse_xml", encoded="base64") == {"a": "ü"}

    @pytest.mark.parametrize(
        "text",
        [
            '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
            '<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>',
            '<!DOCTYPE a [<!ENTITY % b SYSTEM "http://127.0.0.1/x"> %b;]><a/>',
            "<!DOCTYPE a><a/>",
            '<!DOCTYPE l [<!ENTITY a "lol">'
            + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
            + "]><l>&i;</l>",
        ],
        ids=["entity", "file", "dtd", "parameter entity", "empty", "billion laughs"],
    )
    def test_refuses_every_doctype_and_with_it_every_entity(self, text):
        """[S-DOS-1] XXE, external DTDs and entities that grow."""
        assert failure(text, "parse_xml").code == "xml_doctype"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("<a><b></a>", "Line 1, column 9 of the XML: mismatched tag"),
            ("<a>\n&nothing;</a>", "Line 2, column 1 of the XML: undefined entity"),
            ("", "no element found"),
            ("<a/><b/>", "junk after document element"),
            ("just text", "syntax error"),
            ("<a b='1' b='2'/>", "duplicate attribute"),
        ],
    )
    def test_says_what_is_wrong_and_where(self, text, words):
        error = failure(text, "parse_xml")

        assert error.code == "invalid_xml"
        assert words in error.message

    @pytest.mark.parametrize(
        "text",
        [
            "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
            "<a>" + "<b/>" * MAX_ELEMENTS + "</a>",
            "<a>" + "x" * MAX_CHARS + "</a>",
            "<a>" * 1_000_000,
        ],
        ids=["depth", "elements", "size", "unclosed"],
    )
    def test_s_dos_1_is_bounded(self, text):
        started = time.monotonic()

        assert failure(text, "parse_xml").code == "xml_too_large"
        assert time.monotonic() - started < 3


class TestBuildXml:
    @pytest.mark.parametrize(
        ("document", "settings", "expected"),
        [
            ({"a": None}, {}, '<?xml version="1.0" encoding="UTF-8"?>\n<a/>'),
            ({"a": {"@b": 1, "#text": "x"}}, {"declaration": False}, '<a b="1">x</a>'),
            ({"a": {"b": [1, True], "c": []}}, {"declaration": False}, "<a><b>1</b><b>true</b></a>"),
            ({"a": "<&>"}, {"declaration": False}, "<a>&lt;&amp;&gt;</a>"),
            ({"a": {"@b": 'x"y\n<'}}, {"declaration": False}, "<a b='x\"y&#10;&lt;'/>"),
            ({"a": {"b": {"c": 1}}}, {"declaration": False, "indent": 2}, "<a>\n  <b>\n    <c>1</c>\n  </b>\n</a>"),
            ({"x:a": {"@xmlns:x": "urn:x"}}, {"declaration": False}, '<x:a xmlns:x="urn:x"/>'),
        ],
    )
    def test_writes(self, document, settings, expected):
        assert result(document, "build_xml", **settings) == expected

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"a": 1, "b": 2},
            {"a": [1, 2]},
            5,
            {"a b": 1},
            {"1a": 1},
            {"a><b": 1},
            {"a": {"@b c": 1}},
            {"a": {"@": 1}},
            {"a": {"@b": {}}},
            {"a": {"b": [[1]]}},
            {"a": "\x01"},
            {"a:b:c": 1},
        ],
    )
    def test_refuses_what_is_no_document(self, document):
        assert failure([document], "build_xml").code == "not_xml"

    @patient
    @given(DOCUMENTS)
    def test_is_read_as_it_was(self, document):
        for indent in (0, 2):
            assert result(result([document], "build_xml", indent=indent), "parse_xml") == [document]


class TestCheckSchema:
    SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "n": {"minimum": 1}}, "required": ["id"]}

    def test_hands_on_what_fits(self):
        assert result([{"id": 1}], "check_schema", schema=self.SCHEMA) == [{"id": 1}]
        assert result({"id": 1}, "check_schema", schema=self.SCHEMA) == {"id": 1}

    def test_fails_with_every_problem_and_its_place(self):
        error = failure([{"id": 1}, {"id": "x", "n": 0}, {}], "check_schema", schema=self.SCHEMA)

        assert error.code == "invalid_data"
        assert sorted(problem["path"] for problem in error.details["problems"]) == ["/1/id", "/1/n", "/2"]
        assert "2 more problems" in error.message

    def test_counts_places_of_a_single_value_from_its_top(self):
        error = failure({"id": "x"}, "check_schema", schema=self.SCHEMA)

        assert [problem["path"] for problem in error.details["problems"]] == ["/id"]

    def test_may_drop_what_does_not_fit(self):
        assert result([{"id": 1}, {}], "check_schema", schema=self.SCHEMA, on_invalid="drop") == [{"id": 1}]

    def test_may_report(self):
        reports = result([{"id": 1}, {"id": 1, "n": 0}], "check_schema", schema=self.SCHEMA, on_invalid="report")

        assert [report["valid"] for report in reports] == [True, False]
        assert reports[1]["problems"][0]["path"] == "/n"

    @pytest.mark.parametrize(
        ("schema", "problem"),
        [
            ({"type": "integr"}, ("invalid_schema", "/schema/type")),
            ({"$ref": "https://example.com/x"}, ("schema_reference", "/schema")),
            ({"pattern": "(?=a)"}, ("invalid_schema", "/schema/pattern")),
            ({"const": "{{ input }}"}, ("expression_forbidden", "/schema")),
            (5, ("wrong_type", "/schema")),
        ],
    )
    def test_schema_is_checked_before_it_runs(self, schema, problem):
        assert problems(operation="check_schema", schema=schema) == [problem]
