"""How single values look on a page. Everything is escaped here, once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.timezone import localtime

from projects.payloads import storable_text

MOST_CHARACTERS = 20_000
NOTHING = "-"


def payload(value: Any, *, most: int = MOST_CHARACTERS) -> SafeString | str:
    """Show JSON data, indented; a long text ends after ``most`` characters with a note of how many more there are."""
    if value is None:
        return NOTHING
    return text_block(json.dumps(value, indent=2, ensure_ascii=False, default=str), most=most)


def text_block(text: str, *, most: int = MOST_CHARACTERS) -> SafeString:
    """Show a text as it is written, line by line."""
    text = storable_text(text)
    if len(text) <= most:
        return format_html('<pre class="sg-payload">{}</pre>', text)
    return format_html(
        '<pre class="sg-payload">{}…</pre><p class="sg-note">{} of {} characters are shown; the API has the rest.</p>',
        text[:most],
        f"{most:,}",
        f"{len(text):,}",
    )


def excerpt(value: Any, *, most: int = 120) -> str:
    """Return the beginning of JSON data on one line. Plain text: the template escapes it."""
    if value is None:
        return NOTHING
    text = storable_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return shortened(" ".join(text.split()), most)


def shortened(text: str, most: int = 120) -> str:
    """Return the beginning of a text, with an ellipsis if there is more."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def pill(word: str | None) -> SafeString | str:
    """Show a word of a closed set: a status, a state. Its colour is in the style sheet, by the word."""
    return format_html('<span class="sg-pill sg-is-{}">{}</span>', word, word) if word else NOTHING


def link(target: Model | None, text: Any = None) -> SafeString | str:
    """Show a row's name as a link to its page."""
    if target is None:
        return NOTHING
    name = shortened(str(text if text is not None else target), 80)
    try:
        url = reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])
    except NoReverseMatch:
        return name
    return format_html('<a href="{}">{}</a>', url, name)


def short_id(row: Model) -> str:
    """Return the end of a row's id: what tells two UUIDv7 of the same moment apart."""
    return f"…{str(row.pk)[-12:]}"


def list_link(model: type[Model], text: str = "All of them", **filters: Any) -> SafeString:
    """Show a link to a model's list, narrowed."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=filters)
    return format_html('<a href="{}">{}</a>', url, text)


def table(
    headings: Sequence[str], rows: Sequence[Sequence[Any]], *, most: int, more: SafeString | str = ""
) -> SafeString | str:
    """Show rows of values; nothing without rows. Of more than ``most``, it shows these and where to find the others."""
    if not rows:
        return ""
    head = format_html_join("", '<th scope="col">{}</th>', ((heading,) for heading in headings))
    body = format_html_join(
        "\n",
        "<tr>{}</tr>",
        ((format_html_join("", "<td>{}</td>", ((cell(value),) for value in row)),) for row in rows[:most]),
    )
    note = format_html('<p class="sg-note">The first {} are shown. {}</p>', most, more) if len(rows) > most else ""
    return format_html(
        '<div class="sg-scroll"><table class="sg-table"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}',
        head,
        body,
        note,
    )


def cell(value: Any) -> Any:
    """Return a value as a table shows it."""
    if value is None or value == "":
        return NOTHING
    return date_format(localtime(value), "DATETIME_FORMAT") if isinstance(value, datetime) else value


def seconds(value: float | None) -> str:
    """Return a duration as people say it."""
    if value is None:
        return NOTHING
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def money(amount: Decimal | None, *, is_complete: bool = True) -> str:
    """Return US dollars as people say them; nothing if there are none, and at least so many if more may not be known."""
    if amount is None:
        return "unknown"
    if not amount:
        return "" if is_complete else "unknown"
    return f"{'' if is_complete else 'at least '}{amount.normalize():f} USD"


def ago(moment: datetime | None, *, now: datetime) -> str:
    """Return how long ago a moment was, or in how long it will be."""
    if moment is None:
        return NOTHING
    if abs((moment - now).total_seconds()) < 60:
        distance = f"{abs((moment - now).total_seconds()):.0f} s"
    else:
        distance = timesince(min(moment, now), max(moment, now))
    return f"{distance} ago" if moment <= now else f"in {distance}"
