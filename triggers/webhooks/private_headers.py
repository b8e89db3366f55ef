"""Headers that prove something: they are checked, and then neither stored nor handed on."""

from __future__ import annotations

from collections.abc import Mapping

from triggers.webhooks.signatures import Scheme

MASK = "***"

# Whatever the webhook's own scheme is, a sender may send these as well.
_ALWAYS_PRIVATE = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "stripe-signature",
        "webhook-signature",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-shopify-hmac-sha256",
        "x-slack-signature",
    }
)


def always_private() -> frozenset[str]:
    """Return the headers that nobody hands on, lower-cased, whatever proves a caller."""
    return _ALWAYS_PRIVATE


def masked(headers: Mapping[str, str], scheme: Scheme) -> dict[str, str]:
    """Return the headers as the inbox keeps them: that one was there shows, its value does not."""
    private = _private(scheme)
    return {name: MASK if name in private else value for name, value in headers.items()}


def public(headers: Mapping[str, str], scheme: Scheme) -> dict[str, str]:
    """Return the headers that expressions see."""
    private = _private(scheme)
    return {name: value for name, value in headers.items() if name not in private}


def _private(scheme: Scheme) -> frozenset[str]:
    return _ALWAYS_PRIVATE.union(scheme.secret_headers)
