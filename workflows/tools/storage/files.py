"""A project's files in Django's default storage: everything lies below ``projects/<id>/``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.core.files.storage import Storage
from django.utils import timezone

from projects import files
from projects.files import default_storage
from workflows.nodes.base import NodeError

IfExists = Literal["replace", "keep", "fail"]
MAX_FOLDERS = 1_000


@dataclass(frozen=True)
class File:
    """What is known of a file without reading it. ``name`` is within the project's folder."""

    name: str
    size: int
    modified_at: datetime | None


def read(project_id: str, name: str, *, max_bytes: int | None = None) -> bytes:
    """Return what a file holds.

    :raises NodeError: ``file_not_found``; ``file_too_large``; ``storage_failed`` if the storage cannot be reached.
    """
    most = min(settings.STORAGE_MAX_FILE_BYTES, max_bytes or settings.STORAGE_MAX_FILE_BYTES)
    with _as_node_errors(name), default_storage().open(_path(project_id, name), "rb") as file:
        data: bytes = file.read(most + 1)
    if len(data) > most:
        raise NodeError("file_too_large", f"The file {name!r} has more than {most:,} bytes (STORAGE_MAX_FILE_BYTES).")
    return data


def write(project_id: str, name: str, data: bytes, *, if_exists: IfExists, content_type: str) -> bool:
    """Write a file, and return whether it was written: not, if it is kept, or held the same already.

    :param if_exists: what becomes of a file of this name. ``fail`` fails only if it holds something else: a node that is
        run again after a crash must not fail because of what it has done itself.
    :raises NodeError: ``file_exists``; ``file_too_large``; ``name_taken`` if the name is a folder's, or below a file;
        ``storage_failed``.
    """
    if len(data) > settings.STORAGE_MAX_FILE_BYTES:
        raise NodeError(
            "file_too_large",
            f"The content has {len(data):,} bytes; at most {settings.STORAGE_MAX_FILE_BYTES:,} are possible "
            "(STORAGE_MAX_FILE_BYTES).",
        )
    with _as_node_errors(name):
        is_written = files.write_whole(
            _path(project_id, name), data, replaces=if_exists == "replace", content_type=content_type
        )
        if not is_written and if_exists == "fail" and read(project_id, name) != data:
            raise NodeError(
                "file_exists", f"There is a file {name!r} already. Choose another name, or `if_exists`: replace."
            )
    return is_written


def delete(project_id: str, name: str) -> bool:
    """Delete a file, and return whether there was one.

    :raises NodeError: ``name_taken`` if it is a folder; ``storage_failed``.
    """
    with _as_node_errors(name):
        return files.delete(_path(project_id, name))


def facts(project_id: str, name: str) -> File:
    """Return what is known of a file.

    :raises NodeError: ``file_not_found``, ``storage_failed``.
    """
    with _as_node_errors(name):
        return _facts(default_storage(), project_id, name)


def files_below(project_id: str, folder: str, *, most: int) -> list[File]:
    """Return the files in a folder and below it, by name; one more than ``most`` at the most, if there are more.

    :param folder: empty for the project's own.
    :raises NodeError: ``too_many_folders``, ``storage_failed``.
    """
    storage, found = default_storage(), []
    with _as_node_errors(folder):
        for name in _walk(storage, project_id, folder):
            with contextlib.suppress(FileNotFoundError):  # Deleted in this moment.
                found.append(_facts(storage, project_id, name))
            if len(found) > most:
                break
    return found


def _walk(storage: Storage, project_id: str, folder: str) -> Iterator[str]:
    """Yield names in order: a folder's own and those below it, as the names would be sorted part by part."""
    waiting, seen = [(folder, True)], 0
    while waiting:
        name, is_folder = waiting.pop()
        if not is_folder:
            yield name
            continue
        seen += 1
        if seen > MAX_FOLDERS:
            raise NodeError("too_many_folders", f"More than {MAX_FOLDERS:,} folders lie there. List one of them.")
        try:
            folders, files = storage.listdir(_path(project_id, name))
        except (FileNotFoundError, NotADirectoryError):
            continue
        within = [(each, True) for each in folders] + [(each, False) for each in files]
        within.sort(reverse=True)
        prefix = f"{name}/" if name else ""
        waiting += [(f"{prefix}{each}", is_inner) for each, is_inner in within if each and not each.startswith(".")]


def _facts(storage: Storage, project_id: str, name: str) -> File:
    path = _path(project_id, name)
    try:
        modified_at = storage.get_modified_time(path)
    except NotImplementedError:
        modified_at = None
    return File(name, storage.size(path), modified_at)


def _path(project_id: str, name: str) -> str:
    return f"projects/{UUID(project_id)}/{name}".rstrip("/")


@contextlib.contextmanager
def _as_node_errors(name: str) -> Iterator[None]:
    """Say what went wrong in our words; the storage's own may tell where the files lie."""
    try:
        yield
    except NodeError:
        raise
    except files.NameBusy as error:
        raise NodeError("storage_busy", "Another node wrote this file in the same moment.", retryable=True) from error
    except FileNotFoundError as error:
        raise NodeError("file_not_found", f"There is no file {name!r} in the project's storage.") from error
    except (NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise NodeError("name_taken", f"The name {name!r} is that of a folder, or lies below a file.") from error
    except Exception as error:
        raise NodeError("storage_failed", f"The storage failed with {type(error).__name__}.", retryable=True) from error


def moment(file: File) -> str | None:
    """Return when a file was written last, in ISO 8601."""
    at = file.modified_at
    if at is None:
        return None
    return (at if timezone.is_aware(at) else timezone.make_aware(at)).isoformat()
