"""An HMAC that the webhook's own settings describe, for senders without a scheme of their own here."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, refused, register
from triggers.webhooks.signatures.macs import hmac_of, index_of
from triggers.webhooks.signatures.reading import (
    TOLERANCE_SECONDS,
    ascii_header,
    is_off,
    short_id,
    strict_base64,
    unix_time,
)
from workflows.nodes.trigger.webhook_auth import parts_of

_BYTES = {"sha1": 20, "sha256": 32, "sha512": 64}
_HEX = re.compile(r"[0-9a-f]*")


@register("hmac")
@dataclass(frozen=True)
class GeneralHmac(Scheme):
    """``<header>: <prefix><signature>``, where ``signed`` says what is signed: ``{timestamp}.{body}`` and the like."""

    header: str
    prefix: str = ""
    algorithm: str = "sha256"
    encoding: str = "hex"
    signed: str = "{body}"
    timestamp_header: str | None = None
    id_header: str | None = None
    tolerance_seconds: int = TOLERANCE_SECONDS

    signs_body = True

    @property
    def signs_time(self) -> bool:  # type: ignore[override]  # The settings decide.
        return self.timestamp_header is not None

    @property
    def delivery_header(self) -> str:
        return self.id_header.lower() if self.id_header else super().delivery_header

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (self.header.lower(),)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        signature = self._signature(ascii_header(request.headers, self.header.lower()))
        if signature is None:
            return refused("signature_malformed", f"{self.header} is missing, or not what the settings describe.")
        values = self._values(request)
        if values is None:
            return refused("signature_malformed", "What is signed besides the body is missing or malformed.")
        signed = self._signed(values)
        secret = index_of([signature], [hmac_of(self.algorithm, each.encode(), signed) for each in secrets])
        if secret is None:
            return refused(
                "signature_wrong", "The signature does not match: another secret, or something else was signed."
            )
        if "timestamp" in values and is_off(int(values["timestamp"]), now, tolerance=self.tolerance_seconds):
            return refused(
                "timestamp_off",
                f"The request was signed more than {self.tolerance_seconds} seconds before or after now.",
            )
        known_by = short_id(values["id"].decode()) if "id" in values else None
        return Verdict(is_genuine=True, delivery_id=known_by, secret=secret)

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        own: dict[str, str] = {}
        if self.timestamp_header:
            own[self.timestamp_header.lower()] = str(int(now.timestamp()))
        if self.id_header:
            own[self.id_header.lower()] = request.headers.get(self.id_header.lower(), "1")
        values = self._values(
            Request({**request.headers, **own}, request.body, request.method, request.path, request.query)
        )
        if values is None:
            return own
        signature = hmac_of(self.algorithm, secret.encode(), self._signed(values))
        text = signature.hex() if self.encoding == "hex" else base64.b64encode(signature).decode()
        return own | {self.header.lower(): self.prefix + text}

    def _signature(self, header: str | None) -> bytes | None:
        if header is None or not header.startswith(self.prefix):
            return None
        text = header.removeprefix(self.prefix)
        if self.encoding == "base64":
            signature = strict_base64(text)
        else:
            signature = bytes.fromhex(text) if _HEX.fullmatch(text) and len(text) % 2 == 0 else None
        return signature if signature is not None and len(signature) == _BYTES[self.algorithm] else None

    def _values(self, request: Request) -> dict[str, bytes] | None:
        """Return what stands for each value of the template, or None if one is missing, malformed or ambiguous."""
        parts = parts_of(self.signed)
        all_values = {
            "timestamp": ascii_header(request.headers, (self.timestamp_header or "").lower()),
            "id": ascii_header(request.headers, (self.id_header or "").lower()),
            "method": request.method,
            "path": request.path,
            "query": request.query,
        }
        values: dict[str, bytes] = {}
        for kind, name in parts:
            if kind != "value":
                continue
            text = "" if name == "body" else all_values[name]
            if text is None or (name == "timestamp" and unix_time(text) is None):
                return None
            values[name] = request.body if name == "body" else text.encode(errors="surrogatepass")
        return None if _is_ambiguous(parts, values) else values

    def _signed(self, values: dict[str, bytes]) -> bytes:
        return b"".join(piece.encode() if kind == "text" else values[piece] for kind, piece in parts_of(self.signed))


def _is_ambiguous(parts: Sequence[tuple[str, str]], values: dict[str, bytes]) -> bool:
    """Test whether a value contains the text beside it, so that nothing shows where it ends.

    The body may: everything else being told apart, what is left is the body. A time is made of digits.
    """
    for (kind, piece), (next_kind, next_piece) in pairwise(parts):
        if kind == next_kind:
            continue
        name, text = (piece, next_piece) if kind == "value" else (next_piece, piece)
        if name not in ("body", "timestamp") and text.encode() in values[name]:
            return True
    return False
