"""HTML pages, and what CSS selectors (Selectors, level 4) find in them, in a time that grows with the page and the selector alone.

The usual way, selectors as XPath, takes minutes on pages that somebody has made for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from workflows.nodes.base import NodeError

MAX_CHARS = 5 * 1024 * 1024
MAX_ELEMENTS = 100_000

# What is no text of a page, and what begins a new line in it.
_UNSEEN = frozenset({"script", "style", "template", "noscript", "head"})
_APART = frozenset(
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
# For each element of a page, in document order, whether it is meant.
Hits = list[bool]


class BadSelector(Exception):
    """A selector that nobody can follow.

    :param message: why, in a sentence.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@lru_cache(maxsize=512)
def parsed(selector: str) -> tuple[Any, ...]:
    """Return what a selector says, one tree for each of its alternatives.

    :raises BadSelector: if it says nothing, or something that is not supported.
    """
    import cssselect  # With the first selector: no workflow may ever have one.

    try:
        alternatives = cssselect.parse(selector)
    except cssselect.SelectorError as error:
        raise BadSelector(f"{error}.") from error
    if any(each.pseudo_element for each in alternatives):
        raise BadSelector("A pseudo-element (`::`) is no element. `get` says what of an element is wanted.")
    trees = tuple(each.parsed_tree for each in alternatives)
    for tree in trees:
        Page([]).hits(tree)
    return trees


class Page:
    """The elements of a page in document order, so that what is in one of them follows it."""

    def __init__(self, elements: Sequence[Any]) -> None:
        self.elements = elements
        places = {element: place for place, element in enumerate(elements)}
        count = len(elements)
        self._tags = [element.tag for element in elements]
        self._parents = [places.get(element.getparent(), -1) for element in elements]
        self._previous = [-1] * count
        self._next = [-1] * count
        self._ends = list(range(1, count + 1))
        latest: dict[int, int] = {}
        for place, parent in enumerate(self._parents):
            if (before := latest.get(parent)) is not None:
                self._previous[place], self._next[before] = before, place
            latest[parent] = place
        for place in reversed(range(count)):
            if (parent := self._parents[place]) >= 0:
                self._ends[parent] = max(self._ends[parent], self._ends[place])

    @classmethod
    def of(cls, data: bytes, *, encoding: str | None) -> Page:
        """Return a page.

        :param encoding: ``None`` if the page says so itself.
        :raises NodeError: ``html_too_large``.
        """
        from lxml import etree  # As above.

        if len(data) > MAX_CHARS:
            raise NodeError("html_too_large", f"The page has more than {MAX_CHARS:,} bytes.")
        parser = etree.HTMLParser(encoding=encoding, no_network=True, remove_comments=True, remove_pis=True)
        try:
            root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError:
            root = None  # There is no element in it.
        if any(entry.type_name == "ERR_RESOURCE_LIMIT" or "depth" in entry.message for entry in parser.error_log):
            raise NodeError("html_too_large", "The page is nested too deep, so that a part of it cannot be read.")
        elements = [] if root is None else list(root.iter("*"))
        if len(elements) > MAX_ELEMENTS:
            raise NodeError("html_too_large", f"The page has more than {MAX_ELEMENTS:,} elements.")
        return cls(elements)

    def places(self, selector: str) -> list[int]:
        """Return where the elements are that a selector finds."""
        found = [self.hits(tree) for tree in parsed(selector)]
        return [place for place in range(len(self.elements)) if any(hits[place] for hits in found)]

    def within(self, places: Sequence[int], outer: int) -> Sequence[int]:
        """Return those of some places that are in an element."""
        return places[bisect_left(places, outer + 1) : bisect_left(places, self._ends[outer])]

    def hits(self, tree: Any) -> Hits:
        """Return which elements a parsed selector means.

        :raises BadSelector: for what is not supported.
        """
        made = _MEANINGS.get(type(tree).__name__)
        if made is None:
            raise BadSelector(f"It has a part that is not supported: {type(tree).__name__}.")
        return made(self, tree)

    # --- Each kind of part ------------------------------------------------------------------------------------------

    def _element(self, tree: Any) -> Hits:
        if tree.namespace is not None:
            raise BadSelector("Namespaces (`|`) are not supported.")
        name = tree.element and tree.element.lower()
        return [name is None or tag == name for tag in self._tags]

    def _class(self, tree: Any) -> Hits:
        return self._narrowed(tree, lambda place: tree.class_name in (self.elements[place].get("class") or "").split())

    def _hash(self, tree: Any) -> Hits:
        return self._narrowed(tree, lambda place: self.elements[place].get("id") == tree.id)

    def _attribute(self, tree: Any) -> Hits:
        name, flag = tree.attrib.lower(), getattr(tree, "flag", None)
        wanted = tree.value.value if tree.value is not None else ""
        folds = flag is not None and flag.lower() == "i"
        test = _ATTRIBUTES[tree.operator]
        wanted = wanted.lower() if folds else wanted

        def holds(place: int) -> bool:
            value = self.elements[place].get(name)
            return value is not None and test(value.lower() if folds else value, wanted)

        return self._narrowed(tree, holds)

    def _not(self, tree: Any) -> Hits:
        others = self.hits(tree.subselector)
        return self._narrowed(tree, lambda place: not others[place])

    def _is(self, tree: Any) -> Hits:
        others = [self.hits(each) for each in tree.selector_list]
        return self._narrowed(tree, lambda place: any(hits[place] for hits in others))

    def _has(self, tree: Any) -> Hits:
        found = [self._related(combinator.value, self.hits(each.parsed_tree)) for combinator, each in tree.arguments]
        return self._narrowed(tree, lambda place: any(hits[place] for hits in found))

    def _related(self, combinator: str, inner: Hits) -> Hits:
        """Return which elements have one that is meant among those within, after, … them."""
        found = [False] * len(inner)
        for place in reversed(range(len(inner))):
            parent, before = self._parents[place], self._previous[place]
            if combinator in (" ", ">") and parent >= 0:
                found[parent] = found[parent] or inner[place] or (combinator == " " and found[place])
            elif combinator in ("+", "~") and before >= 0:
                found[before] = inner[place] or (combinator == "~" and found[place])
        return found

    def _combined(self, tree: Any) -> Hits:
        left, combinator = self.hits(tree.selector), tree.combinator
        origin = self._parents if combinator in (" ", ">") else self._previous
        goes_on = combinator in (" ", "~")
        reached = [False] * len(left)
        for place, before in enumerate(origin):
            reached[place] = before >= 0 and (left[before] or (goes_on and reached[before]))
        return [here and there for here, there in zip(self.hits(tree.subselector), reached, strict=True)]

    def _pseudo(self, tree: Any) -> Hits:
        match tree.ident:
            case "first-child":
                return self._narrowed(tree, lambda place: self._previous[place] < 0)
            case "last-child":
                return self._narrowed(tree, lambda place: self._next[place] < 0)
            case "only-child":
                return self._narrowed(tree, lambda place: self._previous[place] < 0 and self._next[place] < 0)
            case "first-of-type" | "last-of-type":
                numbers = self._numbers(of_type=True, from_end=tree.ident == "last-of-type")
                return self._narrowed(tree, lambda place: numbers[place] == 1)
            case "only-of-type":
                first, last = (self._numbers(of_type=True, from_end=side) for side in (False, True))
                return self._narrowed(tree, lambda place: first[place] == last[place] == 1)
            case "empty":
                return self._narrowed(
                    tree, lambda place: len(self.elements[place]) == 0 and not self.elements[place].text
                )
            case "root":
                return self._narrowed(tree, lambda place: self._parents[place] < 0)
        raise BadSelector(f"`:{tree.ident}` is not supported.")

    def _function(self, tree: Any) -> Hits:
        if tree.name not in ("nth-child", "nth-last-child", "nth-of-type", "nth-last-of-type"):
            raise BadSelector(f"`:{tree.name}()` is not supported.")
        from cssselect.parser import parse_series

        try:
            step, first = parse_series(tree.arguments)
        except ValueError as error:
            raise BadSelector(f"`:{tree.name}()` takes 2, odd, even or 2n+1.") from error
        numbers = self._numbers(of_type="type" in tree.name, from_end="last" in tree.name)

        def holds(place: int) -> bool:
            beyond = numbers[place] - first
            return beyond == 0 if step == 0 else beyond % step == 0 and beyond // step >= 0

        return self._narrowed(tree, holds)

    def _numbers(self, *, of_type: bool, from_end: bool) -> list[int]:
        """Return which one each element is among its siblings, from 1."""
        seen: dict[tuple[int, str], int] = {}
        numbers = [0] * len(self.elements)
        for place in reversed(range(len(numbers))) if from_end else range(len(numbers)):
            key = (self._parents[place], self._tags[place] if of_type else "")
            numbers[place] = seen[key] = seen.get(key, 0) + 1
        return numbers

    def _narrowed(self, tree: Any, holds: Callable[[int], bool]) -> Hits:
        return [hit and holds(place) for place, hit in enumerate(self.hits(tree.selector))]


_MEANINGS: dict[str, Callable[[Page, Any], Hits]] = {
    "Element": Page._element,
    "Class": Page._class,
    "Hash": Page._hash,
    "Attrib": Page._attribute,
    "Negation": Page._not,
    "Matching": Page._is,
    "SpecificityAdjustment": Page._is,
    "Relation": Page._has,
    "CombinedSelector": Page._combined,
    "Pseudo": Page._pseudo,
    "Function": Page._function,
}
_ATTRIBUTES: dict[str, Callable[[str, str], bool]] = {
    "exists": lambda value, wanted: True,
    "=": lambda value, wanted: value == wanted,
    "!=": lambda value, wanted: value != wanted,
    "~=": lambda value, wanted: wanted in value.split(),
    "|=": lambda value, wanted: value == wanted or value.startswith(f"{wanted}-"),
    "^=": lambda value, wanted: bool(wanted) and value.startswith(wanted),
    "$=": lambda value, wanted: bool(wanted) and value.endswith(wanted),
    "*=": lambda value, wanted: bool(wanted) and wanted in value,
}


def text_of(element: Any) -> str:
    """Return the text that an element shows, on one line."""
    return " ".join("".join(_texts(element)).split())


def _texts(element: Any) -> Iterator[str]:
    from lxml import etree

    unseen = 0
    for event, part in etree.iterwalk(element, events=("start", "end")):
        # Somebody who asks for the text of a script wants it.
        is_unseen, space = part is not element and part.tag in _UNSEEN, " " if part.tag in _APART else ""
        if event == "start":
            unseen += is_unseen
            yield space if unseen else space + (part.text or "")
        else:
            unseen -= is_unseen
            tail = part.tail if part is not element and not unseen else ""
            yield space + (tail or "")


def html_of(element: Any) -> str:
    """Return the HTML within an element."""
    from lxml import etree

    own = element.text or ""
    own = own if element.tag in ("script", "style") else escape(own, quote=False)
    return (own + "".join(etree.tostring(part, encoding="unicode", method="html") for part in element)).strip()
