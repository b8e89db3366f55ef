"""One list out of many pages."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from projects.payloads import storable
from workflows.http import Reply, links, pointers, urls
from workflows.http.errors import BadUrl
from workflows.nodes.base import Context, NodeError
from workflows.nodes.fields import Template
from workflows.tools.http_request.arguments import RequestArguments
from workflows.tools.http_request.pagination import (
    CursorPages,
    LinkPages,
    NextUrlPages,
    NumberedPages,
    OffsetPages,
    Pagination,
)
from workflows.tools.http_request.sending import Place

LAST_PAGE = "last_page"
UNTIL = "until"
# How often in a row a service may ask to come back later for a page, before the attempt fails.
MOST_REFUSALS = 5


@dataclass(frozen=True)
class Page:
    """One page. ``shown`` is what expressions see as ``item``; the marks in ``body`` are as they came, not masked."""

    reply: Reply
    body: Any
    shown: dict[str, Any]


@dataclass
class Progress:
    """How far it has come, from page to page; and from one run to the next, if a page has to wait for its turn."""

    place: Place = field(default_factory=Place)
    items: list[Any] = field(default_factory=list)
    pages: int = 0
    bytes: int = 0
    seconds: float = 0.0
    seen: list[str] = field(default_factory=list)  # Digests of where the pages so far were.
    latest: str = ""  # A digest of what the page before had.
    refusals: int = 0  # How often in a row the page was not to be had yet.

    @classmethod
    def of(cls, kept: Any) -> Progress:
        """Return what was kept, or the beginning."""
        return cls(**{**kept, "place": Place(**kept["place"])}) if isinstance(kept, dict) else cls()

    def to_json(self) -> dict[str, Any]:
        """Return it to be kept."""
        return {**vars(self), "place": vars(self.place)}


def follow(
    arguments: RequestArguments,
    context: Context,
    *,
    first_url: str,
    ask: Callable[[Progress], Page],
    keep: Callable[[Progress], None],
) -> tuple[Page, Progress, str]:
    """Ask for page after page. Return the last one, what all came to, and why it ended.

    :param ask: asks for one.
    :param keep: hears how far it is before each further one.
    :raises NodeError: if a page has no list, or comes again; or at a limit, where ``on_limit`` says so.
    """
    rules = arguments.pagination
    assert rules is not None  # noqa: S101 - the caller has looked
    progress = Progress.of(context.kept)
    if progress.pages == 0 and isinstance(rules, NumberedPages | OffsetPages):
        progress.place = replace(progress.place, mark=rules.first)
    reader = _Reader(arguments, rules, context, first_url)
    while True:
        began = time.monotonic()
        page = ask(progress)
        items = reader.items_in(page)
        reader.refuse_a_repetition(page, items, progress)
        following = reader.after(page, items, progress)
        _note(progress, page, items, seconds=time.monotonic() - began)
        ended_by = reader.end(page, progress, following)
        if ended_by is not None:
            del progress.items[rules.max_items :]
            if rules.on_limit == "fail" and ended_by not in (LAST_PAGE, UNTIL):
                raise _at_limit(arguments, ended_by, progress)
            return page, progress, ended_by
        assert following is not None  # noqa: S101 - else it has ended
        progress.place = following
        reader.refuse_a_circle(progress)
        keep(progress)


@dataclass(frozen=True)
class _Reader:
    arguments: RequestArguments
    rules: Pagination
    context: Context
    first_url: str

    def items_in(self, page: Page) -> list[Any]:
        """Return a page's list, and show it to later expressions."""
        where = self.rules.items
        if isinstance(where, Template):
            found = self._evaluated(where, page)
        elif page.body is None:
            found = []  # A last page may have no body at all (204).
        else:
            found = pointers.at(page.shown["body"], where or "")
        if found is None or (found is pointers.NOTHING and page.shown["number"] > 1):
            found = []  # Some services leave out an empty list.
        if not isinstance(found, list):
            raise NodeError(
                "no_list",
                f"{self.arguments.described}: page {page.shown['number']} has no list "
                f"{f'at {where}' if isinstance(where, str) and where else 'there'}. Say in `pagination.items` where a page's list is.",
            )
        page.shown["items"] = found
        return found

    def after(self, page: Page, items: list[Any], progress: Progress) -> Place | None:
        """Return which page to ask for next; ``None`` after the last one."""
        rules, place = self.rules, replace(progress.place, number=progress.place.number + 1)
        match rules:
            case LinkPages():
                return self._at(links.target_of(page.reply.headers.get("link", ""), rules.rel), page, place)
            case NextUrlPages():
                return self._at(self._found(rules.next, page), page, place)
            case CursorPages():
                mark = page.reply.headers.get(rules.header.lower()) if rules.header else self._found(rules.cursor, page)
                if mark is None or mark is False or mark == "":
                    return None
                if not isinstance(mark, str | int | float) or mark is True:
                    raise NodeError(
                        "bad_cursor",
                        f"{self.arguments.described}: the mark of the next page is neither text nor a number.",
                    )
                return replace(place, mark=mark)
            case NumberedPages() | OffsetPages():
                if not items or (rules.size is not None and len(items) < rules.size):
                    return None
                return replace(place, mark=place.mark + (1 if isinstance(rules, NumberedPages) else len(items)))

    def end(self, page: Page, progress: Progress, following: Place | None) -> str | None:
        """Return why there is no further page to be asked for, if that is so."""
        rules = self.rules
        if len(progress.items) > rules.max_items:
            return "max_items"
        if self._is_last(page):
            return UNTIL
        if following is None:
            return LAST_PAGE
        reached = {
            "max_pages": progress.pages >= rules.max_pages,
            "max_items": len(progress.items) >= rules.max_items,
            "max_bytes": progress.bytes >= rules.max_bytes,
            "max_seconds": progress.seconds >= rules.max_seconds,
        }
        return next((name for name, is_reached in reached.items() if is_reached), None)

    def refuse_a_repetition(self, page: Page, items: list[Any], progress: Progress) -> None:
        """Refuse a page that is the one before: the service does not know the parameter, and would go on for ever."""
        is_numbered = isinstance(self.rules, NumberedPages | OffsetPages)
        # Beside its items, a page that is found by a mark has the next mark. What else a numbered one has may be a clock.
        latest = _digest(items if is_numbered else hashlib.sha256(page.reply.body).hexdigest())
        if items and latest == progress.latest:
            raise self._repeated(progress, f"page {progress.pages + 1} is the same as the one before")
        progress.latest = latest

    def refuse_a_circle(self, progress: Progress) -> None:
        """Refuse to ask for a page that was asked for before."""
        digest = _digest([progress.place.url, progress.place.mark])
        if digest in progress.seen:
            raise self._repeated(progress, f"page {progress.pages} leads back to one that was there before")
        progress.seen.append(digest)

    def _repeated(self, progress: Progress, complaint: str) -> NodeError:
        return NodeError(
            "page_repeated",
            f"{self.arguments.described}: {complaint}. Look at `pagination`: the service may know the parameter by another "
            "name.",
            details={"pages": progress.pages, "items": len(progress.items)},
        )

    def _is_last(self, page: Page) -> bool:
        until = self.rules.until
        answer = self._evaluated(until, page) if isinstance(until, Template) else until
        if not isinstance(answer, bool):
            raise NodeError(
                "invalid_config",
                f"{self.arguments.described}: `pagination.until` must give true or false, not {answer!r:.60}.",
            )
        return answer

    def _found(self, where: Any, page: Page) -> Any:
        if isinstance(where, Template):
            return self._evaluated(where, page)
        found = pointers.at(page.body, where)
        return None if found is pointers.NOTHING else found

    def _evaluated(self, template: Template, page: Page) -> Any:
        return self.context.evaluate_each(template.text, [page.shown])[0]

    def _at(self, target: Any, page: Page, place: Place) -> Place | None:
        """Return the place of a URL that an answer gave. Credentials go there only if nobody else had a say in it."""
        if target is None or target == "":
            return None
        if not isinstance(target, str):
            raise NodeError("bad_next_url", f"{self.arguments.described}: where the next page is must be text.")
        try:
            came_from, following = urls.parse(page.reply.url), urls.joined(page.reply.url, target)
            home = urls.origin(urls.parse(self.first_url))
        except BadUrl as error:
            message = f"{self.arguments.described}: the answer says that the next page is where nobody can call. {error.message}"
            raise NodeError("bad_next_url", message) from error
        is_trusted = place.is_trusted and urls.origin(came_from) == home and urls.origin(following) == home
        if not is_trusted and (self.arguments.bodies_given() or self.arguments.method not in ("GET", "HEAD")):
            raise NodeError(
                "bad_next_url",
                f"{self.arguments.described}: the next page is on another host, and this request has a body or changes "
                "something: it is not sent there.",
            )
        if came_from.scheme == "https" and following.scheme == "http":
            raise NodeError(
                "bad_next_url",
                f"{self.arguments.described}: the answer leads from https to http, where others could read it.",
            )
        return replace(place, url=str(following), is_trusted=is_trusted)


def _note(progress: Progress, page: Page, items: list[Any], *, seconds: float) -> None:
    progress.pages += 1
    progress.items += items
    progress.bytes += len(page.reply.body)
    progress.seconds += seconds
    progress.refusals = 0


def _digest(what: Any) -> str:
    return hashlib.sha256(orjson.dumps(storable(what), option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _at_limit(arguments: RequestArguments, limit: str, progress: Progress) -> NodeError:
    return NodeError(
        "pagination_limit",
        f"{arguments.described}: {limit} was reached before the last page. Raise `pagination.{limit}`, ask for less, or "
        "set `on_limit` to stop.",
        details={"limit": limit, "pages": progress.pages, "items": len(progress.items)},
    )
