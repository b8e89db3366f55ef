"""Secrets that are made here. They have the form of Standard Webhooks, which every scheme with a shared secret can use."""

from __future__ import annotations

import base64
import secrets

SECRET_PREFIX = "whsec_"  # noqa: S105 -- The form of a secret, none itself.
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a fresh secret."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
