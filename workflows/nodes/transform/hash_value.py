"""The operation ``hash``."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.encodings import ByteEncoding, read_bytes, written_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example


class HashValue(FieldOperation):
    """Compute the hash of text; with a `key`, its HMAC (RFC 2104). md5 and sha1 are broken: only for others that need them."""

    operation: Literal["hash"]
    algorithm: Literal["sha256", "sha384", "sha512", "sha1", "md5"] = Field(
        default="sha256", description="`sha1` and `md5` protect nothing; they are there for systems that ask for them."
    )
    key: Dynamic[Annotated[str, Field(max_length=4096)]] | None = Field(
        default=None,
        description="Makes it an HMAC. A secret goes here: `{{ secret('SIGNING_KEY') }}`; it is not recorded.",
    )
    key_encoded: ByteEncoding | None = Field(
        default=None, description="How the bytes of the key are written, if it is no text."
    )
    encoded: ByteEncoding | None = Field(
        default=None, description="How the bytes of the value are written, if it is no text."
    )
    encode: ByteEncoding = Field(default="hex", description="How the hash is written.")

    example: ClassVar[Example] = Example(
        value={"body": "hello"},
        settings={"field": "body", "into": "digest"},
        output={"body": "hello", "digest": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the hash.

        :raises NodeError: ``wrong_type`` or ``invalid_encoding``.
        """
        data = _bytes(text(value), self.encoded)
        if self.key is None:
            return written_bytes(hashlib.new(self.algorithm, data, usedforsecurity=False).digest(), self.encode)
        return written_bytes(hmac.digest(self._key(each), data, self.algorithm), self.encode)

    def _key(self, each: Each) -> bytes:
        filled = each.fill_secrets(self.key or "")
        try:
            key = _bytes(filled, self.key_encoded)
        except NodeError as error:  # Its message may tell of the key.
            raise NodeError("invalid_encoding", f"The key is no {self.key_encoded}.") from error.__cause__
        if not key:
            raise NodeError("empty_key", "The key is empty: an HMAC with it proves nothing.")
        return key


def _bytes(value: str, encoding: ByteEncoding | None) -> bytes:
    return value.encode("utf-8", "replace") if encoding is None else read_bytes(value, encoding)
