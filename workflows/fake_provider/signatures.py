"""The seal on thoughts: whoever sends them back must send them as they came."""

from __future__ import annotations

import base64
import hashlib


def sign(thinking: str) -> str:
    """Return the signature of a text that the model thought."""
    return base64.b64encode(hashlib.sha256(f"segue fake provider\n{thinking}".encode()).digest()).decode("ascii")
