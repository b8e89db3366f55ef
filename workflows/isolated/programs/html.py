"""What takes things out of HTML pages, in a process of its own: see :mod:`workflows.isolated`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from cssselect import HTMLTranslator
from lxml import etree

# What is no text of a page, and what begins a new line in it.
UNSEEN = frozenset({"script", "style", "template", "noscript", "head"})
APART = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)


class TooMuch(Exception):
    """More would come out, or there is more in a page, than may be."""


def answer(data: bytes, question: dict[str, Any]) -> dict[str, Any]:
    """Return what was found in each page, or in which one there is too much."""
    taking = _Taking(question)
    results: list[Any] = []
    start = 0
    for size in question["sizes"]:
        try:
            results.append(taking.of(data[start : start + size]))
        except TooMuch as error:
            return {"index": len(results), "problem": f"{error}"}
        start += size
    return {"results": results}


class _Taking:
    def __init__(self, question: dict[str, Any]) -> None:
        self._encoding: str | None = question["encoding"]
        self._each: str | None = question["each"]
        self._fields: dict[str, dict[str, Any]] = question["fields"]
        self._values, self._chars = question["most_values"], question["most_chars"]
        self._paths: dict[tuple[str, str], Any] = {}

    def of(self, page: bytes) -> Any:
        """Return the fields of a page, or a list with those of each element that is wanted."""
        root = self._root(page)
        if self._each is None:
            return self._taken(root, "descendant-or-self::")
        outer = [] if root is None else self._found(self._each, root, "descendant-or-self::")
        return [self._taken(element, "descendant::") for element in outer]

    def _root(self, page: bytes) -> Any:
        parser = etree.HTMLParser(encoding=self._encoding, no_network=True, remove_comments=True, remove_pis=True)
        try:
            root = etree.fromstring(page, parser)
        except etree.XMLSyntaxError:
            return None  # There is no element in it.
        if any(entry.type_name == "ERR_RESOURCE_LIMIT" or "depth" in entry.message for entry in parser.error_log):
            raise TooMuch("The page is nested too deep, so that a part of it cannot be read")
        return root

    def _taken(self, element: Any, axis: str) -> dict[str, Any]:
        return {name: self._field(field, element, axis) for name, field in self._fields.items()}

    def _field(self, field: dict[str, Any], element: Any, axis: str) -> Any:
        if element is None:
            found: list[Any] = []
        elif field["selector"] is None:
            found = [element]
        else:
            found = self._found(field["selector"], element, axis)
        if not field["all"]:
            return self._value(field["get"], found[0]) if found else None
        return [value for each in found if (value := self._value(field["get"], each)) is not None]

    def _found(self, selector: str, element: Any, axis: str) -> list[Any]:
        if (selector, axis) not in self._paths:
            self._paths[selector, axis] = etree.XPath(HTMLTranslator().css_to_xpath(selector, prefix=axis))
        found: list[Any] = self._paths[selector, axis](element)
        return found

    def _value(self, get: str, element: Any) -> str | None:
        match get:
            case "text":
                value = " ".join("".join(_texts(element)).split())
            case "html":
                value = _inner_html(element)
            case attribute:
                value = element.get(attribute[1:].lower())
        self._values -= 1
        self._chars -= len(value or "")
        if self._values < 0 or self._chars < 0:
            raise TooMuch("Too many values, or characters, would come out")
        return value


def _texts(element: Any) -> Iterator[str]:
    """Yield what an element shows."""
    unseen = 0
    for event, part in etree.iterwalk(element, events=("start", "end")):
        # Somebody who asks for the text of a script wants it.
        is_unseen, space = part is not element and part.tag in UNSEEN, " " if part.tag in APART else ""
        if event == "start":
            unseen += is_unseen
            yield space if unseen else space + (part.text or "")
        else:
            unseen -= is_unseen
            tail = part.tail if part is not element and not unseen else ""
            yield space + (tail or "")


def _inner_html(element: Any) -> str:
    own = element.text or ""
    own = own if element.tag in ("script", "style") else escape(own, quote=False)
    return (own + "".join(etree.tostring(part, encoding="unicode", method="html") for part in element)).strip()
