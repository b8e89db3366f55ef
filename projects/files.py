"""Files in Django's default storage that appear whole or not at all.

In a folder (``FileSystemStorage``) a file is written aside, and takes its name when it is complete and on the disk. Other
storages promise what they promise.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from uuid import uuid4

from django.conf import DEFAULT_STORAGE_ALIAS
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from projects.failpoints import failpoint

# Where files lie that are not complete yet. No name of a file begins with a dot, so none of them can be read or listed.
PARTS = ".parts"
# What a process that died has left there is removed after this long.
PART_SECONDS = 24 * 3600
PARTS_LOOKED_AT = 100


class NameBusy(Exception):
    """Somebody else wrote a file of this name in the same moment, and the storage has kept that one."""


def default_storage() -> Storage:
    """Return the storage that the settings name now."""
    return storages[DEFAULT_STORAGE_ALIAS]


def write_whole(path: str, data: bytes, *, replaces: bool, content_type: str) -> bool:
    """Write a file, and return whether it was written: not, if there is one of this name that is not to be replaced.

    :param content_type: for storages that keep one.
    :raises NameBusy: if it was not written because of somebody else. What a storage raises by itself comes through.
    """
    storage = default_storage()
    if isinstance(storage, FileSystemStorage):
        return _write_aside(storage, path, data, replaces=replaces)
    return _save(storage, path, data, content_type, replaces=replaces)


def delete(path: str) -> bool:
    """Delete a file, and return whether there was one. What a storage raises by itself comes through."""
    storage = default_storage()
    if isinstance(storage, FileSystemStorage):
        # Not the storage's own way, which takes an empty folder for a file.
        try:
            Path(storage.path(path)).unlink()
        except FileNotFoundError:
            return False
        return True
    if not storage.exists(path):
        return False
    storage.delete(path)
    return True


def _write_aside(storage: FileSystemStorage, path: str, data: bytes, *, replaces: bool) -> bool:
    target = Path(storage.path(path))
    aside = Path(storage.path(PARTS))
    made = _make_folder(target.parent)
    aside.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(aside)
    part = aside / uuid4().hex
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            failpoint("storage.aside")
            os.fsync(file.fileno())
        if storage.file_permissions_mode is not None:
            part.chmod(storage.file_permissions_mode)
        if replaces:
            part.replace(target)
        else:
            try:
                os.link(part, target)
            except FileExistsError:
                return False
    finally:
        part.unlink(missing_ok=True)
    for folder in (target.parent, *made):
        _sync_folder(folder)
    return True


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder with those above it, and return those in which there is a new one: it has to be synced there."""
    missing = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        missing.append(each)
    folder.mkdir(parents=True, exist_ok=True)
    return [each.parent for each in missing]


def _save(storage: Storage, path: str, data: bytes, content_type: str, *, replaces: bool) -> bool:
    if storage.exists(path):
        if not replaces:
            return False
        storage.delete(path)
    content = ContentFile(data)
    content.content_type = content_type  # type: ignore[attr-defined]  # Storages that keep one look for it here.
    saved_as = storage.save(path, content)
    if saved_as != path:
        # Another one was first, and this storage evades names that are taken.
        storage.delete(saved_as)
        raise NameBusy(path)
    return True


def _sync_folder(folder: Path) -> None:
    """Have a folder's entries on the disk too: without it, a power cut could take the new name away."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(aside: Path) -> None:
    before = time.time() - PART_SECONDS
    with os.scandir(aside) as entries:
        for _, entry in zip(range(PARTS_LOOKED_AT), entries, strict=False):
            with contextlib.suppress(OSError):
                if entry.stat().st_mtime < before:
                    os.unlink(entry.path)
