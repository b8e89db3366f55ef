r"""Text with expressions in it: ``Hello {{ input.name }}``.

A text that is exactly one ``{{ … }}`` keeps the type of its value. ``\{{`` is a literal ``{{``; a backslash before it
that is meant as one is doubled (``\\{{ x }}`` is a backslash, then an expression). ``{"$literal": …}`` stands for
whatever it holds, which is never looked into.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from workflows.expressions.errors import ExpressionError
from workflows.expressions.scanner import end_of_expression

LITERAL = "$literal"

# From the results of templates, by JSON Pointer, to the value that they stood in.
Filler = Callable[[Mapping[str, Any]], Any]

_LINE_END = re.compile("\n")
# With all backslashes before it. The look behind keeps a search from beginning again at each backslash of a long run.
_OPENING = re.compile(r"(?<!\\)(\\*+)\{\{")


@dataclass(frozen=True, slots=True)
class Interpolation:
    """One ``{{ … }}``: its expression without surrounding space, and where that begins, counted from 1."""

    source: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Template:
    """A text taken apart. Texts between the expressions are as they will appear, without escapes."""

    parts: tuple[str | Interpolation, ...]

    @property
    def is_single(self) -> bool:
        """Whether it is exactly one expression, whose value keeps its type."""
        return len(self.parts) == 1 and isinstance(self.parts[0], Interpolation)

    @property
    def interpolations(self) -> tuple[Interpolation, ...]:
        """Its expressions, in order."""
        return tuple(part for part in self.parts if isinstance(part, Interpolation))


def is_template(text: str) -> bool:
    """Tell whether a text is to be taken apart at all: it holds a ``{{``, escaped or not."""
    return "{{" in text


@lru_cache(maxsize=4096)
def parse_template(text: str) -> Template:
    """Take a text apart.

    :raises ExpressionError: ``syntax``, if a ``{{`` is never closed, or holds nothing.
    """
    line_ends = [match.start() for match in _LINE_END.finditer(text)]
    parts: list[str | Interpolation] = []
    position = 0
    while match := _OPENING.search(text, position):
        backslashes = len(match[1])
        parts.append(text[position : match.start()] + "\\" * (backslashes // 2))
        if backslashes % 2:
            parts.append("{{")
            position = match.end()
            continue
        end = end_of_expression(text, match.end())
        if end is None:
            raise _unclosed(text, *_place(match.end() - 2, line_ends))
        parts.append(_interpolation(text, match.end(), end, line_ends))
        position = end + 2
    parts.append(text[position:])
    return Template(tuple(_joined(parts)))


def escape(text: str) -> str:
    """Return a template that comes out as this text."""
    return _OPENING.sub(lambda match: match[1] * 2 + "\\{{", text)


def find_templates(value: Any) -> Iterator[tuple[str, str]]:
    """Yield JSON Pointer and text of each template in a nested JSON value. Keys are not looked at."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        pointer, current = pending.pop()
        match current:
            case str() if is_template(current):
                yield pointer, current
            case list():
                pending.extend((f"{pointer}/{index}", current[index]) for index in reversed(range(len(current))))
            case dict() if not is_literal(current):
                pending.extend((f"{pointer}/{_token(key)}", current[key]) for key in reversed(current))


def substitute(value: Any, results: Mapping[str, Any], pointer: str = "") -> Any:
    """Return a copy of a nested JSON value with results in the place of templates, and what ``$literal`` holds in its place.

    :param results: by JSON Pointer. A template that has none stays as it is.
    """
    match value:
        case str():
            return results.get(pointer, value)
        case list():
            return [substitute(part, results, f"{pointer}/{index}") for index, part in enumerate(value)]
        case dict() if is_literal(value):
            return value[LITERAL]
        case dict():
            return {key: substitute(part, results, f"{pointer}/{_token(key)}") for key, part in value.items()}
        case _:
            return value


def filler(value: Any, unknown: Callable[[str], Any]) -> Filler:
    """Return what makes :func:`substitute`'s copy of a value for any results: worked out once, it looks at no text again.

    :param unknown: makes what stands for a template that has no result, from its text.
    """
    return _filler(value, unknown, "")


def _filler(value: Any, unknown: Callable[[str], Any], pointer: str) -> Filler:
    match value:
        case str() if is_template(value):
            instead = unknown(value)
            return lambda results: results.get(pointer, instead)
        case list():
            parts = [_filler(part, unknown, f"{pointer}/{index}") for index, part in enumerate(value)]
            return lambda results: [part(results) for part in parts]
        case dict() if is_literal(value):
            held = value[LITERAL]
            return lambda _: held
        case dict():
            fields = [(key, _filler(part, unknown, f"{pointer}/{_token(key)}")) for key, part in value.items()]
            return lambda results: {key: part(results) for key, part in fields}
        case _:
            return lambda _: value


def is_literal(value: dict[str, Any]) -> bool:
    """Whether an object stands for what its ``$literal`` holds."""
    return len(value) == 1 and LITERAL in value


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _interpolation(text: str, start: int, end: int, line_ends: Sequence[int]) -> Interpolation:
    inside = text[start:end]
    source = inside.strip()
    line, column = _place(start + len(inside) - len(inside.lstrip()), line_ends)
    if not source:
        message = "There is no expression in `{{ }}`."
        raise ExpressionError("syntax", message, expression=text, line=line, column=column)
    return Interpolation(source, line, column)


def _unclosed(text: str, line: int, column: int) -> ExpressionError:
    message = "`{{` is never closed by `}}`. Write `\\{{` if it is meant as text."
    if "//" in text:
        message += " A comment with // runs to the end of its line."
    return ExpressionError("syntax", message, expression=text, line=line, column=column)


def _place(offset: int, line_ends: Sequence[int]) -> tuple[int, int]:
    """Return line and column of an offset."""
    before = bisect_left(line_ends, offset)
    return before + 1, offset - (line_ends[before - 1] if before else -1)


def _joined(parts: list[str | Interpolation]) -> Iterator[str | Interpolation]:
    """Yield parts with texts that follow each other made one, and none empty."""
    run = ""
    for part in parts:
        if isinstance(part, str):
            run += part
            continue
        if run:
            yield run
        run = ""
        yield part
    if run:
        yield run
