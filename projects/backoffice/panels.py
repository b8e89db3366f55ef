"""What apps show on pages of apps below them: a workflow's page shows its executions, which it knows nothing of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import HttpRequest

# Gets the request and what the page is about; returns what to show, or "" for nothing.
Show = Callable[[HttpRequest, Any], str]


@dataclass(frozen=True)
class Panel:
    """A part of a page. ``permission`` is what one must hold to see it (``executions.view_workflowexecution``)."""

    title: str
    permission: str
    show: Show


_panels: defaultdict[type[Model] | str, list[Panel]] = defaultdict(list)


def panel(place: type[Model] | str, *, title: str, permission: str) -> Callable[[Show], Show]:
    """Add a panel to a page: to that of every row of a model, or to the page with this name."""

    def add(show: Show) -> Show:
        _panels[place].append(Panel(title, permission, show))
        return show

    return add


def panels_of(place: type[Model] | str, request: HttpRequest, subject: Any) -> list[dict[str, str]]:
    """Return what a page's panels show to whoever asks, in the order of the apps."""
    shown = [
        {"title": each.title, "content": each.show(request, subject)}
        for each in _panels[place]
        if request.user.has_perm(each.permission)
    ]
    return [each for each in shown if each["content"]]
