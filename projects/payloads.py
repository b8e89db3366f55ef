"""JSON at the border: strict and bounded on the way in, storable on the way to the database.

What JSON numbers become: whole numbers of up to 64 bits stay exact, larger ones become floating point as in JavaScript.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any

import orjson

from projects.exceptions import Invalid, TooLarge

MAX_DEPTH = 64
MAX_KEYS = 50_000
MAX_STRING_BYTES = 1024 * 1024  # of one text, as it is written
MAX_DIGITS = 400  # of one number

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# A string, or one that is never closed: then up to the end. Possessive, and it always ends somewhere, so that no text, however
# many quotes and backslashes it has, is gone through twice.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_DEEPER = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
# What PostgreSQL's text and jsonb cannot hold: NUL, and halves of surrogate pairs.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# A dataclass or a datetime that slipped in is a mistake to be heard of.
_PLAIN = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


class NotJson(Invalid):
    """The text is not JSON (RFC 8259). ``offset`` counts the bytes before the mistake."""

    code = "not_json"

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class JsonTooDeep(Invalid):
    """Lists and objects are nested deeper than allowed."""

    code = "json_too_deep"


class JsonTooManyKeys(Invalid):
    """All objects together have more keys than allowed."""

    code = "json_too_many_keys"


class JsonStringTooLong(Invalid):
    """A text is longer than allowed."""

    code = "json_string_too_long"


class JsonNumberTooLong(Invalid):
    """A number has more digits than allowed."""

    code = "json_number_too_long"


def parse_json(
    data: bytes,
    *,
    max_bytes: int,
    max_depth: int = MAX_DEPTH,
    max_keys: int = MAX_KEYS,
    max_string_bytes: int = MAX_STRING_BYTES,
    max_digits: int = MAX_DIGITS,
) -> Any:
    """Return the value of a JSON text, in UTF-8.

    All limits are checked on the bytes, before anything is built from them. A key that comes twice has its last value.

    :raises TooLarge: if there are more bytes than allowed.
    :raises Invalid: if it is not JSON (NaN and Infinity are not), or beyond one of the other limits.
    """
    if len(data) > max_bytes:
        raise TooLarge(f"The body is larger than the {max_bytes} bytes allowed.")
    data = data.removeprefix(BYTE_ORDER_MARK)
    if len(data) > max_string_bytes + 2 and any(
        found.end() - found.start() > max_string_bytes + 2 for found in _STRING.finditer(data)
    ):
        raise JsonStringTooLong(f"The JSON has a text of more than {max_string_bytes} bytes.")
    _check_limits(data, max_depth=max_depth, max_keys=max_keys, max_digits=max_digits)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if "surrogate in string" in error.msg:
            return _parse_with_lone_surrogates(data)
        raise _not_json(error) from None


def storable(value: Any) -> Any:
    """Return JSON data that PostgreSQL can hold and that reads back the same.

    NUL and lone surrogates become their visible escapes (six characters: ``\\u0000``). NaN and the infinities become null, as
    in JavaScript; tuples become lists, UUIDs and members of enums their text.

    :raises Invalid: if the value is not made of JSON types alone, or is nested deeper than 250.
    """
    try:
        text = orjson.dumps(value, option=_PLAIN)
        if b"\\u0000" not in text:
            return orjson.loads(text)
    except TypeError as error:
        if "surrogates not allowed" not in str(error) and "64-bit" not in str(error):
            raise _unstorable(error) from None
    return _cleaned(value, room=250)


def storable_text(text: str) -> str:
    """Return text that PostgreSQL can hold: NUL and lone surrogates as their visible escapes."""
    return _UNSTORABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def pointer(*steps: str | int) -> str:
    """Return a JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)


def _check_limits(data: bytes, *, max_depth: int, max_keys: int, max_digits: int) -> None:
    # Counting is so cheap that almost every body passes here without a closer look.
    long_number = re.compile(rb"[0-9.]{%d}" % (max_digits + 1))
    is_plain = (
        data.count(b"[") + data.count(b"{") <= max_depth
        and data.count(b":") <= max_keys
        and (len(data) <= max_digits or not long_number.search(data))
    )
    if is_plain:
        return
    outside_strings = _STRING.sub(b'""', data)
    brackets = outside_strings.translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_DEEPER.__getitem__, brackets)), default=0) > max_depth:
        raise JsonTooDeep(f"The JSON is nested deeper than {max_depth} levels.")
    if outside_strings.count(b":") > max_keys:
        raise JsonTooManyKeys(f"The JSON has more than {max_keys} keys.")
    if long_number.search(outside_strings):
        raise JsonNumberTooLong(f"The JSON has a number of more than {max_digits} digits.")


def _parse_with_lone_surrogates(data: bytes) -> Any:
    # JavaScript that cuts a text in the middle of an emoji sends these; the standard library takes them.
    try:
        return json.loads(data, parse_int=_whole, parse_float=_finite, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise _not_json(error) from None
    except UnicodeDecodeError as error:
        raise NotJson(f"The body is not UTF-8, at byte {error.start}.", offset=error.start) from None


def _not_json(error: json.JSONDecodeError) -> NotJson:
    where = f"at line {error.lineno}, column {error.colno}"
    return NotJson(f"The body is not JSON: {error.msg} {where}.", offset=error.pos)


def _whole(text: str) -> int | float:
    number = int(text)
    return number if -(2**63) <= number < 2**64 else _finite(text)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise NotJson("The body is not JSON: a number is too large.")
    return number


def _refuse(text: str) -> Any:
    raise NotJson(f"The body is not JSON: {text} is not a JSON value.")


def _cleaned(value: Any, *, room: int) -> Any:
    if room == 0:
        raise _unstorable("Recursion limit reached")
    match value:
        case str():
            return storable_text(value)
        case int() if not -(2**63) <= value < 2**64:
            return _rounded(value)
        case dict():
            if any(not isinstance(key, str) for key in value):
                raise _unstorable("Dict key must be str")
            return {storable_text(key): _cleaned(item, room=room - 1) for key, item in value.items()}
        case list() | tuple():
            return [_cleaned(item, room=room - 1) for item in value]
    try:
        return orjson.loads(orjson.dumps(value, option=_PLAIN))
    except TypeError as error:
        raise _unstorable(error) from None


def _unstorable(reason: object) -> Invalid:
    return Invalid(f"The value cannot be stored as JSON: {reason}.")


def _rounded(number: int) -> float | None:
    try:
        return float(number)
    except OverflowError:
        return None
