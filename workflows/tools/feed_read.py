"""The tool ``feed.read``."""

from __future__ import annotations

import calendar
import codecs
import hashlib
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from xml.parsers import expat

from django.utils import timezone
from pydantic import Field

from workflows.http import DoorError, Reply
from workflows.http.conditions import conditional_headers
from workflows.http.configured import configured_door
from workflows.http.hops import HOPS_HEADER
from workflows.http.retry_after import retry_after_seconds
from workflows.http.secrets import Secrets
from workflows.nodes.base import Config, Context, Effect, NodeError
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Freshness, Tool, register

# Feeds of whole archives are large; what is longer is no feed that somebody reads.
MAX_BYTES = 2 * 1024 * 1024
TIMEOUT_SECONDS = 30.0
MAX_ENTRIES = 1_000
MAX_TEXT_CHARS = 100_000
# What no feed needs, and what would cost the library more time than it is worth.
MAX_ELEMENTS = 10_000
MAX_DEPTH = 100
MAX_ATTRIBUTES = 50  # of one element
MAX_NAMESPACES = 100  # declarations of them, all together
ACCEPT = (
    "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.9, */*;q=0.1"
)
NOT_MODIFIED = 304
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class FeedArguments(Config):
    """What ``feed.read`` takes."""

    url: Dynamic[str] = Field(min_length=1, description="Where the feed is, http or https.")
    max_entries: Dynamic[Annotated[int, Field(ge=1, le=MAX_ENTRIES)]] = Field(
        100, description="Entries that are returned at most, in the feed's order."
    )
    etag: Dynamic[str] = Field(
        "", description="The `etag` of an earlier answer: if nothing is new, there are no entries."
    )
    last_modified: Dynamic[str] = Field("", description="The same, with its `last_modified`.")


@register("feed.read")
class FeedRead(Tool[FeedArguments]):
    """Read an RSS or Atom feed.

    The output is ``{"title": …, "link": …, "entries": […], "etag": …, "last_modified": …, "is_unchanged": false}``. Each entry has
    ``id``, ``title``, ``link``, ``published``, ``updated``, ``summary`` and ``author``; what the feed does not say is an empty text, a
    time null. An entry without an id has its link for one, and without either a hash of its title, time and summary. Texts are the feed's own: HTML in them is not made safe.
    """

    Arguments = FeedArguments
    icon = "rss"
    items_at = "/entries"
    url_argument = "url"
    item_key = "{{ item.id }}"
    example: ClassVar[dict[str, Any]] = {"url": "https://example.com/feed.xml"}

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Reading changes nothing."""
        return Effect.READ

    def conditional(self, arguments: Mapping[str, Any], known: Freshness) -> Mapping[str, Any]:
        """Ask with the validators of the earlier answer, where the author has not given others."""
        return {"etag": known.etag, "last_modified": known.last_modified, **arguments}

    def freshness(self, output: Any) -> Freshness:
        """Return the validators, and whether the service said that nothing is new."""
        return Freshness(output["etag"], output["last_modified"], output["is_unchanged"])

    def call(self, arguments: FeedArguments, context: Context) -> dict[str, Any]:
        """Fetch the feed through the door, and read it.

        :raises NodeError: ``http_status`` if there is no answer with a feed; ``not_a_feed`` if it is none, or broken; else the
            door's own code (``timeout``, ``dns``, ``address_refused``, …).
        """
        secrets = Secrets(context)
        reply = _fetch(arguments, secrets, context)
        said = {
            "etag": reply.headers.get("etag", ""),
            "last_modified": reply.headers.get("last-modified", ""),
            "is_unchanged": reply.status == NOT_MODIFIED,
        }
        found = {"title": "", "link": "", "entries": []} if reply.status == NOT_MODIFIED else read(reply)
        entries: Any = found["entries"]
        output: dict[str, Any] = secrets.mask({**found, "entries": entries[: arguments.max_entries], **said})
        return output


def _fetch(arguments: FeedArguments, secrets: Secrets, context: Context) -> Reply:
    left = context.seconds_left
    if left <= 0:
        raise NodeError("timeout", "The node's time was over before the feed was asked for.", retryable=True)
    headers = conditional_headers({"Accept": ACCEPT, HOPS_HEADER: str(context.hops + 1)}, arguments)
    try:
        reply = configured_door().request(
            "GET", secrets.fill(arguments.url), headers=headers, timeout=min(TIMEOUT_SECONDS, left), max_bytes=MAX_BYTES
        )
    except DoorError as error:
        raise NodeError(error.code, f"The feed: {error.message}", retryable=error.retryable) from error
    if reply.status != NOT_MODIFIED and not 200 <= reply.status < 300:
        raise NodeError(
            "http_status",
            f"The feed's server answered with status {reply.status}.",
            retryable=reply.status in RETRYABLE_STATUSES,
            retry_after=retry_after_seconds(reply.headers.get("retry-after", ""), now=timezone.now()),
            details={"status": reply.status},
        )
    return reply


def read(reply: Reply) -> dict[str, Any]:
    """Return what a feed says.

    :raises NodeError: ``not_a_feed`` if it is none, or broken.
    """
    # Only where a feed is read: every worker process would hold its 4 MB.
    import feedparser
    from feedparser.encodings import convert_to_utf8

    known = feedparser.FeedParserDict()
    headers = {"content-type": reply.headers.get("content-type", "")}
    body = _without_lines_before(reply.body)
    data = convert_to_utf8(headers, body, known) if body else b""
    # What the library puts before a text without a declaration is no line of the feed, and the empty ones are.
    _check_form(data, lines_before=data.count(b"\n") - reply.body.count(b"\n"))
    # Bytes in a file-like object: given text, the library might take it for an address, and fetch it around the door. Its repair
    # of HTML takes time that grows with the square of what it gets.
    parsed = feedparser.parse(
        io.BytesIO(data),
        response_headers={"content-type": "application/xml; charset=utf-8", "content-location": reply.url},
        sanitize_html=False,
        resolve_relative_uris=False,
    )
    if not parsed.get("version") and not parsed.entries:
        raise NodeError(
            "not_a_feed", "The answer is no RSS or Atom feed. Look whether the address is that of the feed itself."
        )
    return {
        "title": _text(parsed.feed, "title"),
        "link": _text(parsed.feed, "link"),
        "entries": [_entry(entry) for entry in parsed.entries],
    }


def _without_lines_before(body: bytes) -> bytes:
    """Return a feed without the empty lines that some sites send before the declaration, which may stand at the beginning alone."""
    mark = codecs.BOM_UTF8 if body.startswith(codecs.BOM_UTF8) else b""
    return mark + body.removeprefix(mark).lstrip()


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    link = _text(entry, "link")
    return {
        "id": _text(entry, "id") or link or _hash(entry),
        "title": _text(entry, "title"),
        "link": link,
        "published": _moment(entry, "published_parsed"),
        "updated": _moment(entry, "updated_parsed"),
        "summary": _text(entry, "summary"),
        "author": _text(entry, "author"),
    }


def _hash(entry: Mapping[str, Any]) -> str:
    """Return an id for an entry that has none: RSS asks for a title or a description, and nothing else."""
    words = [_text(entry, name) for name in ("title", "published", "summary")]
    return f"sha256:{hashlib.sha256(json.dumps(words).encode()).hexdigest()}"


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else ""


def _moment(entry: Mapping[str, Any], name: str) -> str | None:
    # The library has read it as UTC; ``in`` first, because it answers for "updated" with "published" otherwise.
    parsed = entry.get(name) if name in entry else None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC).isoformat() if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None  # A date that there is not.


def _check_form(data: bytes, *, lines_before: int) -> None:
    """Refuse what is not XML in good form, what declares entities, and what is larger or deeper than feeds are.

    Without this, the library would go on with a parser of its own for broken texts, which can be made to take minutes.
    """
    parser = expat.ParserCreate()
    form = _Form()
    parser.StartElementHandler, parser.EndElementHandler = form.start, form.end
    parser.EntityDeclHandler = form.declare
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        message, line = expat.ErrorString(error.code), error.lineno - lines_before
        raise NodeError("not_a_feed", f"The answer is no feed, or a broken one: {message}, line {line}.") from error


class _Form:
    """Counts elements as they come."""

    def __init__(self) -> None:
        self.elements = self.depth = self.namespaces = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.elements += 1
        self.depth += 1
        self.namespaces += sum(each.startswith("xmlns") for each in attributes)
        if self.elements > MAX_ELEMENTS or self.depth > MAX_DEPTH:
            raise _beyond(f"{MAX_ELEMENTS:,} elements, or they lie more than {MAX_DEPTH} deep")
        if len(attributes) > MAX_ATTRIBUTES or self.namespaces > MAX_NAMESPACES:
            raise _beyond(f"{MAX_ATTRIBUTES} attributes in one element, or {MAX_NAMESPACES} declarations of namespaces")

    def end(self, name: str) -> None:
        self.depth -= 1

    def declare(self, name: str, *_: object) -> None:
        raise NodeError("not_a_feed", f"The feed declares an entity ({name[:40]!r}), which feeds have no need of.")


def _beyond(limits: str) -> NodeError:
    return NodeError("too_large", f"The feed is larger than feeds are: it has more than {limits}.")
