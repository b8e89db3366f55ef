"""Secrets at rest: AES-256-GCM envelopes.

Each project has a data key of its own. It is stored wrapped by a key from the environment
(``SEGUE_ENCRYPTION_KEYS``: the first wraps, all unwrap), so that those can be exchanged without touching a secret.

Envelopes are text: ``v1:<wrapping key id>:<data key id>:<base64>`` for a data key, ``v1:<data key id>:<base64>`` for a
secret; the base64 holds a random 96-bit nonce and the ciphertext. The associated data
``v1|<project id>|<what it is bound to>|<key id>`` makes an envelope worthless in any other place than its own.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from projects.exceptions import SegueError
from projects.models import Project

KEY_BYTES = 32
NONCE_BYTES = 12
DATA_KEY = "projects.data_key"


class SecretUnreadable(SegueError):
    """A secret cannot be decrypted: its key is not among the configured ones, or it was tampered with."""

    code = "secret_unreadable"


class BadEncryptionKeys(SegueError):
    """``SEGUE_ENCRYPTION_KEYS`` is missing or malformed."""

    code = "bad_encryption_keys"


@dataclass(frozen=True, slots=True)
class Key:
    """A 256-bit key and its public name."""

    id: str
    secret: bytes = field(repr=False)


def encrypt(project: Project, text: str, *, binds_to: str) -> str:
    """Return an envelope that only :func:`decrypt` with the same project and the same ``binds_to`` opens.

    :param binds_to: the row and column that the secret stands in, such as ``workflow_variables.value:<id>``.
    :raises BadEncryptionKeys: if the environment has no usable key.
    """
    key = _data_key(project)
    sealed = _seal(key, text.encode(), associated=_associated(project.pk, binds_to, key.id))
    return f"v1:{key.id}:{sealed}"


def decrypt(project: Project, envelope: str, *, binds_to: str) -> str:
    """Return the text in an envelope.

    :raises SecretUnreadable: if the key is not there, or the envelope was changed or comes from another place.
    """
    key = _data_key(project)
    match envelope.split(":"):
        case ["v1", key_id, sealed]:
            pass
        case _:
            raise SecretUnreadable(f"What is stored in {binds_to} is not an encrypted value.")
    if key_id != key.id:
        raise SecretUnreadable(
            f"{binds_to} was encrypted with data key {key_id}; project {project.pk} has {key.id}. Set the secret again."
        )
    return _open(key, sealed, associated=_associated(project.pk, binds_to, key.id), what=binds_to).decode()


def read_keys(lines: list[str]) -> list[Key]:
    """Return the wrapping keys that ``SEGUE_ENCRYPTION_KEYS`` names, the one to wrap with first.

    :raises BadEncryptionKeys: if there is none, or one is malformed. The message shows no key.
    """
    keys = [_read_key(line, number) for number, line in enumerate(lines, start=1)]
    if not keys:
        raise _bad_keys("SEGUE_ENCRYPTION_KEYS is not set.")
    if len({key.id for key in keys}) != len(keys):
        raise _bad_keys("Two keys of SEGUE_ENCRYPTION_KEYS have the same id.")
    return keys


def new_key_line(key_id: str) -> str:
    """Return a fresh key as ``SEGUE_ENCRYPTION_KEYS`` wants it."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def is_key_id(text: str) -> bool:
    """Test whether a key may be called like this: ASCII letters, digits and underscores."""
    return text.isidentifier() and text.isascii()


def _read_key(line: str, number: int) -> Key:
    key_id, _, encoded = line.strip().partition(":")
    if not is_key_id(key_id):
        raise _bad_keys(f"Key {number} of SEGUE_ENCRYPTION_KEYS has no id of letters, digits and underscores.")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise _bad_keys(f"Key {key_id} of SEGUE_ENCRYPTION_KEYS is not base64.") from None
    if len(secret) != KEY_BYTES:
        raise _bad_keys(f"Key {key_id} of SEGUE_ENCRYPTION_KEYS has {len(secret)} bytes; {KEY_BYTES} are needed.")
    return Key(key_id, secret)


def _bad_keys(message: str) -> BadEncryptionKeys:
    return BadEncryptionKeys(message, hint="Make one, id:base64 of 32 bytes: python manage.py make_encryption_key")


def _data_key(project: Project) -> Key:
    if not project.data_key:
        # Two at once: one update wins, and both read what it wrote.
        Project.objects.filter(pk=project.pk, data_key="").update(data_key=_wrapped_new_key(project.pk))
        project.refresh_from_db(fields=["data_key"])
    return _unwrap(project.data_key, project.pk, tuple(settings.SEGUE_ENCRYPTION_KEYS))


def _wrapped_new_key(project_id: UUID) -> str:
    wrapping = read_keys(settings.SEGUE_ENCRYPTION_KEYS)[0]
    key_id = secrets.token_hex(4)
    associated = _associated(project_id, f"{DATA_KEY}:{key_id}", wrapping.id)
    return f"v1:{wrapping.id}:{key_id}:{_seal(wrapping, secrets.token_bytes(KEY_BYTES), associated=associated)}"


# Bounded: an unwrapped key costs 100 bytes and saves two AES operations and a base64 on every secret.
@lru_cache(maxsize=1024)
def _unwrap(wrapped: str, project_id: UUID, key_lines: tuple[str, ...]) -> Key:
    what = f"the data key of project {project_id}"
    match wrapped.split(":"):
        case ["v1", wrapping_id, key_id, sealed]:
            pass
        case _:
            raise SecretUnreadable(f"What is stored as {what} is not a wrapped key.")
    for wrapping in read_keys(list(key_lines)):
        if wrapping.id == wrapping_id:
            associated = _associated(project_id, f"{DATA_KEY}:{key_id}", wrapping.id)
            return Key(key_id, _open(wrapping, sealed, associated=associated, what=what))
    raise SecretUnreadable(
        f"Key {wrapping_id}, which wraps {what}, is not in SEGUE_ENCRYPTION_KEYS.",
        hint="Put the key back; old keys stay in the list until everything is re-encrypted.",
    )


def _associated(project_id: UUID, binds_to: str, key_id: str) -> bytes:
    return f"v1|{project_id}|{binds_to}|{key_id}".encode()


def _seal(key: Key, plain: bytes, *, associated: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return base64.urlsafe_b64encode(nonce + AESGCM(key.secret).encrypt(nonce, plain, associated)).decode()


def _open(key: Key, sealed: str, *, associated: bytes, what: str) -> bytes:
    try:
        raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
        return AESGCM(key.secret).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], associated)
    except (InvalidTag, ValueError):  # binascii.Error is a ValueError; so is a nonce that is too short.
        raise SecretUnreadable(
            f"{what[0].upper()}{what[1:]} cannot be decrypted with key {key.id}: it was changed, or copied from elsewhere."
        ) from None
