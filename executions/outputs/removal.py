"""Removing files of outputs: with the rows that named them, and those that no row ever came to name.

Rows are first. A process that dies in between leaves a file that nobody names, which :func:`remove_orphans` finds: everything
here is harmless when done twice, at once, or broken off.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import islice
from uuid import UUID

from django.core.files.storage import FileSystemStorage
from django.db import transaction

from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.outputs.files import FOLDER, folder_of
from projects import files
from projects.files import default_storage
from projects.models import Project

logger = logging.getLogger(__name__)

# A day's files are looked through when the day has been over for so long. Long before, whoever wrote one has committed, or can no
# longer: an execution that has ended or is gone takes no more writes.
ORPHAN_AGE = timedelta(days=1)
# Names that one query asks for.
BATCH = 500


def remove_after_commit(names: Iterable[str]) -> None:
    """Remove files once the present transaction is committed, unless some row still names them."""
    wanted = tuple(names)
    transaction.on_commit(lambda: remove_unnamed(wanted), robust=True)


def remove_unnamed(names: Iterable[str]) -> int:
    """Remove the files that no row names any more, and return how many.

    What the storage refuses now is left for :func:`remove_orphans`.
    """
    removed = 0
    for some in _batches(names):
        named = set(WorkflowExecutionLog.objects.filter(output_file__in=some).values_list("output_file", flat=True))
        for name in some:
            if name not in named:
                removed += _remove(name)
    return removed


def remove_orphans(*, now: datetime) -> int:
    """Remove the files that no row names and none will, and return how many.

    Those of live executions are left: a worker may be about to commit one. So are those of projects that this database does not
    know, which are another installation's.
    """
    removed = 0
    for project in _our_projects(_folders(FOLDER)):
        for day in _folders(f"{FOLDER}/{project}"):
            if _is_over(day, now=now):
                removed += _remove_orphans_in(folder_of(project, day))
    return removed


def _remove_orphans_in(folder: str) -> int:
    removed = 0
    for some in _batches(_files(folder)):
        executions = {name: _execution_of(name) for name in some}
        live = set(
            WorkflowExecution.objects.live()
            .filter(pk__in={each for each in executions.values() if each is not None})
            .values_list("pk", flat=True)
        )
        removed += remove_unnamed(
            f"{folder}/{name}"
            for name, execution in executions.items()
            if execution is not None and execution not in live
        )
    _remove_if_empty(folder)
    return removed


def _remove(name: str) -> int:
    try:
        return int(files.delete(name))
    except Exception as error:  # Each storage has errors of its own.
        logger.warning("The file of an output was not removed.", extra={"file": name, "error": type(error).__name__})
        return 0


def _is_over(day: str, *, now: datetime) -> bool:
    try:
        return date.fromisoformat(day) < (now - ORPHAN_AGE).date()
    except ValueError:
        return False  # Not one of ours.


def _execution_of(name: str) -> UUID | None:
    """Return the execution that a file was written for; None for a file that is not ours."""
    return _uuid(name.partition(".")[0])


def _our_projects(names: Iterable[str]) -> list[str]:
    ids = [str(found) for name in names if (found := _uuid(name)) is not None]
    return [str(pk) for pk in Project.objects.filter(pk__in=ids).order_by("pk").values_list("pk", flat=True)]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _folders(path: str) -> list[str]:
    return sorted(_listed(path)[0])


def _files(path: str) -> list[str]:
    return _listed(path)[1]


def _listed(path: str) -> tuple[list[str], list[str]]:
    try:
        return default_storage().listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return [], []


def _remove_if_empty(folder: str) -> None:
    """Remove the folder of a day that is over. Storages without paths have no folders."""
    storage = default_storage()
    if isinstance(storage, FileSystemStorage):
        with suppress(OSError):
            os.rmdir(storage.path(folder))


def _batches(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    remaining = iter(names)
    return iter(lambda: tuple(islice(remaining, BATCH)), ())
