"""How callers of a webhook prove themselves: one file per scheme, pure functions over bytes.

>>> scheme = scheme_of({"scheme": "github"})
>>> verify(scheme, ["It's a Secret to Everybody"], headers, b"Hello, World!", now).is_genuine
"""

from __future__ import annotations

from triggers.webhooks.signatures import bearer, github, header_token, none, standard_webhooks
from triggers.webhooks.signatures.base import Scheme, UnknownScheme, Verdict, known_schemes, scheme_of, verify

__all__ = [
    "Scheme",
    "UnknownScheme",
    "Verdict",
    "bearer",
    "github",
    "header_token",
    "known_schemes",
    "none",
    "scheme_of",
    "standard_webhooks",
    "verify",
]
