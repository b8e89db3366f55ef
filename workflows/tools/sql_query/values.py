"""PostgreSQL's values as JSON data, and JSON data as parameters.

What JSON can hold without loss is itself: truth values, whole numbers up to 64 bits, floats, text, json. Everything else is
text: numeric as it stands (a JSON number would be rounded), times in ISO 8601, bytea in base64, the rest as PostgreSQL
writes it. NaN and infinities are text too.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.json import JsonbDumper, set_json_dumps
from psycopg.types.string import TextLoader

from projects.exceptions import Invalid
from projects.payloads import parse_json
from workflows.http.media import MAX_JSON_KEYS
from workflows.nodes.base import NodeError

# Set for each statement, so that the text of values has one form whatever the server prefers.
OUTPUT_SETTINGS = {
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "timezone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}

_AS_TEXT = (
    *("numeric", "date", "time", "timetz", "interval", "uuid", "inet", "cidr"),
    *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
    *("int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange"),
)
_SHORT_OFFSET = re.compile(r"([+-]\d\d)$")


class _Float(Loader):
    def load(self, data: Buffer) -> float | str:
        value = float(bytes(data))
        return value if math.isfinite(value) else bytes(data).decode()


class _Moment(Loader):
    def load(self, data: Buffer) -> str:
        # "2026-11-24 12:00:00.5+00"; "infinity" and years before Christ stay as they are.
        text = bytes(data).decode().replace(" ", "T", 1)
        return _SHORT_OFFSET.sub(r"\1:00", text)


class _Bytes(Loader):
    def load(self, data: Buffer) -> str:
        return base64.b64encode(bytes.fromhex(bytes(data)[2:].decode())).decode("ascii")


class _Json(Loader):
    def load(self, data: Buffer) -> Any:
        text = bytes(data)
        try:
            return parse_json(text, max_bytes=len(text), max_keys=MAX_JSON_KEYS, max_string_bytes=len(text))
        except Invalid as error:
            raise NodeError(
                "invalid_data",
                f"A json value is beyond what can be read: {error.message} Ask for it as text: `column::text`. Nothing was "
                "committed.",
            ) from error


def as_parameter(value: Any) -> Any:
    """Return JSON data as PostgreSQL takes it: the numbers of an array are of one type there, as ``[1, 2.5]`` are in JSON."""
    return _with_floats(value) if {int, float} <= {type(item) for item in _items_in(value)} else value


def _items_in(value: Any) -> Iterator[Any]:
    if not isinstance(value, list):
        yield value
        return
    for item in value:
        yield from _items_in(item)


def _with_floats(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return float(value) if type(value) is int else value


@cache
def adapters() -> AdaptersMap:
    """Return how values are read and written."""
    adapting = AdaptersMap(psycopg.adapters)
    for name in _AS_TEXT:
        adapting.register_loader(name, TextLoader)
    for name in ("float4", "float8"):
        adapting.register_loader(name, _Float)
    for name in ("timestamp", "timestamptz"):
        adapting.register_loader(name, _Moment)
    for name in ("json", "jsonb"):
        adapting.register_loader(name, _Json)
    adapting.register_loader("bytea", _Bytes)
    adapting.register_dumper(dict, JsonbDumper)
    set_json_dumps(orjson.dumps, adapting)
    return adapting
