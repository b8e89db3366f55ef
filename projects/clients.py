"""What is known about whoever calls over HTTP."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """Return the caller's IP address, or None when there is none to trust.

    Behind a proxy it is the last address of X-Forwarded-For: the one that our own proxy added. Those before it are
    whatever the caller wrote.
    """
    text = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        text = request.META.get("HTTP_X_FORWARDED_FOR", text).rpartition(",")[2].strip()
    try:
        return str(ip_address(text))
    except ValueError:
        return None  # A unix socket, or a proxy that is misconfigured.


def client_user_agent(request: HttpRequest) -> str:
    """Return the caller's User-Agent, at most 500 characters of it."""
    return str(request.META.get("HTTP_USER_AGENT", ""))[:500].replace("\x00", "")
