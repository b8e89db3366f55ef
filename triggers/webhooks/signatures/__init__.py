"""How callers of a webhook prove themselves: one file per scheme, pure functions over bytes.

>>> scheme = scheme_of({"scheme": "github"})
>>> request = Request(headers={"x-hub-signature-256": "sha256=…"}, body=b"Hello, World!")
>>> verify(scheme, ["It's a Secret to Everybody"], request, now).is_genuine
"""

from __future__ import annotations

from triggers.webhooks.signatures import (
    basic,
    bearer,
    general_hmac,
    github,
    header,
    json_web_token,
    none,
    shopify,
    slack,
    standard_webhooks,
    stripe,
)
from triggers.webhooks.signatures.base import (
    Request,
    Scheme,
    UnknownScheme,
    Verdict,
    known_schemes,
    scheme_of,
    scheme_or_closed,
    verify,
)
from triggers.webhooks.signatures.reading import delivery_id
from triggers.webhooks.signatures.self_test import holes_in

__all__ = [
    "Request",
    "Scheme",
    "UnknownScheme",
    "Verdict",
    "basic",
    "bearer",
    "delivery_id",
    "general_hmac",
    "github",
    "header",
    "holes_in",
    "json_web_token",
    "known_schemes",
    "none",
    "scheme_of",
    "scheme_or_closed",
    "shopify",
    "slack",
    "standard_webhooks",
    "stripe",
    "verify",
]
