"""Actions: buttons on a row's page, and choices for many rows of a list. Each is one call, and one message for each row."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from projects.backoffice.values import shortened
from projects.exceptions import SegueError

logger = logging.getLogger(__name__)

# Rows that one request acts on, and messages that it leaves.
MOST_AT_ONCE = 500
MOST_MESSAGES = 10

# Acts on one row and says what was done, as the end of a sentence; or raises a SegueError.
Act = Callable[[HttpRequest, Any], str]


def action(label: str, *, applies: Callable[[Any], bool] = lambda row: True) -> Callable[[Callable[..., str]], Any]:
    """Make a page's method ``(self, request, row) -> str`` an action on any number of rows.

    Whoever may change rows of the model may do it; what is done is the service's business.

    :param applies: whether it makes sense for a row as it is, so that the row's page offers it.
    """

    def make(act: Callable[..., str]) -> Any:
        @admin.action(description=label, permissions=["operate"])
        def run(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> None:
            for_each(request, rows, lambda request, row: act(page, request, row))

        run.__name__ = act.__name__
        run.__doc__ = act.__doc__
        run.applies = applies  # type: ignore[attr-defined]
        return run

    return make


def for_each(request: HttpRequest, rows: QuerySet[Any], act: Act) -> None:
    """Act on each row, and leave a message for each: what was done, or why not."""
    chosen = list(rows[: MOST_AT_ONCE + 1])
    if len(chosen) > MOST_AT_ONCE:
        messages.error(request, f"At most {MOST_AT_ONCE} at once. Nothing was done; choose fewer.")
        return
    outcomes = [_outcome(request, row, act) for row in chosen]
    for level in (messages.SUCCESS, messages.ERROR):
        _tell(request, level, [text for found, text in outcomes if found == level])


def _outcome(request: HttpRequest, row: Model, act: Act) -> tuple[int, str]:
    name = shortened(str(row), 80)
    try:
        return messages.SUCCESS, format_html("{}: {}", name, act(request, row))
    except SegueError as error:
        return messages.ERROR, f"{name}: {in_words(error)}"
    except Exception:
        logger.exception("An action of the admin failed.", extra={"row": str(row.pk), "model": row._meta.label})
        return messages.ERROR, f"{name}: it failed for a reason that is in the log of this server."


def in_words(error: SegueError) -> str:
    """Return all that an error says: its message, its hint, its problems."""
    problems: Iterable[dict[str, Any]] = getattr(error, "problems", [])
    details = [f"{problem.get('path') or '/'}: {problem.get('message', '')}" for problem in problems]
    return " ".join(filter(None, [error.message, error.hint, *details[:MOST_MESSAGES]]))


def _tell(request: HttpRequest, level: int, texts: list[str]) -> None:
    for text in texts[:MOST_MESSAGES]:
        messages.add_message(request, level, text)
    if len(texts) > MOST_MESSAGES:
        messages.add_message(request, level, f"And {len(texts) - MOST_MESSAGES} more likewise.")
