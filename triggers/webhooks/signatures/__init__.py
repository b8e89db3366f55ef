"""How callers of a webhook prove themselves: one file per scheme, pure functions over bytes.

>>> scheme = scheme_of({"scheme": "github"})
>>> verify(scheme, ["It's a Secret to Everybody"], headers, b"Hello, World!", now).is_genuine
"""

from __future__ import annotations

from triggers.webhooks.signatures import bearer, github, header, none, standard_webhooks
from triggers.webhooks.signatures.base import (
    Scheme,
    UnknownScheme,
    Verdict,
    delivery_id,
    known_schemes,
    scheme_of,
    scheme_or_closed,
    verify,
)

__all__ = [
    "Scheme",
    "UnknownScheme",
    "Verdict",
    "bearer",
    "delivery_id",
    "github",
    "header",
    "known_schemes",
    "none",
    "scheme_of",
    "scheme_or_closed",
    "standard_webhooks",
    "verify",
]
