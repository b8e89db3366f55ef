"""Google's Sheets, as far as workflows call them: values of ranges, read, changed and appended (v4, RAW)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

ID = "1AbC_def-spreadsheet"
_RANGE = re.compile(r"'((?:[^']|'')+)'!(?:([A-Z])?(\d+)?(?::([A-Z])?(\d+)?)?)")


class Sheet:
    """One sheet. What is wrong about a request is answered as Google does it.

    :param is_valid: whether a bearer token is good.
    """

    def __init__(
        self, service: HTTPServer, name: str, rows: list[list[Any]], *, is_valid: Callable[[str], bool]
    ) -> None:
        self.name = name
        self.rows = rows
        self.asked: list[str] = []
        self._is_valid = is_valid
        service.expect_request(re.compile(f"/v4/spreadsheets/{ID}/values/.*")).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        if not self._is_valid(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        written = unquote(request.environ["REQUEST_URI"].split("?")[0].rpartition("/values/")[2])
        is_append = written.endswith(":append")
        parts = _RANGE.fullmatch(written.removesuffix(":append"))
        if parts is None or parts[1].replace("''", "'") != self.name:
            return _error(400, "INVALID_ARGUMENT", f"Unable to parse range: {written}")
        self.asked.append(f"{request.method} {written}")
        if request.method == "GET":
            return self._values(parts)
        if request.args.get("valueInputOption") != "RAW":
            return _error(400, "INVALID_ARGUMENT", "'valueInputOption' is required but not specified")
        values = request.get_json()["values"]
        return self._append(values) if is_append and request.method == "POST" else self._put(parts, values)

    def _values(self, parts: re.Match[str]) -> Response:
        rows = self.rows if parts[3] is None else self.rows[int(parts[3]) - 1 : int(parts[5] or len(self.rows))]
        shown = [_trimmed(row) for row in rows]
        while shown and not shown[-1]:
            shown.pop()
        return _json({"range": parts[0], "majorDimension": "ROWS", **({"values": shown} if shown else {})})

    def _put(self, parts: re.Match[str], values: list[list[Any]]) -> Response:
        row, column = int(parts[3]) - 1, ord(parts[2]) - 65
        self.rows[row] += [""] * (column + 1 - len(self.rows[row]))
        ((self.rows[row][column],),) = values
        return _json({"spreadsheetId": ID, "updatedRange": parts[0], "updatedCells": 1})

    def _append(self, values: list[list[Any]]) -> Response:
        first = len(self.rows) + 1
        self.rows += values
        place = f"'{self.name}'!A{first}:{chr(64 + len(values[0]))}{len(self.rows)}"
        return _json({"spreadsheetId": ID, "updates": {"updatedRange": place, "updatedRows": len(values)}})


def _trimmed(row: list[Any]) -> list[str]:
    """Return a row as it is shown: formatted, and without empty cells at its end."""
    cells = [str(cell) for cell in row]
    while cells and cells[-1] == "":
        cells.pop()
    return cells


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value), status=status, content_type="application/json; charset=UTF-8")


def _error(code: int, status: str, message: str) -> Response:
    return _json({"error": {"code": code, "message": message, "status": status}}, code)
