"""Exchanging keys while everything runs: data keys are wrapped anew, and on demand replaced and their secrets encrypted anew.

Every step is one short transaction that compares before it writes. Killed anywhere, a project is left with keys that open all
of its secrets, and another run goes on from there; two runs at once do each other's work, and no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet

from projects import audit, crypto, envelopes
from projects.crypto import SecretUnreadable
from projects.envelopes import EnvelopeColumn
from projects.failpoints import failpoint
from projects.models import Project

# How often two runs at once may be ahead of each other before one leaves a project to the other.
MOST_ROUNDS = 10


@dataclass
class Rotated:
    """What was done for one project.

    :param wrapped_anew: whether its data key is now wrapped by the first key.
    :param has_new_key: whether it was given a new data key, with which all that can be read is now encrypted.
    :param encrypted_anew: how many secrets were.
    :param unreadable: what could not be read, and so keeps the key that it has; sentences.
    """

    project: Project
    wrapped_anew: bool = False
    has_new_key: bool = False
    encrypted_anew: int = 0
    unreadable: tuple[str, ...] = ()


def rotate(*, with_data_keys: bool) -> Iterator[Rotated]:
    """Bring all projects to the first of the configured keys, and yield what was done for each.

    A project that an earlier run was giving a new data key when it ended is finished in any case.

    :param with_data_keys: give each project whose data key another key wraps a new one, and encrypt its secrets with it;
        else the data key stays, and is wrapped anew.
    """
    last: UUID | None = None
    while project := _next_with_key(after=last):
        last = project.pk
        yield _rotate(project, with_data_keys=with_data_keys)


def projects_by_wrapping_key() -> Counter[str]:
    """Return how many projects have a data key that each wrapping key, by its id, must unwrap."""
    found: Counter[str] = Counter()
    for column in Project.objects.exclude(data_key="").values_list("data_key", flat=True).iterator():
        found.update({wrapped.split(":")[1] for wrapped in crypto.wrapped_keys(column) if ":" in wrapped})
    return found


def _next_with_key(*, after: UUID | None) -> Project | None:
    projects = Project.objects.exclude(data_key="").order_by("pk")
    return (projects if after is None else projects.filter(pk__gt=after)).first()


def _rotate(project: Project, *, with_data_keys: bool) -> Rotated:
    done = Rotated(project)
    try:
        if with_data_keys and _is_wrapped_by_another(project.data_key):
            _add_data_key(project)
        done.wrapped_anew = _wrap_anew(project)
    except SecretUnreadable as error:
        done.unreadable = (error.message,)
        return done
    if len(crypto.wrapped_keys(project.data_key)) > 1:
        _replace_data_key(project, done)
    return done


def _is_wrapped_by_another(column: str) -> bool:
    first = crypto.read_keys(settings.SEGUE_ENCRYPTION_KEYS)[0].id
    keys = crypto.wrapped_keys(column)
    return len(keys) == 1 and keys[0].split(":")[1] != first


@transaction.atomic
def _add_data_key(project: Project) -> None:
    """Put a new data key before the one that a project has. From now on it encrypts, and both decrypt."""
    project.data_key = _locked(project)
    if _is_wrapped_by_another(project.data_key):
        _write(project, f"{crypto.new_wrapped_key(project.pk)} {project.data_key}", action="project.data_key_added")


@transaction.atomic
def _wrap_anew(project: Project) -> bool:
    project.data_key = _locked(project)
    wrapped = crypto.rewrapped(project.pk, project.data_key)
    if wrapped == project.data_key:
        return False
    _write(project, wrapped, action="project.data_key_wrapped")
    return True


def _replace_data_key(project: Project, done: Rotated) -> None:
    for _ in range(MOST_ROUNDS):
        failpoint("rotation.encrypt")
        unreadable = []
        for column in envelopes.columns().values():
            for row in _by_another_key(column, project):
                try:
                    done.encrypted_anew += _encrypt_anew(column, row)
                except SecretUnreadable as error:
                    unreadable.append(error.message)
        failpoint("rotation.drop")
        if unreadable:
            done.unreadable = tuple(unreadable)
            return
        if _drop_old_keys(project):
            done.has_new_key = True
            return


def _by_another_key(column: EnvelopeColumn, project: Project) -> QuerySet[Model]:
    newest = crypto.wrapped_key_id(crypto.wrapped_keys(project.data_key)[0])
    others = column.rows_of(project).exclude(**{f"{column.column}__startswith": f"v1:{newest}:"})
    return others.select_related(column.project_path).order_by("pk")


@transaction.atomic
def _encrypt_anew(column: EnvelopeColumn, row: Model) -> int:
    """Encrypt a row's secret with the project's newest key; unless somebody has set it meanwhile, who did the same."""
    before = getattr(row, column.column)
    sealed = column.seal(row, column.open(row))
    rows = column.model._default_manager.filter(pk=row.pk, **{column.column: before})
    return rows.update(**{column.column: sealed})


@transaction.atomic
def _drop_old_keys(project: Project) -> bool:
    """Let go of all but the newest data key, if nothing is encrypted with another one.

    Whoever encrypts locks the project first: so nothing comes in between.
    """
    project.data_key = _locked(project)
    if any(_by_another_key(column, project).exists() for column in envelopes.columns().values()):
        return False
    newest, *old = crypto.wrapped_keys(project.data_key)
    if old:  # Else another run was faster.
        _write(project, newest, action="project.data_key_replaced")
    return True


def _locked(project: Project) -> str:
    return Project.objects.select_for_update(no_key=True).values_list("data_key", flat=True).get(pk=project.pk)


def _write(project: Project, column: str, *, action: str) -> None:
    Project.objects.filter(pk=project.pk).update(data_key=column)
    project.data_key = column
    keys = [crypto.wrapped_key_id(wrapped) for wrapped in crypto.wrapped_keys(column)]
    details = {"data_keys": keys, "wrapped_by": sorted({each.split(":")[1] for each in crypto.wrapped_keys(column)})}
    audit.record(action, project, project=project, by=None, details=details)
