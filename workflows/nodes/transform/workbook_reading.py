"""Excel workbooks, read by the standard library alone, each part no further than to its limits.

Libraries trust the file: one reserves memory for all cells between the first and the last one, another decodes what is
compressed a thousandfold. See docs/decisions/0013.
"""

from __future__ import annotations

import contextlib
import io
import math
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import MAX_ITEMS
from workflows.nodes.transform.tables import MAX_CELLS
from workflows.nodes.transform.workbook_format import (
    MAX_TEXT_CHARS,
    Area,
    Meaning,
    cell_position,
    column_letters,
    date_text,
    meaning_of,
)

MAX_BYTES = 20 * 1024 * 1024
# Of one part, unpacked. A sheet of as many cells as are read has about 20 MB.
MAX_PART_BYTES = 50 * 1024 * 1024
MAX_PARTS = 5_000
MAX_ELEMENTS = 3_000_000
MAX_SHEETS = 1_000

_OLD_FORMAT = b"\xd0\xcf\x11\xe0"  # A compound file: .xls, or .xlsx with a password.
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
# The largest number up to which there is exactly one whole number for each.
_LAST_WHOLE = 2**53

Handler = Callable[[str, Mapping[str, str]], None]


@dataclass(frozen=True)
class Sheet:
    """One sheet: its name, and where in the file it is."""

    name: str
    part: str


@dataclass(frozen=True)
class Row:
    """A row with values. Columns count from 1; those without a value are not there."""

    number: int
    cells: dict[int, Any]


class Workbook:
    """A file that somebody sent.

    :raises NodeError: ``invalid_excel`` if it is no workbook; ``excel_too_large``.
    """

    def __init__(self, data: bytes) -> None:
        self._package = _Package(data)
        self._part = self._package.related("", "officeDocument") or _refuse("it has no workbook inside.")
        if self._part.endswith(".bin"):
            _refuse("it is an .xlsb. Save it as .xlsx.")
        self._related = self._package.relations(self._part)
        self._since_1904 = False
        self.sheets: list[Sheet] = []
        self._package.parse(self._part, self._read_workbook)
        self.sheets = [sheet for sheet in self.sheets if sheet.part]

    def rows(self, sheet: Sheet, area: Area) -> list[Row]:
        """Return the rows of a sheet that have values.

        :raises NodeError: ``invalid_excel``, ``excel_too_large``.
        """
        texts, meanings = _Texts(), _Styles()
        for kind, reader in (("sharedStrings", texts), ("styles", meanings)):
            if part := self._package.related(self._part, kind):
                self._package.parse(part, reader.start, reader.end, reader.text)
        cells = _Cells(area, texts.found, meanings.found, since_1904=self._since_1904)
        self._package.parse(sheet.part, cells.start, cells.end, cells.text)
        return cells.rows

    def _read_workbook(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "workbookPr":
            self._since_1904 = attributes.get("date1904") in ("1", "true")
        elif name == "sheet" and len(self.sheets) < MAX_SHEETS:
            # r:id, whatever the prefix is there.
            ids = (value for key, value in attributes.items() if key.rpartition(":")[2] == "id")
            relation = self._related.get(next(ids, ""))
            is_sheet = relation is not None and relation.kind == "worksheet"
            self.sheets.append(Sheet(attributes.get("name", ""), relation.part if relation and is_sheet else ""))


def _refuse(why: str) -> Any:
    raise NodeError("invalid_excel", f"This is no Excel workbook (.xlsx) that can be read: {why}")


def _too_large(why: str) -> NodeError:
    return NodeError("excel_too_large", f"The workbook is too large: {why}")


# --- The package: a ZIP file whose parts name each other --------------------------------------------------------------


@dataclass(frozen=True)
class _Relation:
    kind: str
    part: str


class _Package:
    def __init__(self, data: bytes) -> None:
        if len(data) > MAX_BYTES:
            raise _too_large(f"it has {len(data):,} bytes; {MAX_BYTES:,} are possible.")
        if data.startswith(_OLD_FORMAT):
            _refuse("it is an .xls of before 2007, or has a password. Save it as .xlsx without one.")
        if not data.startswith(b"PK"):
            _refuse("it does not begin as one does. Are these its bytes in base64?")
        with _as_node_errors():
            self._file = zipfile.ZipFile(io.BytesIO(data))
        parts = self._file.infolist()
        if len(parts) > MAX_PARTS:
            raise _too_large(f"it has more than {MAX_PARTS:,} parts.")
        # Some programs write the names in other letters than they refer to them, or with backslashes.
        self._parts = {part.filename.replace("\\", "/").lstrip("/").lower(): part for part in parts}

    def relations(self, part: str) -> dict[str, _Relation]:
        """Return what a part refers to, by id. A part that refers to nothing has no list of it."""
        folder, name = posixpath.split(part)
        found: dict[str, _Relation] = {}

        def read(element: str, attributes: Mapping[str, str]) -> None:
            if element == "Relationship" and attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip("/")
                found[attributes.get("Id", "")] = _Relation(kind, target.lower())

        listed = f"{folder}/_rels/{name}.rels".lstrip("/").lower()
        if listed in self._parts:
            self.parse(listed, read)
        return found

    def related(self, part: str, kind: str) -> str | None:
        """Return the first part of a kind that a part refers to, if it is there."""
        found = (relation.part for relation in self.relations(part).values() if relation.kind == kind)
        return next((name for name in found if name in self._parts), None)

    def parse(self, part: str, start: Handler, end: Callable[[str], None] | None = None, text: Any = None) -> None:
        """Read a part's XML. Names come without their prefixes; which those are is the writer's choice."""
        if part not in self._parts:
            _refuse(f"its part {part[:60]} is not there.")
        count = 0

        def started(name: str, attributes: dict[str, str]) -> None:
            nonlocal count
            count += 1
            if count > MAX_ELEMENTS:
                raise _too_large(f"its part {part[:60]} has more than {MAX_ELEMENTS:,} elements.")
            start(name.rpartition(":")[2] if ":" in name else name, attributes)

        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = started
        parser.StartDoctypeDeclHandler = _refuse_doctype
        if end is not None:
            parser.EndElementHandler = lambda name: end(name.rpartition(":")[2] if ":" in name else name)
        parser.CharacterDataHandler = text
        try:
            parser.Parse(self._unpacked(part), True)
        except expat.ExpatError as error:
            _refuse(f"its part {part[:60]}, line {error.lineno}: {expat.ErrorString(error.code)}.")
        except (LookupError, ValueError) as error:
            _refuse(f"its part {part[:60]} cannot be decoded: {error}.")

    def _unpacked(self, part: str) -> bytes:
        info = self._parts[part]
        # Others may ask for any amount of memory before the first byte comes out.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
            _refuse("its parts are compressed in an unusual way, or have a password.")
        with _as_node_errors(), self._file.open(info) as file:
            data = file.read(MAX_PART_BYTES + 1)
        if len(data) > MAX_PART_BYTES:
            raise _too_large(f"its part {part[:60]} has more than {MAX_PART_BYTES:,} bytes when unpacked.")
        return data


def _refuse_doctype(*_: Any) -> None:
    _refuse("it has a DOCTYPE, which could define entities.")


@contextlib.contextmanager
def _as_node_errors() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise NodeError(
            "invalid_excel", "This is no Excel workbook (.xlsx) that can be read: the ZIP file is damaged, or cut off."
        ) from error


# --- What the parts say -----------------------------------------------------------------------------------------------


def _text(parts: list[str]) -> str:
    """Return a text. Characters that XML cannot express are written as _x000D_."""
    whole = "".join(parts)
    return _ESCAPED.sub(_unescaped, whole) if "_x" in whole else whole


def _unescaped(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    # No text of ours holds NUL or half a character.
    return match[0] if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)


class _Rich:
    """A text in pieces (``t``, and ``r`` with a ``t`` in it), without how it is pronounced (``rPh``)."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._is_open = False
        self._is_spoken = False

    def start(self, name: str) -> None:
        self._is_open = name == "t" and not self._is_spoken
        self._is_spoken = self._is_spoken or name == "rPh"

    def end(self, name: str) -> None:
        self._is_open = False
        self._is_spoken = self._is_spoken and name != "rPh"

    def text(self, text: str) -> None:
        if self._is_open:
            self.parts.append(text)


class _Texts:
    """The texts of all sheets, which cells refer to by number."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._rich = _Rich()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "si":
            self._rich = _Rich()
        else:
            self._rich.start(name)

    def end(self, name: str) -> None:
        if name != "si":
            self._rich.end(name)
        elif len(self.found) < MAX_CELLS:
            self.found.append(_text(self._rich.parts))
        else:
            raise _too_large(f"it has more than {MAX_CELLS:,} different texts.")

    def text(self, text: str) -> None:
        self._rich.text(text)


class _Styles:
    """What the numbers of cells stand for, by the number of their style."""

    def __init__(self) -> None:
        self.found: list[Meaning | None] = []
        self._codes: dict[str, str] = {}
        self._is_in_cells = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._is_in_cells = True
        elif name == "xf" and self._is_in_cells:
            written = attributes.get("numFmtId", "")
            self.found.append(meaning_of(_whole(written, otherwise=0), self._codes.get(written)))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._is_in_cells = False

    def text(self, text: str) -> None:
        """Styles have none."""


class _Cells:
    """The values of one sheet. Lean, for it hears of every cell four times."""

    def __init__(self, area: Area, texts: list[str], meanings: list[Meaning | None], *, since_1904: bool) -> None:
        self.rows: list[Row] = []
        self._area = area
        self._texts = texts
        self._meanings = meanings
        self._since_1904 = since_1904
        self._row = self._column = 0  # Where the latest cell is.
        self._kind = self._style = ""
        self._value: list[str] = []
        self._rich: _Rich | None = None
        self._is_wanted = self._is_in_value = False
        self._count = self._chars = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "c":
            self._begin(attributes)
        elif name == "v":
            self._is_in_value = self._is_wanted
        elif name == "row":
            self._row, self._column = _whole(attributes.get("r", ""), otherwise=self._row + 1), 0
        elif name == "is":
            self._rich = _Rich()
        elif self._rich is not None:
            self._rich.start(name)

    def end(self, name: str) -> None:
        if name == "c":
            if self._is_wanted:
                self._keep(self._found())
            self._is_wanted, self._rich = False, None
        elif name == "v":
            self._is_in_value = False
        elif self._rich is not None:
            self._rich.end(name)

    def text(self, text: str) -> None:
        if self._is_in_value:
            self._value.append(text)
        elif self._rich is not None:
            self._rich.text(text)

    def _begin(self, attributes: Mapping[str, str]) -> None:
        # The address is optional: then it is the next one.
        written = attributes.get("r")
        position = (self._row, self._column + 1) if written is None else cell_position(written)
        if position is None:
            _refuse(f"there is no cell {written!r:.20}.")
            return
        row, column = self._row, self._column = position
        area = self._area
        self._is_wanted = area.first_row <= row <= area.last_row and area.first_column <= column <= area.last_column
        self._kind, self._style, self._value = attributes.get("t", "n"), attributes.get("s", ""), []

    def _keep(self, value: Any) -> None:
        if value is None:
            return
        self._count += 1
        self._chars += len(value) if isinstance(value, str) else 0
        if self._count > MAX_CELLS or self._chars > MAX_TEXT_CHARS:
            raise _too_large(
                f"there are more than {MAX_CELLS:,} cells, or {MAX_TEXT_CHARS:,} characters in them. Read a part: `range`."
            )
        if not self.rows or self.rows[-1].number != self._row:
            self.rows.append(Row(self._row, {}))
            if len(self.rows) > MAX_ITEMS + 1:  # The first may name the columns.
                raise NodeError("too_many_items", f"There are more than {MAX_ITEMS:,} rows. Read a part: `range`.")
        self.rows[-1].cells[self._column] = value

    def _found(self) -> Any:
        if self._rich is not None:
            return _text(self._rich.parts) or None
        written = "".join(self._value)
        if written == "":
            return None
        match self._kind:
            case "n":
                return self._number(written)
            case "s":
                return self._shared(written) or None
            case "b":
                return written.strip() in ("1", "true")
            case "e":
                return CellError(written[:40])
            case "d":  # A date in ISO 8601.
                return written
            case _:
                return _text(self._value)

    def _shared(self, written: str) -> str:
        index = _whole(written, otherwise=-1)
        if not 0 <= index < len(self._texts):
            _refuse(f"cell {self._address} has a text that is not there.")
        return self._texts[index]

    def _number(self, written: str) -> float | int | str:
        try:
            number = float(written)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            _refuse(f"cell {self._address} holds no number: {written[:20]!r}.")
        style = _whole(self._style, otherwise=0)
        meaning = self._meanings[style] if style < len(self._meanings) else None
        if meaning and (text := date_text(number, meaning, since_1904=self._since_1904)) is not None:
            return text
        return int(number) if number.is_integer() and abs(number) <= _LAST_WHOLE else number

    @property
    def _address(self) -> str:
        return f"{column_letters(self._column)}{self._row}"


def _whole(written: str, *, otherwise: int) -> int:
    return int(written) if written.isascii() and written.isdigit() and len(written) < 9 else otherwise


class CellError(str):
    """What a cell shows that a formula could not compute: ``#N/A``."""
