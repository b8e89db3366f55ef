"""Storages for files of outputs: a folder, and one that has no paths."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage, InMemoryStorage

from executions.outputs import files as output_files
from executions.outputs.files import FOLDER
from projects.files import default_storage


class RefusingStorage(FileSystemStorage):
    """A folder on a disk that is full. ``refusals`` of it are still to come."""

    refusals = 0

    def path(self, name):
        if type(self).refusals:
            type(self).refusals -= 1
            raise OSError("No space left on device")
        return super().path(name)


class AwayStorage(InMemoryStorage):
    """One that cannot be reached. ``refusals`` of it are still to come."""

    refusals = 0

    def open(self, name, mode="rb"):
        if type(self).refusals:
            type(self).refusals -= 1
            raise ConnectionError("connection reset")
        return super().open(name, mode)


def use(settings, tmp_path, backend):
    """Make a class the default storage."""
    settings.MEDIA_ROOT = str(tmp_path / "storage")
    path = f"{backend.__module__}.{backend.__qualname__}"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": path}}
    forget()


@pytest.fixture(params=[FileSystemStorage, InMemoryStorage])
def storage(request, settings, tmp_path):
    """Each of two storages."""
    use(settings, tmp_path, request.param)
    yield
    forget()


@pytest.fixture
def folder(settings, tmp_path):
    """A storage in a folder."""
    use(settings, tmp_path, FileSystemStorage)
    yield Path(settings.MEDIA_ROOT)
    forget()


def forget():
    """Let this process know no file's value any more, as a new one."""
    output_files._recent.forget_all()


def stored():
    """Return the names of all files of outputs that there are."""
    return sorted(_below(FOLDER))


def _below(path):
    try:
        folders, names = default_storage().listdir(path)
    except FileNotFoundError:
        return
    for name in names:
        yield f"{path}/{name}"
    for each in folders:
        yield from _below(f"{path}/{each}")


def lose(name):
    """Take a file away."""
    default_storage().delete(name)
    forget()


def change(name):
    """Put other bytes of the same length in the place of a file's."""
    storage = default_storage()
    with storage.open(name) as file:
        data = file.read()
    with storage.open(name, "wb") as file:
        file.write(data.replace(b"x", b"y", 1))
    forget()
