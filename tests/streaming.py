"""Answers that go on for as long as somebody listens."""

from __future__ import annotations

from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import StreamingHttpResponse


def hang_up(response: StreamingHttpResponse) -> None:
    """Close an answer as a server does whose client is gone, but keep the connection of the test."""
    response._iterator.close()  # Django's test client closes what has begun.
    if response.closed:
        return
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)
