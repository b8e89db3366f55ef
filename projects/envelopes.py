"""The columns that hold secrets. Whoever stores one names its column here, and seals and opens through it.

So there is one list of them: what rotates keys goes through it, and a test finds every envelope in the database and asks
whether its column is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet

from projects import crypto, masking
from projects.crypto import SecretUnreadable
from projects.models import Project


@dataclass(frozen=True)
class EnvelopeColumn:
    """A column of text that holds envelopes, each bound to its row.

    :param project_path: the way from a row to its project: ``workflow__project``.
    :param where: which rows hold one.
    :param secrets_in: the secrets in the text of an envelope.
    """

    model: type[Model]
    column: str
    project_path: str
    where: Q
    secrets_in: Callable[[str], Iterable[str]]

    @property
    def name(self) -> str:
        """Table and column, as they stand in the associated data."""
        return f"{self.model._meta.db_table}.{self.column}"

    def seal(self, row: Model, text: str) -> str:
        """Return an envelope for a row's column. The row's id must be known; it need not be stored yet.

        :raises BadEncryptionKeys: if the environment has no usable key.
        """
        masking.never_log(*self.secrets_in(text))
        return crypto.encrypt(self.project_of(row), text, binds_to=self._place_of(row))

    def open(self, row: Model) -> str:
        """Return the text in a row's envelope.

        :raises SecretUnreadable: if the key is not there, or the envelope was changed or comes from another place.
        """
        try:
            text = self._opened(row)
        except SecretUnreadable:
            # It may have been encrypted anew, and its old key dropped, since the row was read.
            read = getattr(row, self.column)
            row.refresh_from_db(fields=[self.column])
            if getattr(row, self.column) == read:
                raise
            text = self._opened(row)
        masking.never_log(*self.secrets_in(text))
        return text

    def rows_of(self, project: Project) -> QuerySet[Any]:
        """Return a project's rows that hold an envelope."""
        return self.model._default_manager.filter(self.where, **{self.project_path: project})

    def project_of(self, row: Model) -> Project:
        """Return the project that a row belongs to."""
        found: Any = row
        for step in self.project_path.split("__"):
            found = getattr(found, step)
        assert isinstance(found, Project)  # noqa: S101 - it is what the path leads to
        return found

    def _opened(self, row: Model) -> str:
        return crypto.decrypt(self.project_of(row), getattr(row, self.column), binds_to=self._place_of(row))

    def _place_of(self, row: Model) -> str:
        return f"{self.name}:{row.pk}"


_columns: dict[str, EnvelopeColumn] = {}


def _itself(text: str) -> Iterable[str]:
    return (text,)


def register(
    model: type[Model],
    column: str,
    *,
    project_path: str,
    where: Q,
    secrets_in: Callable[[str], Iterable[str]] = _itself,
) -> EnvelopeColumn:
    """Add a column to those that hold envelopes, and return it; a second time is refused."""
    added = EnvelopeColumn(model, column, project_path, where, secrets_in)
    if added.name in _columns:
        raise ValueError(f"{added.name} is registered already.")
    _columns[added.name] = added
    return added


def columns() -> Mapping[str, EnvelopeColumn]:
    """Return every column that holds envelopes, by table and column."""
    return _columns
