"""Turns what went wrong in JavaScript into a sentence that an author can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflows.expressions.errors import ExpressionError, shown
from workflows.expressions.paths import MISSING, Path, plain_path, resolve, shown_path
from workflows.expressions.scripts import LINES_BEFORE, body_of
from workflows.expressions.syntax_tree import called_members, member_reads
from workflows.expressions.vocabulary import PASS_ROOTS

_READ_OF_NOTHING = re.compile(r"cannot read property '(.*)' of (undefined|null)", re.DOTALL)
_CHANGE = re.compile(r"read-only|not extensible|not configurable|could not delete")
_DEFAULT = "to say what to take instead"


@dataclass(frozen=True, slots=True)
class Given:
    """What expressions are evaluated with. See :class:`workflows.expressions.evaluator.Evaluator`."""

    roots: Mapping[str, Any]
    now: datetime
    absent: Mapping[str, str]
    secret_mark: str | None
    is_script: bool = False


@dataclass(frozen=True, slots=True)
class _Failure:
    raw: Mapping[str, Any]
    source: str
    given: Given

    @property
    def shown(self) -> str:
        """What failed, as a message names it."""
        return "the script" if self.given.is_script else shown(self.source)


def explain(raw: Mapping[str, Any], source: str, given: Given) -> ExpressionError:
    """Return the error that an author is shown.

    ``raw`` is what the engine says: ``code``, and where known ``name``, ``message``, ``line`` and ``index``.
    """
    code, message = _say(_Failure(raw, source, given))
    line, column = raw.get("line"), raw.get("column")
    if line is not None and given.is_script:
        line -= LINES_BEFORE
    written = body_of(source) if given.is_script else source
    if line is None or not 1 <= line <= written.count("\n") + 1:
        line = column = None  # A line of our own scripts.
    if given.is_script:
        message = f"The{message[3:]}" if message.startswith("the script") else message
        if line is not None:
            message = f"Line {line}, column {column}: {message}"
    return ExpressionError(code, message, expression=written, line=line, column=column, index=raw.get("index"))


def _say(failure: _Failure) -> tuple[str, str]:
    raw, source = failure.raw, failure.shown
    code, name, message = raw["code"], raw.get("name", ""), raw.get("message", "")
    match code:
        case "time_limit" | "memory_limit":
            return code, f"{source} was stopped: {message}."
        case "too_large":
            return code, f"The result of {source} is too large: {message}."
        case "crashed":
            return code, f"{source} could not be evaluated: the process that evaluates expressions is gone ({message})."
        case "secret_not_allowed":
            return code, "secret() is not allowed here: this field is not handed to the outside."
        case "syntax":
            kind = "no body of a function" if failure.given.is_script else "not one JavaScript expression"
            return code, f"{source} is {kind}: {message}."
        case "result_type":
            return code, f"The result of {source} is or holds {message}, which JSON cannot express. {_way_out(message)}"
        case "missing_value":
            return code, _missing_result(failure, message)
        case "threw" if name == "TypeError":
            return _type_error(failure, message)
        case "threw" if name == "ReferenceError":
            return "unknown_name", _unknown_name(failure, message)
        case "threw" if name == "InvalidCharacterError" and "btoa" in failure.source:
            return code, (
                f"In {source}, `btoa` gets a character that it does not take. The operation `encode` takes every text; a secret is "
                "filled in only afterwards, and `auth` makes basic authentication of it."
            )
        case "threw" if name:
            return code, f"{source} threw {name}{': ' if message else ''}{message.rstrip('.')}."
        case _:
            return code, message


def _way_out(kind: str) -> str:
    if kind in ("a Map", "a Set"):
        return "Use Object.fromEntries(…) or [...…]."
    if kind == "a Promise":
        return "Nothing can be awaited here: leave `async` out."
    return "Give text, numbers, booleans, null, lists and objects of them."


def _unknown_name(failure: _Failure, message: str) -> str:
    name = message.removesuffix(" is not defined")
    if name in PASS_ROOTS:
        return (
            f"In {failure.shown}, there is no `{name}`: it exists only inside a loop or a parallel, or for each "
            "item of a list."
        )
    return f"In {failure.shown}, there is no `{name}`."


def _missing_result(failure: _Failure, where: str) -> str:
    source = failure.shown
    if where == "null":
        return f"{source} is null, which is no text. Use `?? …` {_DEFAULT}."
    if where:
        return f"`{where}` in the result of {source} has no value. Use `?? …` {_DEFAULT}, such as `?? null`."
    if failure.given.is_script:
        return "The script gave no value back. Let every way through it end with `return …`."
    path = plain_path(failure.source)
    reason = _why_missing(path, failure) if path is not None else ""
    return f"{source} has no value{reason}. Use `?? …` {_DEFAULT}."


def _type_error(failure: _Failure, message: str) -> tuple[str, str]:
    source = failure.shown
    if match := _READ_OF_NOTHING.search(message):
        return "missing_value", _read_of_nothing(failure, match[1], match[2])
    if "undefined or null" in message:
        return "missing_value", f"Something in {source} that is taken apart has no value. Use `?? {{}}` {_DEFAULT}."
    if _CHANGE.search(message):
        return "type_error", (
            f"{source} changes what it was given, which no expression can. "
            "Make a copy: [...list], {...object}, list.toSorted(), list.with(…)."
        )
    if "BigInt" in message:
        hint = "Integers beyond 2^53 come as BigInt, to stay exact: write Number(…), or 1n for 1."
        return "type_error", f"{source} failed: {message}. {hint}"
    if message == "not a function":
        return "type_error", f"{_what_is_called(failure)} is not a function."
    return "type_error", f"{source} failed: {message}."


def _read_of_nothing(failure: _Failure, name: str, kind: str) -> str:
    if name == "Symbol.iterator":
        return f"Something in {failure.shown} that is spread or taken apart is {kind}. Use `?? []` {_DEFAULT}."
    read = f'["{name}"]' if not name.isidentifier() else f".{name}"
    targets = [target for target, member in member_reads(failure.source) if member in (name, None)]
    for target in targets:
        path = plain_path(target)
        if path is not None and resolve(path, failure.given.roots) in (MISSING, None):
            reason = _why_missing(path, failure)
            return f"`{target}` has no value{reason}, so `{read}` cannot be read. Use `{target}?.{read.lstrip('.')} ?? …` {_DEFAULT}."
    subject = shown(targets[0]) if len(targets) == 1 and targets[0] else f"Something in {failure.shown}"
    return f"{subject} is {kind}, so `{read}` cannot be read. Use `?.` and `?? …` {_DEFAULT}."


def _why_missing(path: Path, failure: _Failure) -> str:
    """Return the half sentence that says where a path ends early, or nothing if it does not."""
    if path[0] == "nodes" and len(path) > 1 and resolve(path[:2], failure.given.roots) is MISSING:
        return f" because `{path[1]}` {failure.given.absent.get(str(path[1]), 'has no output yet')}"
    for length in range(1, len(path)):
        value = resolve(path[:length], failure.given.roots)
        if resolve(path[: length + 1], failure.given.roots) is MISSING:
            return f" because `{shown_path(path[:length])}` {_lack(value, path[length])}"
    return ""


def _lack(value: Any, step: str | int) -> str:
    match value:
        case None:
            return "is null"
        case list():
            return f"is a list of {len(value)}"
        case Mapping():
            return f"has no `{step}`"
        case _:
            return f"is {_kind(value)}"


def _what_is_called(failure: _Failure) -> str:
    """Name what is called and is no function, if it can be told from the others."""
    calls = list(called_members(failure.source))
    for target, name in calls:
        path = plain_path(target)
        value = resolve(path, failure.given.roots) if path is not None else MISSING
        if value is not MISSING and (len(calls) == 1 or isinstance(value, Mapping)):
            return f"`{target}` is {_kind(value)}, and its `{name}`"
    if len(calls) == 1 and calls[0][0]:
        return f"`{calls[0][0]}.{calls[0][1]}`"
    return f"Something that is called in {failure.shown}"


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"
