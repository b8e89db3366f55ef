"""Pictures as answers of the API."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AnyAccept(BaseContentNegotiation):
    """Lets every ``Accept`` pass: for an answer that is no JSON, whatever was asked for. Errors are JSON all the same."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


def svg_response(svg: str, *, cache: str) -> HttpResponse:
    """Return an SVG as an answer.

    :param cache: the value of Cache-Control.
    """
    # A picture that is opened by itself is a document: it runs nothing, loads nothing and belongs to no origin.
    headers = {
        "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": cache,
    }
    return HttpResponse(svg, content_type="image/svg+xml; charset=utf-8", headers=headers)
