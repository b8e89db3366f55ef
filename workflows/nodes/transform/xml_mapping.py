"""How XML and JSON mean each other.

An element is an object: attributes are ``@name``, text is ``#text``, elements within go by their names, and those that come
several times are a list. An element that has text and nothing else is just that text, an empty one is ``""``. Space between
elements is not kept, nor are comments, processing instructions and the order of elements with different names. A document is
``{root: …}``. All values are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from workflows.definition.pydantic_problems import type_of
from workflows.nodes.base import NodeError

MAX_DEPTH = 60
MAX_ELEMENTS = 100_000
MAX_CHARS = 5 * 1024 * 1024

ATTRIBUTE, TEXT = "@", "#text"

Prefixes = Literal["keep", "strip"]

# XML 1.0, production 5, with at most one colon as of "Namespaces in XML".
_START = "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd"
_NCNAME = f"[{_START}][{_START}\\-.0-9\u00b7\u0300-\u036f\u203f-\u2040]*"
_NAME = re.compile(f"{_NCNAME}(:{_NCNAME})?")
# XML 1.0, production 2: what no document may hold, not even escaped.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass
class _Element:
    name: str
    members: dict[str, Any] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def add(self, name: str, value: Any, *, is_list: bool) -> None:
        if name not in self.members:
            self.members[name] = [value] if is_list else value
        elif isinstance(self.members[name], list):
            self.members[name].append(value)
        else:
            self.members[name] = [self.members[name], value]

    def value(self) -> Any:
        text = "".join(self.text)
        if not self.members:
            return text.strip()
        return {**self.members, TEXT: text.strip()} if text.strip() else self.members


class _Reader:
    """Builds values while expat reads. Whatever is refused is refused before it is built."""

    def __init__(self, *, prefixes: Prefixes, lists: frozenset[str]) -> None:
        self._strips = prefixes == "strip"
        self._lists = lists
        self._open = [_Element("")]
        self._count = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._count += 1
        if len(self._open) > MAX_DEPTH:
            raise NodeError("xml_too_large", f"The document is nested more than {MAX_DEPTH} levels deep.")
        if self._count > MAX_ELEMENTS:
            raise NodeError("xml_too_large", f"The document has more than {MAX_ELEMENTS:,} elements.")
        element = _Element(self._named(name))
        for key, value in attributes.items():
            if not (self._strips and (key == "xmlns" or key.startswith("xmlns:"))):
                element.members[ATTRIBUTE + self._named(key)] = value
        self._open.append(element)

    def end(self, _: str) -> None:
        element = self._open.pop()
        self._open[-1].add(element.name, element.value(), is_list=element.name in self._lists)

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def refuse_doctype(self, *_: Any) -> None:
        raise NodeError("xml_doctype", "The document has a DOCTYPE. It could define entities, so that none is read.")

    @property
    def document(self) -> dict[str, Any]:
        return self._open[0].members

    def _named(self, name: str) -> str:
        return name.rpartition(":")[2] if self._strips else name


def read_xml(data: str | bytes, *, prefixes: Prefixes, lists: frozenset[str]) -> dict[str, Any]:
    """Return what a document means.

    :param prefixes: of names: ``keep`` them (and ``@xmlns…``), or ``strip`` both.
    :param lists: the names of elements that are lists also if there is one.
    :raises NodeError: ``invalid_xml``, ``xml_doctype`` or ``xml_too_large``.
    """
    if len(data) > MAX_CHARS:
        raise NodeError("xml_too_large", f"The document has more than {MAX_CHARS:,} characters.")
    # A text has been decoded: what its declaration says of bytes holds no more.
    parser = expat.ParserCreate("utf-8" if isinstance(data, str) else None)
    reader = _Reader(prefixes=prefixes, lists=lists)
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    try:
        parser.Parse(data.encode("utf-8", "replace") if isinstance(data, str) else data, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise NodeError(
            "invalid_xml", f"Line {error.lineno}, column {error.offset + 1} of the XML: {reason}."
        ) from error
    except (LookupError, ValueError) as error:
        raise NodeError("invalid_xml", f"The XML cannot be decoded: {error}.") from error
    return reader.document


def write_xml(document: Any, *, indent: int) -> str:
    """Return an object of one key as a document, without a declaration.

    :param indent: spaces for each level; 0: one line.
    :raises NodeError: ``not_xml``, if it means no document.
    """
    if not isinstance(document, dict) or len(document) != 1 or isinstance(next(iter(document.values())), list):
        raise NodeError("not_xml", "A document is an object with one key, the name of its root: `{order: …}`.")
    ((name, value),) = document.items()
    lines = _written(name, value, 0, indent)
    return ("\n" if indent else "").join(lines)


def _written(name: str, value: Any, depth: int, indent: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        raise NodeError("not_xml", f"It is nested more than {MAX_DEPTH} levels deep.")
    margin = " " * (indent * depth)
    _refuse_name(name)
    if not isinstance(value, dict):
        text = _text(value, name)
        yield f"{margin}<{name}>{escape(text)}</{name}>" if text else f"{margin}<{name}/>"
        return
    attributes = "".join(
        f" {_refuse_name(key[1:])}={quoteattr(_text(part, key), {chr(10): '&#10;', chr(13): '&#13;', chr(9): '&#9;'})}"
        for key, part in value.items()
        if key.startswith(ATTRIBUTE)
    )
    children = [(key, part) for key, part in value.items() if not key.startswith(ATTRIBUTE) and key != TEXT]
    text = escape(_text(value.get(TEXT), TEXT))
    if not children:
        yield f"{margin}<{name}{attributes}>{text}</{name}>" if text else f"{margin}<{name}{attributes}/>"
        return
    yield f"{margin}<{name}{attributes}>{text}"
    for key, part in children:
        for each in part if isinstance(part, list) else [part]:
            yield from _written(key, each, depth + 1, indent)
    yield f"{margin}</{name}>"


def _refuse_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NodeError(
            "not_xml", f"{name[:60]!r} is no name in XML: letters, digits, `-`, `_`, `.`, no space, no digit first."
        )
    return name


def _text(value: Any, name: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str() if _UNWRITABLE.search(value):
            raise NodeError("not_xml", f"The text of `{name[:60]}` holds a character that XML cannot express.")
        case str():
            return value
        case _:
            raise NodeError(
                "not_xml", f"`{name[:60]}` must be text, a number, true, false or null, not {type_of(value)}."
            )
