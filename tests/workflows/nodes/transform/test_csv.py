"""CSV: read strictly, written so that whoever opens it is safe."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.definition.strategies import patient
from tests.workflows.nodes.runs import output
from tests.workflows.nodes.transform.stepping import failure, problems, result
from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import MAX_ITEMS
from workflows.nodes.transform.csv_dialect import MAX_CELL_CHARS
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


class TestParse:
    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("a,b\n1,2\n3,4", {}, [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]),
            ("a,b\r\n1,2\r\n", {}, [{"a": "1", "b": "2"}]),
            ("a,b\n\n1,2\n\n", {}, [{"a": "1", "b": "2"}]),
            ('a\n"x ""y"", z\nnext"', {}, [{"a": 'x "y", z\nnext'}]),
            ("\ufeffa;b\n1;2", {"delimiter": ";"}, [{"a": "1", "b": "2"}]),
            ("a\tb\n1\t2", {"delimiter": "\t"}, [{"a": "1", "b": "2"}]),
            ("1,2\n3,4", {"header": False}, [["1", "2"], ["3", "4"]]),
            ("1,2", {"columns": ["a", "b"]}, [{"a": "1", "b": "2"}]),
            (" a , b \n 1 , 2 ", {"trim": True}, [{"a": "1", "b": "2"}]),
            ("a,b\n,2", {"empty": "null"}, [{"a": None, "b": "2"}]),
            ("a,b\n1", {"ragged": "fill"}, [{"a": "1", "b": ""}]),
            ("a,b\n'1,2',3", {"quote": "'"}, [{"a": "1,2", "b": "3"}]),
            ('a,b\n"1,2"', {"quote": None}, [{"a": '"1', "b": '2"'}]),
            ("a,b", {}, []),
            ("", {}, []),
        ],
    )
    def test_reads_rows(self, text, settings, expected):
        assert result(text, "parse_csv", **settings) == expected

    def test_hands_the_rows_of_one_text_on_as_items(self):
        steps = [{"operation": "parse_csv"}, {"operation": "filter", "where": "{{ item.n != '2' }}"}]

        assert output("transform", {"steps": steps}, "n\n1\n2\n3") == [{"n": "1"}, {"n": "3"}]

    def test_puts_the_rows_of_a_field_there(self):
        assert result([{"id": 1, "csv": "n\n1"}], "parse_csv", field="csv", into="rows") == [
            {"id": 1, "csv": "n\n1", "rows": [{"n": "1"}]}
        ]

    @pytest.mark.parametrize(
        ("charset", "codec"),
        [("utf-8", "utf-8-sig"), ("windows-1252", "cp1252"), ("utf-16", "utf-16"), ("iso-8859-15", "iso-8859-15")],
    )
    def test_reads_bytes(self, charset, codec):
        data = base64.b64encode("name\nGröße €\n".encode(codec)).decode()

        assert result(data, "parse_csv", encoded="base64", charset=charset) == [{"name": "Größe €"}]

    @pytest.mark.parametrize(
        ("text", "settings", "code", "words"),
        [
            ("a,b\n1,2,3", {}, "invalid_csv", "Line 2 has 3 cells, and there are 2 columns"),
            ("a,b\n1", {}, "invalid_csv", "Line 2 has 1 cells"),
            ("a,b\n1,2,3", {"ragged": "fill"}, "invalid_csv", "Line 2 has 3 cells"),
            ("a,a\n1,2", {}, "invalid_csv", "Two columns are called 'a'"),
            ("a,\n1,2", {}, "invalid_csv", "Column 2 has no name"),
            ('a\n"1" x', {}, "invalid_csv", "Line 2 of the CSV text is wrong"),
            ('a\n"1', {}, "invalid_csv", "Line 2 of the CSV text is wrong"),
            (5, {}, "wrong_type", "must be text, not a number"),
            (None, {}, "missing_field", "Item 0 is null"),
            ("!", {"encoded": "base64"}, "invalid_encoding", "This is no base64"),
            ("//8=", {"encoded": "base64"}, "invalid_encoding", "no text in utf-8: byte 0"),
            ("a\n" + "x" * (MAX_CELL_CHARS + 1), {}, "invalid_csv", "field larger than field limit"),
        ],
    )
    def test_says_what_is_wrong_and_where(self, text, settings, code, words):
        error = failure(text, "parse_csv", **settings)

        assert error.code == code
        assert words in error.message

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("n\n" + "1\n" * (MAX_ITEMS + 1), "too_many_items"),
            (",".join("x" * (MAX_COLUMNS + 1)), "csv_too_large"),
            ("\n".join([",".join("x" * MAX_COLUMNS)] * (MAX_CELLS // MAX_COLUMNS + 1)), "csv_too_large"),
        ],
        ids=["rows", "columns", "cells"],
    )
    def test_s_dos_1_is_bounded(self, text, code):
        assert failure(text, "parse_csv", header=False).code == code


class TestBuild:
    @pytest.mark.parametrize(
        ("items", "settings", "expected"),
        [
            ([{"a": 1, "b": "x"}, {"b": "y", "c": True}], {}, "a,b,c\r\n1,x,\r\n,y,true\r\n"),
            ([{"a": {"b": 1}}], {"columns": ["a.b", "a.c"]}, "a.b,a.c\r\n1,\r\n"),
            ([["x", 1], ["y", None]], {}, "x,1\r\ny,\r\n"),
            ([{"a": 'say "hi", now'}], {"line_end": "lf"}, 'a\n"say ""hi"", now"\n'),
            ([{"a": [1, {"b": "ü"}]}], {"delimiter": ";"}, 'a\r\n"[1, {""b"": ""ü""}]"\r\n'),
            ([{"a": 1, "b": "x"}], {"quoting": "all"}, '"a","b"\r\n"1","x"\r\n'),
            ([{"a": 1, "b": "x"}], {"quoting": "text", "header": False}, '1,"x"\r\n'),
            ([{"a": 1}], {"byte_order_mark": True}, "\ufeffa\r\n1\r\n"),
            ({"a": 1}, {}, "a\r\n1\r\n"),
            ([], {}, ""),
            ([], {"columns": ["a"]}, "a\r\n"),
        ],
    )
    def test_writes_rows(self, items, settings, expected):
        assert result(items, "build_csv", **settings) == expected

    def test_gives_bytes(self):
        encoded = result([{"größe": 1}], "build_csv", encode="base64", charset="iso-8859-1", line_end="lf")

        assert base64.b64decode(encoded) == "größe\n1\n".encode("iso-8859-1")

    @pytest.mark.parametrize(
        "text", ["=1+1", "+A1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "|cmd", "%0A=1", "+1-A2"]
    )
    def test_writes_no_formula_unless_it_is_told_to(self, text):
        """A spreadsheet runs what begins so: OWASP, CSV Injection."""
        (row,) = result(result([{"a": text}], "build_csv"), "parse_csv")
        (kept,) = result(result([{"a": text}], "build_csv", formulas="keep"), "parse_csv")

        assert (row["a"], kept["a"]) == (f"'{text}", text)
        assert failure([{"a": text}], "build_csv", formulas="refuse").code == "formula"

    def test_writes_no_formula_as_the_name_of_a_column(self):
        assert result([{"=A1": 1}], "build_csv") == "'=A1\r\n1\r\n"

    @pytest.mark.parametrize("value", [-5, "-5", "+49 30 1234", "-1.5", "a=1", "1-2", ""])
    def test_leaves_alone_what_no_spreadsheet_runs(self, value):
        assert result([{"a": value, "b": "x"}], "build_csv") == f"a,b\r\n{value},x\r\n"

    def test_says_what_is_no_row(self):
        assert failure([{"a": 1}, 5], "build_csv").code == "not_an_object"

    @patient
    @given(
        st.lists(st.fixed_dictionaries({"a": CELLS, "b": CELLS, "c": CELLS}), min_size=1, max_size=5),
        st.sampled_from([",", ";", "\t", "|"]),
        st.sampled_from(["minimal", "all", "text"]),
    )
    def test_is_read_as_it_was(self, rows, delimiter, quoting):
        text = result(rows, "build_csv", delimiter=delimiter, quoting=quoting, formulas="keep")

        assert result(text, "parse_csv", delimiter=delimiter) == rows


class TestRequired:
    def test_columns_that_are_there_in_any_order(self):
        step = {"required": ["b", "a"]}

        assert result("a,b,c\n1,2,3\n", "parse_csv", **step) == [{"a": "1", "b": "2", "c": "3"}]

    @pytest.mark.parametrize("text", ["a,c\n1,2\n", "a,c\n", ""])
    def test_one_that_is_missing_fails_the_node(self, text):
        with pytest.raises(NodeError) as failed:
            result(text, "parse_csv", required=["a", "b"])

        assert failed.value.code == "missing_column"


class TestConfig:
    @pytest.mark.parametrize(
        ("step", "problem"),
        [
            ({"operation": "parse_csv", "delimiter": ";;"}, ("too_long", "/delimiter")),
            ({"operation": "parse_csv", "delimiter": "\n"}, ("invalid_value", "/delimiter")),
            ({"operation": "parse_csv", "delimiter": '"'}, ("invalid_value", "/delimiter")),
            ({"operation": "parse_csv", "quote": ","}, ("invalid_value", "/quote")),
            ({"operation": "parse_csv", "quote": "\n"}, ("invalid_value", "/quote")),
            ({"operation": "parse_csv", "charset": "utf-7"}, ("invalid_choice", "/charset")),
            ({"operation": "build_csv", "columns": []}, ("too_short", "/columns")),
            ({"operation": "build_csv", "header": "{{ input }}"}, ("expression_forbidden", "/header")),
        ],
    )
    def test_is_checked_before_it_runs(self, step, problem):
        assert problems(**step) == [problem]
