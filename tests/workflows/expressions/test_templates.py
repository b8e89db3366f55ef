"""Templates: where expressions begin and end in a text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.expressions.strategies import json_values
from workflows.expressions import (
    ExpressionError,
    Interpolation,
    escape,
    find_templates,
    is_template,
    parse_template,
    substitute,
)

# Expressions with braces where a careless scanner would stop.
TRICKY = [
    "a",
    "{a: {b: 1}}",
    "{a:{}}",
    "[{}, {b: {}}].map(x => { return {x}; })",
    "'}}'",
    '"}}"',
    r"'it\'s }}'",
    r'"\\"',
    "`}}`",
    "`a${ {b: '}}'}.b }c}}`",
    "`${`${`}}`}`}`",
    r"`\`}}${1}`",
    "`$}}`",
    "/}}/.test(a)",
    "/[/}}]/.test(a)",
    r"/\/}}/g.test(a)",
    "a.replace(/'/g, '}}')",
    "typeof /}}/",
    "a / b + '}}' / c",
    "a[0] / 2 + `}}`",
    "(a) / 2 / 'x'",
    "a++ / 2 + '}}'",
    "a.in / '}}'",
    "a /* }} */ + 1",
    "a // }}\n + 1",
    "(() => { if (a) { return {}; } return {b: {}}; })()",
]


class TestParseTemplate:
    """S-EXPR-3: nothing that a person can write confuses where code ends and text begins."""

    @pytest.mark.parametrize("source", TRICKY)
    def test_finds_the_end_of_an_expression_whatever_is_in_it(self, source):
        template = parse_template(f"before {{{{ {source} }}}} after")

        assert template.parts == ("before ", Interpolation(source, 1, 11), " after")

    @pytest.mark.parametrize("source", [source for source in TRICKY if not source.startswith("{")])
    def test_needs_no_space_around_an_expression(self, source):
        assert parse_template(f"{{{{{source}}}}}").parts == (Interpolation(source, 1, 3),)

    def test_takes_an_object_right_after_the_braces(self):
        assert parse_template("{{{a: {}}}}").parts == (Interpolation("{a: {}}", 1, 3),)

    @pytest.mark.parametrize(
        ("text", "is_single"),
        [
            ("{{ a }}", True),
            ("{{a}}", True),
            (" {{ a }}", False),
            ("{{ a }}\n", False),
            ("{{ a }}{{ b }}", False),
            ("a", False),
        ],
    )
    def test_knows_when_it_is_exactly_one_expression(self, text, is_single):
        assert parse_template(text).is_single is is_single

    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("", ()),
            ("plain }} text", ("plain }} text",)),
            ("a { b", ("a { b",)),
            (r"\{{ a }}", ("{{ a }}",)),
            (r"a \{{b}} {{ c }}", ("a {{b}} ", Interpolation("c", 1, 13))),
            (r"C:\dir\\{{ name }}", ("C:\\dir\\", Interpolation("name", 1, 12))),
            (r"\\\{{", (r"\{{",)),
            (r"\n stays \\ too", (r"\n stays \\ too",)),
            ('{"id":{{ a }}}', ('{"id":', Interpolation("a", 1, 10), "}")),
        ],
    )
    def test_keeps_what_is_text(self, text, parts):
        assert parse_template(text).parts == parts

    def test_says_where_expressions_begin(self):
        template = parse_template("one\ntwo {{ a }}\n\n  {{\n b}}")

        assert [(part.line, part.column) for part in template.interpolations] == [(2, 8), (5, 2)]

    @pytest.mark.parametrize(
        ("text", "line", "column"),
        [
            ("{{", 1, 1),
            ("ab {{ c", 1, 4),
            ("ok {{ a }} {{ b }", 1, 12),
            ("first\n  {{ 'a }}'", 2, 3),
            ("{{ `a ${ b }}", 1, 1),
            ("{{ {a: 1 }}", 1, 1),
            ("{{ /* }}", 1, 1),
            ("{{ /* a / b }}", 1, 1),
            ("{{ 'a }}", 1, 1),
            ("{{ /a }}", 1, 1),
            ("{{ 'a\n' }}", 1, 1),
        ],
    )
    def test_says_where_an_expression_begins_that_never_ends(self, text, line, column):
        with pytest.raises(ExpressionError, match="never closed") as caught:
            parse_template(text)

        assert (caught.value.code, caught.value.line, caught.value.column) == ("syntax", line, column)

    def test_points_at_the_comment_that_hides_the_end(self):
        with pytest.raises(ExpressionError, match="runs to the end of its line"):
            parse_template("{{ a // note }}")

    @pytest.mark.parametrize("text", ["{{}}", "a {{  }}"])
    def test_refuses_braces_without_an_expression(self, text):
        with pytest.raises(ExpressionError, match="no expression"):
            parse_template(text)

    @given(st.text(alphabet="{}\\`'\"/$a *\n"))
    def test_answers_any_text_with_parts_or_an_error(self, text):
        with contextlib.suppress(ExpressionError):
            assert all(parse_template(text).parts)

    @given(
        st.lists(
            # What ends in a brace cannot stand right before an expression.
            st.text().filter(lambda text: not text.endswith("{")).map(lambda text: ("text", text))
            | st.sampled_from(TRICKY).map(lambda source: ("expression", source))
        )
    )
    def test_reads_back_what_was_printed(self, parts):
        printed = ""
        expected: list[tuple[str, str]] = []
        for kind, content in parts:
            if kind == "text":
                printed += escape(content)
                if expected and expected[-1][0] == "text":
                    expected[-1] = ("text", expected[-1][1] + content)
                elif content:
                    expected.append((kind, content))
                continue
            trailing = len(printed) - len(printed.rstrip("\\"))
            printed += "\\" * trailing + "{{ " + content + " }}"
            expected.append((kind, content))

        found = parse_template(printed).parts

        assert [("text", part) if isinstance(part, str) else ("expression", part.source) for part in found] == expected

    def test_reads_a_long_text_in_one_go(self):
        template = parse_template("{{ a }} " * 50_000)

        assert len(template.interpolations) == 50_000

    @pytest.mark.parametrize("text", ["\\" * 500_000 + "x{{ a }}", "{{ " + "a/*" * 300_000, "{{ " + ")/*" * 300_000])
    def test_goes_through_a_text_once_that_is_made_to_take_long(self, text):
        """S-DOS: looked through again from each of its signs, each of these would take an hour."""
        with contextlib.suppress(ExpressionError):
            parse_template(text)


class TestEscape:
    @given(st.text(alphabet="{}\\a"))
    def test_makes_a_template_that_comes_out_as_the_text(self, text):
        assert "".join(parse_template(escape(text)).parts) == text


class TestIsTemplate:
    @pytest.mark.parametrize(("text", "expected"), [("a", False), ("{a}", False), ("{{ a }}", True), (r"\{{ a", True)])
    def test_is_true_of_whatever_has_to_be_taken_apart(self, text, expected):
        assert is_template(text) is expected


class TestFindTemplates:
    def test_yields_pointers_and_texts_in_order(self):
        value = {"a": "{{ 1 }}", "b/c": ["x", {"~d": "{{ 2 }}"}], "e": {"": "{{ 3 }}"}, "f": 1, "g": None}

        assert list(find_templates(value)) == [("/a", "{{ 1 }}"), ("/b~1c/1/~0d", "{{ 2 }}"), ("/e/", "{{ 3 }}")]

    def test_yields_a_value_that_is_a_template_itself(self):
        assert list(find_templates("{{ 1 }}")) == [("", "{{ 1 }}")]

    def test_never_looks_into_a_literal(self):
        value = {"a": {"$literal": "{{ 1 }}"}, "b": {"$literal": {"c": "{{ 2 }}"}}, "d": "{{ 3 }}"}

        assert list(find_templates(value)) == [("/d", "{{ 3 }}")]

    def test_takes_a_literal_for_one_only_when_it_stands_alone(self):
        assert list(find_templates({"$literal": "{{ 1 }}", "a": 1})) == [("/$literal", "{{ 1 }}")]

    def test_does_not_look_at_keys(self):
        assert list(find_templates({"{{ 1 }}": 2})) == []

    def test_goes_as_deep_as_it_gets(self):
        value = "{{ 1 }}"
        for _ in range(5_000):
            value = [value]

        assert len(list(find_templates(value))) == 1


class TestSubstitute:
    def test_puts_results_in_their_places(self):
        value = {"a": "{{ 1 }}", "b/c": ["x", "{{ 2 }}"]}

        assert substitute(value, {"/a": {"x": None}, "/b~1c/1": 5}) == {"a": {"x": None}, "b/c": ["x", 5]}

    def test_puts_what_a_literal_holds_in_its_place(self):
        assert substitute({"a": {"$literal": "{{ 1 }}"}}, {}) == {"a": "{{ 1 }}"}

    def test_leaves_templates_without_a_result(self):
        assert substitute(["{{ 1 }}", "{{ 2 }}"], {"/0": 1}) == [1, "{{ 2 }}"]

    def test_does_not_look_into_results(self):
        assert substitute(["{{ 1 }}"], {"/0": {"$literal": "{{ 2 }}"}}) == [{"$literal": "{{ 2 }}"}]

    @given(json_values)
    def test_replaces_exactly_what_was_found(self, value):
        found = dict(find_templates(value))

        assert dict(find_templates(substitute(value, dict.fromkeys(found, "done")))) == {}
