"""Spreadsheets: read whatever program wrote them, and no further than it does good; written so that text stays text."""

from __future__ import annotations

import base64
import contextlib
import io
import zipfile
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.nodes.runs import node_type
from tests.workflows.nodes.transform.stepping import failure, in_processes, problems, result
from tests.workflows.nodes.transform.workbooks import MAIN, open_document, packed, parts, workbook
from workflows.isolated.process import Limits
from workflows.nodes.base import Effect, NodeError
from workflows.nodes.transform.batch import MAX_ITEMS
from workflows.nodes.transform.spreadsheets import reading
from workflows.nodes.transform.spreadsheets.areas import Area, column_letters, column_number
from workflows.nodes.transform.spreadsheets.writing import MAX_CELL_CHARS
from workflows.nodes.transform.tables import MAX_COLUMNS

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    # Excel keeps 15 digits of a number.
    st.floats(allow_nan=False, allow_infinity=False)
    .map(lambda number: float(f"{number:.15g}"))
    .filter(lambda number: isfinite(number) and not number.is_integer()),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def cells(value, **settings):
    """Return the cells of a workbook, row by row."""
    return result(value, "parse_excel", header=False, **settings)


class TestParse:
    def test_reads_rows_as_objects(self):
        value = workbook(
            '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
            '<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>12.5</v></c></row><row r="3"/>'
            '<row r="9"><c r="B9"><v>3</v></c></row>',
            texts="<si><t>name</t></si><si><t>price</t></si><si><t>tea</t></si>",
        )

        assert result(value, "parse_excel") == [{"name": "tea", "price": 12.5}, {"name": None, "price": 3}]

    @pytest.mark.parametrize(
        ("cell", "expected"),
        [
            ('<c r="A1"><v>1</v></c>', 1),
            ('<c r="A1" t="n"><v>1E+2</v></c>', 100),
            ('<c r="A1"><v>0.1</v></c>', 0.1),
            ('<c r="A1" t="b"><v>1</v></c>', True),
            ('<c r="A1" t="b"><v>0</v></c>', False),
            ('<c r="A1" t="s"><v>0</v></c>', "shared"),
            ('<c r="A1" t="s"><v>1</v></c>', "in pieces"),
            ('<c r="A1" t="inlineStr"><is><t>here</t></is></c>', "here"),
            ('<c r="A1" t="inlineStr"><is><t>a_x000D_b_x005F_x0041_</t></is></c>', "a\rb_x0041_"),
            ('<c r="A1"><f>1+1</f><v>2</v></c>', 2),
            ('<c r="A1" t="str"><f>A2&amp;"!"</f><v>so!</v></c>', "so!"),
            ('<c r="A1" t="d"><v>2026-11-26T10:00:00</v></c>', "2026-11-26T10:00:00"),
            ("<c><v>5</v></c>", 5),
            ('<x:c xmlns:x="urn:any" r="A1"><x:v>7</x:v></x:c>', 7),
        ],
    )
    def test_reads_each_kind_of_cell(self, cell, expected):
        texts = "<si><t>shared</t></si><si><r><t xml:space='preserve'>in </t></r><r><t>pieces</t></r><rPh><t>spoken</t></rPh></si>"

        assert cells(workbook(f'<row r="1">{cell}</row>', texts=texts)) == [[expected]]

    @pytest.mark.parametrize(
        "cell",
        [
            '<c r="A1"/>',
            '<c r="A1"><f>1+1</f></c>',
            '<c r="A1" t="str"><v></v></c>',
            '<c r="A1" t="e"><f>NA()</f><v>#N/A</v></c>',
            '<c r="A1"><v>1e400</v></c>',
        ],
    )
    def test_a_cell_without_a_value_is_null(self, cell):
        assert cells(workbook(f'<row r="1">{cell}<c r="B1"><v>1</v></c></row>')) == [[None, 1]]

    @pytest.mark.parametrize(
        ("number", "format_id", "code", "expected"),
        [
            ("46352", 14, None, "2026-11-26"),
            ("46352.604166666664", 22, None, "2026-11-26T14:30:00"),
            ("46352", 22, None, "2026-11-26"),
            ("46352.5", 14, None, "2026-11-26T12:00:00"),
            ("0.25", 20, None, "06:00:00"),
            ("1.5", 46, None, "PT36H"),
            ("46352", 164, "dd\\.mm\\.yyyy", "2026-11-26"),
            ("46352", 164, "[$-407]d. mmmm yyyy;@", "2026-11-26"),
            ("46352.000011574074", 164, "yyyy-mm-dd hh:mm:ss.000", "2026-11-26T00:00:01"),
            ("0.5", 164, "h:mm AM/PM", "12:00:00"),
            ("0", 164, "[h]:mm", "PT0S"),
            ("59", 14, None, "1900-02-28"),
            ("61", 14, None, "1900-03-01"),
            ("9999999", 14, None, 9999999),
            ("5", 164, '0.00" days"', 5),
            ("5", 164, "[Red]0;[Blue]-0", 5),
            ("5", 164, "General", 5),
            ("5", 0, None, 5),
            ("5", 164, "0.00E+00", 5),
        ],
    )
    def test_a_number_that_is_shown_as_a_date_is_one(self, number, format_id, code, expected):
        formats = f'<numFmts><numFmt numFmtId="{format_id}" formatCode="{code}"/></numFmts>' if code else ""
        formats = formats.replace('00" days""', '00&quot; days&quot;"')
        styles = f'{formats}<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="{format_id}"/></cellXfs>'

        value = workbook(f'<row r="1"><c r="A1" s="1"><v>{number}</v></c></row>', styles=styles)

        assert cells(value) == [[expected]]

    def test_counts_days_as_the_workbook_does(self):
        styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'

        value = workbook('<row r="1"><c r="A1" s="0"><v>44890</v></c></row>', styles=styles, date1904=True)

        assert cells(value) == [["2026-11-26"]]

    @pytest.mark.parametrize("sheet", [2, "Two", "two"])
    def test_reads_the_sheet_that_is_named(self, sheet):
        value = workbook('<row r="1"><c><v>1</v></c></row>', '<row r="1"><c><v>2</v></c></row>')

        assert cells(value, sheet=sheet) == [[2]]

    @pytest.mark.parametrize(
        ("area", "expected"),
        [
            ("A1", [[1, 2, 3], [4, 5, 6], [7, 8, 9]]),
            ("B2", [[5, 6], [8, 9]]),
            ("b:b", [[2], [5], [8]]),
            ("B2:C", [[5, 6], [8, 9]]),
            ("A2:B2", [[4, 5]]),
            ("D1", []),
        ],
    )
    def test_reads_a_part_of_it(self, area, expected):
        rows = "".join(
            f"<row>{''.join(f'<c><v>{3 * row + column}</v></c>' for column in (1, 2, 3))}</row>" for row in range(3)
        )

        assert cells(workbook(rows), range=area) == expected

    def test_names_columns_from_where_it_begins(self):
        rows = "<row><c><v>1</v></c><c><v>2</v></c><c><v>3</v></c></row>"

        assert result(workbook(rows), "parse_excel", range="B1", columns=["b", "c"]) == [{"b": 2, "c": 3}]

    def test_a_name_is_what_its_cell_shows(self):
        rows = "<row><c><v>2026</v></c><c t='b'><v>1</v></c></row><row><c><v>5</v></c></row>"

        assert result(workbook(rows), "parse_excel") == [{"2026": 5, "true": None}]

    def test_takes_an_upload_from_a_field(self):
        file = {"filename": "a.xlsx", "base64": workbook("<row><c><v>1</v></c></row>")}

        assert result(file, "parse_excel", field="base64", into="rows", header=False) == {**file, "rows": [[1]]}

    def test_an_empty_sheet_has_no_rows(self):
        assert result(workbook(""), "parse_excel") == []

    def test_follows_names_as_programs_write_them(self):
        named = parts("<row><c><v>1</v></c></row>")
        moved = {
            name.replace("xl/worksheets/sheet1.xml", "XL\\Worksheets\\Sheet1.xml"): part for name, part in named.items()
        }

        assert cells(encoded(packed(moved))) == [[1]]

    def test_reads_what_libreoffice_writes(self):
        assert result(open_document([["sku", "count"], ["a1", 2]]), "parse_excel") == [{"sku": "a1", "count": 2}]

    def test_reads_what_excel_wrote_before_2007(self):
        file = Path(__file__).with_name("stock.xls")

        assert result(encoded(file.read_bytes()), "parse_excel") == [
            {"sku": "a1", "count": 2},
            {"sku": "b2", "count": 0.5},
        ]


class TestRefused:
    def test_a_sheet_that_is_not_there(self):
        error = failure(workbook("", ""), "parse_excel", sheet="Three")

        assert (error.code, "There are: One, Two." in error.message) == ("no_sheet", True)

    def test_a_column_that_must_be_there(self):
        error = failure(workbook("<row><c><v>1</v></c></row>"), "parse_excel", required=["email"])

        assert (error.code, error.details["missing"]) == ("missing_column", ["email"])

    def test_a_value_whose_column_has_no_name(self):
        error = failure(
            workbook('<row r="1"><c><v>1</v></c></row><row r="2"><c r="C2"><v>1</v></c></row>'), "parse_excel"
        )

        assert (error.code, "Cell C2" in error.message) == ("invalid_spreadsheet", True)

    def test_two_columns_of_one_name(self):
        assert (
            failure(workbook("<row><c><v>1</v></c><c><v>1</v></c></row>"), "parse_excel").code == "invalid_spreadsheet"
        )

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"", "Cannot detect file format"),
            (b"name;price\n", "Cannot detect file format"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "that can be read"),
            (b"PK\x03\x04 cut off", "Cannot detect file format"),
            (packed(parts(""))[:-40], "Cannot detect file format"),
            (packed({name: part for name, part in parts("").items() if "sheet1" not in name}), "that can be read"),
            (packed(parts('<row><c r="A0"><v>1</v></c></row>')), "that can be read"),
            (packed(parts('<row><c t="s"><v>7</v></c></row>')), "index not found in shared strings"),
        ],
        ids=lambda value: value if isinstance(value, str) else "file",
    )
    def test_what_is_no_spreadsheet(self, data, said):
        error = failure(encoded(data), "parse_excel")

        assert (error.code, said in error.message) == ("invalid_spreadsheet", True), error.message

    def test_entities(self):
        """S-XML: neither a billion laughs nor a file of the machine."""
        evil = f'<!DOCTYPE sst [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst {MAIN}><si><t>&a;</t></si></sst>'
        value = encoded(packed({**parts("<row><c t='s'><v>0</v></c></row>"), "xl/sharedStrings.xml": evil}))

        assert failure(value, "parse_excel").code == "invalid_spreadsheet"

    def test_what_unpacks_to_more_memory_than_there_is(self, monkeypatch):
        monkeypatch.setattr(reading, "LIMITS", Limits(memory_bytes=256 * 1024 * 1024))
        bomb = workbook("<row><c><v>1</v></c></row>", texts=f"<si><t>{'a' * 200_000_000}</t></si>")

        assert (len(bomb) < 500_000, failure(bomb, "parse_excel").code) == (True, "spreadsheet_too_large")

    def test_more_bytes_than_are_read(self, monkeypatch):
        monkeypatch.setattr(reading, "MAX_BYTES", 10)

        assert failure(workbook(""), "parse_excel").code == "spreadsheet_too_large"

    def test_one_text_in_too_many_cells(self, monkeypatch):
        """Written out, each cell has the whole of it."""
        monkeypatch.setattr(reading, "MAX_TEXT_CHARS", 1000)
        rows = '<row><c t="s"><v>0</v></c></row>'
        texts = f"<si><t>{'a' * 300}</t></si>"

        assert len(cells(workbook(rows * 3, texts=texts))) == 3
        assert failure(workbook(rows * 4, texts=texts), "parse_excel").code == "spreadsheet_too_large"

    def test_few_cells_far_apart(self):
        """The library makes a table of 17,179,869,184 cells of these two, and aborts its process."""
        value = workbook('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>')

        assert failure(value, "parse_excel", header=False).code == "spreadsheet_too_large"

    def test_a_long_name_over_many_rows(self):
        """Each object has it."""
        rows = f"<row><c t='inlineStr'><is><t>{'n' * 30_000}</t></is></c></row>" + "<row><c><v>1</v></c></row>" * 1000

        assert failure(workbook(rows), "parse_excel").code == "spreadsheet_too_large"

    def test_more_rows_than_items(self):
        row = "<row><c><v>1</v></c></row>"

        assert len(result(workbook(row * (MAX_ITEMS + 1)), "parse_excel")) == MAX_ITEMS
        assert failure(workbook(row * (MAX_ITEMS + 2)), "parse_excel").code == "too_many_items"
        assert len(result(workbook(row * (MAX_ITEMS + 2)), "parse_excel", range="A2")) == MAX_ITEMS

    @given(st.data())
    @in_processes
    def test_bytes_that_were_changed_on_the_way_never_do_anything_else(self, data):
        whole = packed(parts("<row><c t='s'><v>0</v></c></row>", texts="<si><t>a</t></si>"))
        position = data.draw(st.integers(2, len(whole) - 1))
        changed = whole[:position] + bytes([data.draw(st.integers(0, 255))]) + whole[position + 1 :]

        with contextlib.suppress(NodeError):
            cells(encoded(changed))

    @pytest.mark.parametrize("area", ["", "1", "A0", "A1:", "B1:A1", "A2:A1", "XFE1", "A1048577", "A1:B2:C3", "$A$1"])
    def test_a_range_that_is_none(self, area):
        assert problems(operation="parse_excel", range=area) == [("invalid_value", "/range")]


class TestBuild:
    @given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5))
    @in_processes
    def test_what_is_written_is_read_again(self, rows):
        full = [[1, *row] for row in rows]

        assert cells(result(full, "build_excel")) == _as_wide(full)

    def test_columns_are_all_keys_as_they_come(self):
        value = result([{"a": 1}, {"b": "x", "a": None}], "build_excel")

        assert cells(value) == [["a", "b"], [1, None], [None, "x"]]

    def test_or_those_that_are_named_in_their_order(self):
        value = result([{"a": 1, "c": {"d": 2}}], "build_excel", columns=["c.d", "a"], header=False)

        assert cells(value) == [[2, 1]]

    def test_what_is_no_single_value_is_json(self):
        assert cells(result([{"a": [1, "ä"]}], "build_excel")) == [["a"], ['[1, "ä"]']]

    @pytest.mark.parametrize(
        "formula", ["=1+1", "+1", "-1+1", "@SUM(A1)", '=HYPERLINK("https://evil.example")', "\t=1"]
    )
    def test_text_never_becomes_a_formula(self, formula):
        value = result([{"a": formula}], "build_excel")

        assert "<f>" not in unpacked(value, "xl/worksheets/sheet1.xml")
        assert cells(value) == [["a"], [formula]]

    def test_a_number_with_more_digits_than_excel_keeps_stays_whole_as_text(self):
        assert cells(result([[4111111111111111, 10**15 - 1]], "build_excel")) == [["4111111111111111", 10**15 - 1]]

    @pytest.mark.parametrize(
        ("written", "shown"),
        [
            ("2026-11-26", "2026-11-26"),
            ("2026-11-26T14:30:00", "2026-11-26T14:30:00"),
            ("2026-11-26T14:30:00.250+01:00", "2026-11-26T14:30:00.250000"),
            (None, None),
        ],
    )
    def test_dates_become_dates(self, written, shown):
        value = result([{"at": written, "n": 1}], "build_excel", dates=["at"])

        assert cells(value) == [["at", "n"], [shown, 1]]
        assert ('t="inlineStr"' in unpacked(value, "xl/worksheets/sheet1.xml").partition('r="2"')[2]) is False

    def test_the_same_items_are_the_same_bytes(self):
        """A node that runs again after a crash gives what it gave."""
        assert result([{"a": 1}], "build_excel") == result([{"a": 1}], "build_excel")

    def test_the_sheet_has_its_name(self):
        value = result([{"a": 1}], "build_excel", sheet='Q4 "best" & <rest>')

        assert cells(value, sheet='Q4 "best" & <rest>') == [["a"], [1]]

    @pytest.mark.parametrize("sheet", ["", "a" * 32, "a/b", "[a]", "a:b", "'a", "a'", "History", "a\nb"])
    def test_a_name_that_excel_does_not_take_is_refused(self, sheet):
        assert [path for _, path in problems(operation="build_excel", sheet=sheet)] == ["/sheet"]

    def test_dates_that_are_in_no_column_are_refused(self):
        assert problems(operation="build_excel", columns=["a"], dates=["b"]) == [("invalid_value", "/dates/0")]

    @pytest.mark.parametrize("value", ["soon", "1900-02-28", "10:00"])
    def test_what_is_no_date_is_refused(self, value):
        error = failure([{"at": value}], "build_excel", dates=["at"])

        assert (error.code, "Cell A2" in error.message) == ("not_a_date", True)

    def test_a_cell_holds_as_much_as_excel_lets_it(self):
        assert cells(result([["a" * MAX_CELL_CHARS]], "build_excel")) == [["a" * MAX_CELL_CHARS]]
        assert failure([["a" * (MAX_CELL_CHARS + 1)]], "build_excel").code == "spreadsheet_too_large"
        assert failure([["😀" * (MAX_CELL_CHARS // 2 + 1)]], "build_excel").code == "spreadsheet_too_large"

    def test_a_row_has_as_many_cells_as_a_table(self):
        assert len(cells(result([[1] * MAX_COLUMNS], "build_excel"))[0]) == MAX_COLUMNS
        assert failure([[1] * (MAX_COLUMNS + 1)], "build_excel").code == "spreadsheet_too_large"

    def test_nothing_is_an_empty_sheet(self):
        assert cells(result([], "build_excel")) == []


class TestNode:
    @pytest.mark.parametrize(
        ("operation", "effect"),
        [
            ("parse_excel", Effect.READ),
            ("build_excel", Effect.READ),
            ("script", Effect.READ),
            ("parse_csv", Effect.NONE),
        ],
    )
    def test_does_what_takes_long_beside_others(self, operation, effect):
        config = {"steps": [{"operation": operation}]}

        assert node_type("transform").effect(config) is effect

    @pytest.mark.parametrize("steps", [None, "x", [1], [{"operation": ["parse_excel"]}]])
    def test_bears_with_a_draft_that_is_wrong(self, steps):
        assert node_type("transform").effect({"steps": steps}) is Effect.NONE


class TestAddresses:
    @pytest.mark.parametrize(
        ("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (702, "ZZ"), (703, "AAA"), (16384, "XFD")]
    )
    def test_columns_have_letters(self, number, letters):
        assert (column_letters(number), column_number(letters)) == (letters, number)

    def test_a_range_without_an_end_has_all_that_follows(self):
        assert Area.of("B3") == Area(3, 2)


def unpacked(value: str, part: str) -> str:
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(value))) as file:
        return file.read(part).decode()


def _as_wide(rows):
    """Return rows without the columns after the last one that has a value."""
    width = max((index + 1 for row in rows for index, cell in enumerate(row) if cell is not None), default=0)
    return [row[:width] for row in rows]
