"""What a canary looks like wherever it may have got to. Written without the masking, which it tests."""

from __future__ import annotations

import base64
import secrets
import string

ALPHABET = string.ascii_letters + string.digits
# Characters of base64 at either end of something that also say something of what stands beside it.
SHARED = 2


def new_core() -> str:
    """Return a text that stands nowhere by chance: letters and digits, so that URLs and JSON leave it as it is."""
    return "Cnry" + "".join(secrets.choice(ALPHABET) for _ in range(20))


def needles(core: str) -> list[bytes]:
    """Return every form in which a canary is looked for: as it is, in base64 at each of three places, and in hex."""
    raw = core.encode()
    found = [raw, raw.hex().encode(), raw.hex().upper().encode()]
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + raw).decode().rstrip("=")
        inner = encoded[SHARED + offset : -SHARED]
        found += [inner.encode(), inner.replace("+", "-").replace("/", "_").encode()]
    return found


def escaped(core: str) -> str:
    """Return a secret around a core that is spelled otherwise in URLs, JSON and HTML."""
    return f'<"{core}/ä&+\\ %>'
