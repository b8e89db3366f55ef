"""Excel workbooks of one sheet, written by the standard library alone. The same rows are the same bytes.

What ECMA-376 asks for and nothing more: texts stand in their cells, and there is no formula: text never becomes one.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from workflows.nodes.base import NodeError
from workflows.nodes.transform.encodings import written_bytes
from workflows.nodes.transform.workbook_format import MAX_CELL_CHARS, column_letters, date_number

# Excel keeps 15 digits of a number; a longer one, such as that of a card, would come out as another.
_LAST_EXACT = 10**15
# XML 1.0, production 2; and what would be read as an escaped character.
_ESCAPED = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|_(?=x[0-9A-Fa-f]{4}_)")
_DATE, _MOMENT = 1, 2  # Styles, as numbered below; 0 is plain.
_NAMESPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/>'
        "</Types>"
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
        "</Relationships>"
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
        "</Relationships>"
    ),
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_NAMESPACE}">'
        '<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
        '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
        '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        '<cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
        '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    ),
}


def written_base64(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, sheet: str = "Sheet1", dates: frozenset[int] = frozenset()
) -> str:
    """Return a workbook of these rows, in base64.

    :param names: of the columns, for a first row; none for no such row.
    :param rows: of text, numbers, truths and nulls.
    :param dates: the columns, from 0, whose ISO dates become Excel's.
    :raises NodeError: ``excel_too_large``, ``not_a_date``.
    """
    parts = {
        **_PARTS,
        "xl/workbook.xml": (
            f'<workbook xmlns="{_NAMESPACE}" xmlns:r="{_RELATIONS}"><sheets>'
            f'<sheet name={quoteattr(sheet)} sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/worksheets/sheet1.xml": (
            f'<worksheet xmlns="{_NAMESPACE}"><sheetData>{"".join(_rows(names, rows, dates))}</sheetData></worksheet>'
        ),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in parts.items():
            # With a date of its own no two files were alike, though a node that runs again must give the same.
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, (_HEAD + content).encode())
    return written_bytes(written.getvalue(), "base64")


def _rows(names: Sequence[str], rows: Sequence[Sequence[Any]], dates: frozenset[int]) -> Iterator[str]:
    letters = [column_letters(number) for number in range(1, max(map(len, [names, *rows])) + 1)]
    if names:
        yield _row(1, names, letters, frozenset())
    for number, row in enumerate(rows, 2 if names else 1):
        yield _row(number, row, letters, dates)


def _row(number: int, row: Sequence[Any], letters: Sequence[str], dates: frozenset[int]) -> str:
    cells = (
        _cell(value, f"{letters[index]}{number}", is_date=index in dates)
        for index, value in enumerate(row)
        if value is not None and value != ""
    )
    return f'<row r="{number}">{"".join(cells)}</row>'


def _cell(value: Any, address: str, *, is_date: bool) -> str:
    match value:
        case bool():
            return f'<c r="{address}" t="b"><v>{int(value)}</v></c>'
        case int() | float() if abs(value) < _LAST_EXACT or isinstance(value, float):
            return f'<c r="{address}"><v>{value!r}</v></c>'
        case str() if is_date:
            return _date(value, address)
    text = str(value)
    if len(text.encode("utf-16-le")) > 2 * MAX_CELL_CHARS:  # As Excel counts them.
        raise NodeError("excel_too_large", f"Cell {address} would have more than {MAX_CELL_CHARS:,} characters.")
    escaped = escape(_ESCAPED.sub(lambda match: f"_x{ord(match[0]):04X}_", text))
    return f'<c r="{address}" t="inlineStr"><is><t xml:space="preserve">{escaped}</t></is></c>'


def _date(value: str, address: str) -> str:
    number = date_number(value)
    if number is None:
        raise NodeError(
            "not_a_date",
            f"Cell {address} should be a date, and is {value[:40]!r}. It takes 2026-11-26 or 2026-11-26T14:30:00, from "
            "1900-03-01 on.",
        )
    return f'<c r="{address}" s="{_DATE if len(value) == len("2026-11-26") else _MOMENT}"><v>{number!r}</v></c>'
