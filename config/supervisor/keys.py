"""The keys of an installation that nobody gave any: made once, kept in ``var/keys.env``.

The settings read that file, so that every command of ``manage.py`` in the folder uses the same keys.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping

from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder

NAMES = ("SECRET_KEY", "SEGUE_ENCRYPTION_KEYS")


def ensure_keys(folder: Folder, *, given: Mapping[str, str]) -> bool:
    """Make the keys that ``given`` does not name, unless the folder has them. Tell whether they were made.

    :raises UpError: if the folder's database was encrypted with keys that are gone.
    """
    if all(given.get(name) for name in NAMES) or folder.keys.exists():
        return False
    if folder.database.exists() and not given.get("DATABASE_URL"):
        raise UpError(
            f"{folder.keys} is missing, and {folder.database} holds secrets that were encrypted with its keys. "
            "Put it back from a backup, or move the database away to start anew."
        )
    write_private(folder, folder.keys.name, new_keys())
    return True


def new_keys() -> str:
    """Return the contents of a ``keys.env``."""
    wrapping = base64.b64encode(secrets.token_bytes(32)).decode()
    return (
        "# Made by `manage.py up`. Back this file up: without it, nobody can read the secrets in the database.\n"
        f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
        f"SEGUE_ENCRYPTION_KEYS=k1:{wrapping}\n"
    )


def write_private(folder: Folder, name: str, text: str) -> None:
    """Write a file below ``var`` that only this user can read: whole, or not at all."""
    unfinished = folder.var / f"{name}.{os.getpid()}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    unfinished.replace(folder.var / name)
