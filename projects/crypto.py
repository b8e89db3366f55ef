"""Secrets at rest: AES-256-GCM envelopes.

Each project has data keys of its own. They are stored wrapped by a key from the environment (``SEGUE_ENCRYPTION_KEYS``:
the first wraps, all unwrap), so that those can be exchanged without touching a secret. A project has one data key, but while
its secrets are encrypted anew (:mod:`projects.key_rotation`): then the first encrypts, and all decrypt.

Envelopes are text: ``v1:<wrapping key id>:<data key id>:<base64>`` for a data key, ``v1:<data key id>:<base64>`` for a
secret; the base64 holds a random 96-bit nonce and the ciphertext. The associated data
``v1|<project id>|<what it is bound to>|<key id>`` makes an envelope worthless in any other place than its own.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection

from projects.exceptions import SegueError
from projects.models import Project
from projects.wrapping_keys import KEY_BYTES, BadEncryptionKeys, Key, is_key_id, new_key_line, read_keys

__all__ = [
    "BadEncryptionKeys",
    "SecretUnreadable",
    "decrypt",
    "encrypt",
    "is_key_id",
    "key_id_of",
    "new_key_line",
    "new_wrapped_key",
    "read_keys",
    "rewrapped",
    "wrapped_key_id",
    "wrapped_keys",
]

NONCE_BYTES = 12
DATA_KEY = "projects.data_key"


class SecretUnreadable(SegueError):
    """A secret cannot be decrypted: its key is not among the configured ones, or it was tampered with."""

    code = "secret_unreadable"


def encrypt(project: Project, text: str, *, binds_to: str) -> str:
    """Return an envelope that only :func:`decrypt` with the same project and the same ``binds_to`` opens.

    Within a transaction the project's row is locked until its end, so that the key stays the project's until the envelope
    is there to be seen.

    :param binds_to: the row and column that the secret stands in, such as ``workflow_variables.value:<id>``.
    :raises BadEncryptionKeys: if the environment has no usable key.
    """
    key = _key_to_encrypt_with(project)
    sealed = _seal(key, text.encode(), associated=_associated(project.pk, binds_to, key.id))
    return f"v1:{key.id}:{sealed}"


def decrypt(project: Project, envelope: str, *, binds_to: str) -> str:
    """Return the text in an envelope.

    :raises SecretUnreadable: if the key is not there, or the envelope was changed or comes from another place.
    """
    key_id, sealed = _read_envelope(envelope, binds_to)
    key = _data_key(project, key_id)
    if key is None:
        # It may have been made since the project was read.
        project.refresh_from_db(fields=["data_key"])
        key = _data_key(project, key_id)
    if key is None:
        has = ", ".join(wrapped_key_id(each) for each in wrapped_keys(project.data_key)) or "none"
        raise SecretUnreadable(
            f"{binds_to} was encrypted with data key {key_id}; project {project.pk} has {has}.",
            hint="Set the secret again.",
        )
    return _open(key, sealed, associated=_associated(project.pk, binds_to, key.id), what=binds_to).decode()


def key_id_of(envelope: str) -> str:
    """Return the id of the data key with which an envelope was made; empty for what is none."""
    parts = envelope.split(":")
    return parts[1] if len(parts) == 3 else ""


# --- Data keys ----------------------------------------------------------------------------------------------------------


def wrapped_keys(column: str) -> list[str]:
    """Return a project's wrapped data keys, the one to encrypt with first."""
    return column.split()


def wrapped_key_id(wrapped: str) -> str:
    """Return the id of a wrapped data key."""
    parts = wrapped.split(":")
    return parts[2] if len(parts) == 4 else ""


def new_wrapped_key(project_id: UUID) -> str:
    """Return a fresh data key for a project, wrapped by the first of the configured keys.

    :raises BadEncryptionKeys: if the environment has no usable key.
    """
    return _wrapped(project_id, Key(secrets.token_hex(4), secrets.token_bytes(KEY_BYTES)))


def rewrapped(project_id: UUID, column: str) -> str:
    """Return a project's data keys, all of them wrapped by the first of the configured keys.

    :raises SecretUnreadable: if one of them cannot be unwrapped.
    """
    first, lines = read_keys(settings.SEGUE_ENCRYPTION_KEYS)[0].id, tuple(settings.SEGUE_ENCRYPTION_KEYS)
    keys = wrapped_keys(column)
    return " ".join(
        each if each.split(":")[1] == first else _wrapped(project_id, _unwrap(each, project_id, lines)) for each in keys
    )


def _key_to_encrypt_with(project: Project) -> Key:
    if not project.data_key:
        # Two at once: one update wins, and both read what it wrote.
        Project.objects.filter(pk=project.pk, data_key="").update(data_key=new_wrapped_key(project.pk))
    rows = Project.objects.filter(pk=project.pk)
    if connection.in_atomic_block:
        rows = rows.select_for_update(no_key=True)
    project.data_key = rows.values_list("data_key", flat=True).get()
    return _unwrap(wrapped_keys(project.data_key)[0], project.pk, tuple(settings.SEGUE_ENCRYPTION_KEYS))


def _data_key(project: Project, key_id: str) -> Key | None:
    for wrapped in wrapped_keys(project.data_key):
        if wrapped_key_id(wrapped) in (key_id, ""):  # What has no id is no wrapped key: unwrapping it says so.
            return _unwrap(wrapped, project.pk, tuple(settings.SEGUE_ENCRYPTION_KEYS))
    return None


def _wrapped(project_id: UUID, key: Key) -> str:
    wrapping = read_keys(settings.SEGUE_ENCRYPTION_KEYS)[0]
    associated = _associated(project_id, f"{DATA_KEY}:{key.id}", wrapping.id)
    return f"v1:{wrapping.id}:{key.id}:{_seal(wrapping, key.secret, associated=associated)}"


# Bounded: an unwrapped key costs 100 bytes and saves two AES operations and a base64 on every secret.
@lru_cache(maxsize=1024)
def _unwrap(wrapped: str, project_id: UUID, key_lines: Sequence[str]) -> Key:
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
        hint="Put the key back; old keys stay in the list until `manage.py rotate_keys` is through.",
    )


# --- AES-256-GCM --------------------------------------------------------------------------------------------------------


def _read_envelope(envelope: str, binds_to: str) -> tuple[str, str]:
    match envelope.split(":"):
        case ["v1", key_id, sealed]:
            return key_id, sealed
    raise SecretUnreadable(f"What is stored in {binds_to} is not an encrypted value.")


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
            f"With key {key.id}, {what} cannot be decrypted: it was changed, or copied from elsewhere.",
            hint="Set the secret again; or put back the row as it was.",
        ) from None
