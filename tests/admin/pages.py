"""What a test does in front of the admin: open a row's page, press a button, read what comes back."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.db.models import Model
from django.test import Client

from tests.admin.rows import url


def open_page(browser: Client, row: Model) -> str:
    """Return the page of a row."""
    response = browser.get(url("change", type(row), row.pk))
    assert response.status_code == 200
    return response.content.decode()


def press(browser: Client, row: Model, name: str, **data: Any) -> list[str]:
    """Press a button of a row's page, and return the messages."""
    response = browser.post(url("act", type(row), row.pk, name), data)
    assert response.status_code == 302, response.content.decode()[:2000]
    return messages_of(response)


def choose(browser: Client, name: str, *rows: Model, **data: Any) -> list[str]:
    """Choose an action of a list for some of its rows, and return the messages."""
    chosen = {"action": name, "_selected_action": [str(row.pk) for row in rows], **data}
    response = browser.post(url("changelist", type(rows[0])), chosen)
    assert response.status_code == 302, response.content.decode()[:2000]
    return messages_of(response)


def messages_of(response: Any) -> list[str]:
    """Return what a request left to be told, and forget it."""
    return [str(message) for message in get_messages(response.wsgi_request)]


def offered(page: str) -> list[str]:
    """Return the actions that a row's page offers."""
    import re

    return re.findall(r'action="[^"]*/act/(\w+)/"', page)
