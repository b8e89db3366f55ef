"""Spreadsheets as various programs write them, part by part, and as nobody should."""

from __future__ import annotations

import base64
import io
import zipfile

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LIST = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'


def packed(parts: dict[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a ZIP file of these parts."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return written.getvalue()


def parts(*cells: str, texts: str = "", styles: str = "", date1904: bool = False) -> dict[str, str | bytes]:
    """Return the parts of a workbook whose sheets (named One, Two, …) have these elements in them.

    :param cells: for each sheet what is in its ``sheetData``.
    :param texts: the ``si`` that cells share.
    :param styles: what is in the style sheet.
    """
    names = ["One", "Two", "Three"][: len(cells)]
    sheets = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="s{i}"/>' for i, name in enumerate(names, 1))
    related = "".join(
        f'<Relationship Id="s{i}" Type="{RELATIONS}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(cells) + 1)
    )
    return {
        "_rels/.rels": f'<Relationships {LIST}><Relationship Id="a" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{RELATIONS}"><workbookPr date1904="{int(date1904)}"/><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": (
            f"<Relationships {LIST}>{related}"
            f'<Relationship Id="t" Type="{RELATIONS}/sharedStrings" Target="sharedStrings.xml"/>'
            f'<Relationship Id="f" Type="{RELATIONS}/styles" Target="/xl/styles.xml"/></Relationships>'
        ),
        "xl/sharedStrings.xml": f"<sst {MAIN}>{texts}</sst>",
        "xl/styles.xml": f"<styleSheet {MAIN}>{styles}</styleSheet>",
        **{
            f"xl/worksheets/sheet{i}.xml": f"<worksheet {MAIN}><sheetData>{each}</sheetData></worksheet>"
            for i, each in enumerate(cells, 1)
        },
    }


def workbook(*cells: str, texts: str = "", styles: str = "", date1904: bool = False) -> str:
    """Return such a workbook, in base64."""
    return base64.b64encode(packed(parts(*cells, texts=texts, styles=styles, date1904=date1904))).decode()


def open_document(rows: list[list[str | int]]) -> str:
    """Return a sheet as LibreOffice writes it (.ods), in base64."""
    office = "urn:oasis:names:tc:opendocument:xmlns"
    cells = [[_office_cell(value) for value in row] for row in rows]
    table = "".join(f"<table:table-row>{''.join(row)}</table:table-row>" for row in cells)
    content = (
        f'<office:document-content xmlns:office="{office}:office:1.0" xmlns:table="{office}:table:1.0" xmlns:text="{office}:text:1.0">'
        f'<office:body><office:spreadsheet><table:table table:name="One">{table}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    manifest = f'<manifest:manifest xmlns:manifest="{office}:manifest:1.0"/>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    named: dict[str, str | bytes] = {"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest}
    return base64.b64encode(packed(named)).decode()


def _office_cell(value: str | int) -> str:
    if isinstance(value, int):
        return f'<table:table-cell office:value-type="float" office:value="{value}"/>'
    return f'<table:table-cell office:value-type="string"><text:p>{value}</text:p></table:table-cell>'
