"""What takes things out of HTML pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

from workflows.isolated.programs.page_encoding import text_of

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
    """More would come out than may."""


def answer(parts: list[bytes], question: dict[str, Any]) -> dict[str, Any]:
    """Return what was found in each page, or of which one too much would come out."""
    taking = _Taking(question)
    results: list[Any] = []
    for page in parts:
        try:
            results.append(taking.of(text_of(page, question["encoding"])))
        except TooMuch as error:
            return {"index": len(results), "problem": f"{error}"}
    return {"results": results}


class _Taking:
    def __init__(self, question: dict[str, Any]) -> None:
        self._each: str | None = question["each"]
        self._fields: dict[str, dict[str, Any]] = question["fields"]
        self._values, self._chars = question["most_values"], question["most_chars"]

    def of(self, page: str) -> Any:
        """Return the fields of a page, or a list with those of each element that is wanted."""
        root = LexborHTMLParser(page).root
        assert root is not None  # noqa: S101 - of whatever text, one is made
        return self._taken(root) if self._each is None else [self._taken(element) for element in root.css(self._each)]

    def _taken(self, element: LexborNode) -> dict[str, Any]:
        return {name: self._field(field, element) for name, field in self._fields.items()}

    def _field(self, field: dict[str, Any], element: LexborNode) -> Any:
        found = [element] if field["selector"] is None else element.css(field["selector"])
        if not field["all"]:
            return self._value(field["get"], found[0]) if found else None
        return [value for each in found if (value := self._value(field["get"], each)) is not None]

    def _value(self, get: str, element: LexborNode) -> str | None:
        match get:
            case "text":
                value: str | None = " ".join("".join(_texts(element)).split())
            case "html":
                value = (element.inner_html or "").strip()
            case attribute:
                name = attribute[1:].lower()
                value = (element.attributes[name] or "") if name in element.attributes else None
        self._values -= 1
        self._chars -= len(value or "")
        if self._values < 0 or self._chars < 0:
            raise TooMuch("Too many values, or characters, would come out. Make the selectors narrower.")
        return value


def _texts(element: LexborNode) -> Iterator[str]:
    """Yield what an element shows. Without recursion: pages may be nested as deep as somebody likes."""
    # Somebody who asks for the text of a script wants it.
    ahead: list[LexborNode | str] = [*_children(element)]
    ahead.reverse()
    while ahead:
        part = ahead.pop()
        if isinstance(part, str):
            yield part
        elif part.is_text_node:
            yield part.text_content or ""
        elif part.is_element_node and part.tag not in UNSEEN:
            space = " " if part.tag in APART else ""
            yield space
            ahead += [space, *reversed(list(_children(part)))]


def _children(element: LexborNode) -> Iterator[LexborNode]:
    child = element.first_child
    while child is not None:
        yield child
        child = child.next
