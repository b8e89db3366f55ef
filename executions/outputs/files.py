"""Writing and reading the files of large outputs.

A file is complete and on the disk before the row that names it is committed. It never changes, and lies outside of what the
storage tools reach. Its row says how long it is and its SHA-256, and whatever is read is compared with that.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from contextlib import ExitStack
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.core.files import File

from executions.exceptions import OutputNotKept, OutputUnreadable, StorageDown
from executions.outputs.recent import Recent
from executions.outputs.reference import OutputFile
from projects.failpoints import failpoint
from projects.files import default_storage, write_whole

logger = logging.getLogger(__name__)

# Beside ``projects/``, below which the storage tools keep theirs.
FOLDER = "outputs"
CONTENT_TYPE = "application/json"
# What was written or read last is not read again: a loop may ask for the same output in each of its passes.
RECENT_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# Seconds before a storage that failed is asked once more.
PATIENCE = (0.1, 1.0)

_recent = Recent(RECENT_BYTES)


def folder_of(project_id: UUID | str, day: str) -> str:
    """Return the folder for what is written for a project on a day (UTC, in ISO 8601)."""
    return f"{FOLDER}/{project_id}/{day}"


def write(value: Any, *, project_id: UUID, execution_id: UUID, now: datetime) -> OutputFile:
    """Write a value of JSON into a file of its own, with a name that nobody can guess. It is there when this returns.

    If no commit comes to name it, the clean-up finds it by its day and its execution.

    :raises OutputNotKept: if the storage does not take it, asked several times.
    """
    data = orjson.dumps(value)
    folder = folder_of(project_id, f"{now:%Y-%m-%d}")
    name = f"{folder}/{execution_id}.{secrets.token_hex(16)}.json"
    for pause in (*PATIENCE, None):
        try:
            write_whole(name, data, replaces=False, content_type=CONTENT_TYPE)
        except Exception as error:  # Each storage has errors of its own.
            if pause is None:
                logger.exception("The storage does not take an output.", extra={"execution_id": str(execution_id)})
                raise OutputNotKept(
                    f"The output has {len(data):,} bytes, and the storage did not take it ({type(error).__name__}). "
                    "Let an operator look at the storage (STORAGE_BACKEND), then run the execution again from here."
                ) from error
            time.sleep(pause)
        else:
            break
    failpoint("output.written")
    found = OutputFile(name, len(data), hashlib.sha256(data).hexdigest())
    _recent.put(found.name, value, size=found.size)
    return found


def read(file: OutputFile, *, node_id: str) -> Any:
    """Return the value that lies in a file. Nobody may change it: others get the same one.

    :raises OutputUnreadable: if the file is not there, or not what was written.
    :raises StorageDown: if the storage cannot be reached.
    """
    if (known := _recent.get(file.name)) is not None:
        return known.value
    with opened(file, node_id=node_id) as found:
        value = orjson.loads(found.read())
    _recent.put(file.name, value, size=file.size)
    return value


def opened(file: OutputFile, *, node_id: str) -> File[bytes]:
    """Return a file, open at its beginning, once it is known to hold what was written.

    :raises OutputUnreadable: if it is not there, or does not.
    :raises StorageDown: if the storage cannot be reached.
    """
    for pause in (*PATIENCE, None):
        try:
            return _opened(file)
        except FileNotFoundError as error:
            raise _unreadable(file, node_id, "is not there any more") from error
        except _Changed as error:
            raise _unreadable(file, node_id, "does not hold any more what was written") from error
        except Exception as error:  # Each storage has errors of its own.
            if pause is None:
                raise _down(file, node_id, error) from error
            time.sleep(pause)
    raise AssertionError("The last try returns or raises.")


class _Changed(Exception):
    """A file has another length or another SHA-256 than its row says."""


def _opened(file: OutputFile) -> File[bytes]:
    with ExitStack() as stack:
        found = stack.enter_context(default_storage().open(file.name, "rb"))
        digest, size = hashlib.sha256(), 0
        while chunk := found.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (file.size, file.sha256):
            raise _Changed
        found.seek(0)
        stack.pop_all()
    return found


def _unreadable(file: OutputFile, node_id: str, reason: str) -> OutputUnreadable:
    return OutputUnreadable(
        f"The output of node `{node_id}` lies in the storage's file {file.name}, which {reason}.",
        hint=f"Bring the file back from a backup of the storage, or run the execution again from `{node_id}`.",
    )


def _down(file: OutputFile, node_id: str, error: Exception) -> StorageDown:
    return StorageDown(
        f"The output of node `{node_id}` lies in the storage's file {file.name}, which could not be read now "
        f"({type(error).__name__}).",
        hint="Try it again. If that does not help, let an operator look at the storage (STORAGE_BACKEND).",
    )
