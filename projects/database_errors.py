"""What an error of the database means for whoever asked it."""

from __future__ import annotations

from django.db import Error, InterfaceError, OperationalError

# Classes and codes of PostgreSQL (appendix A of its manual) that the same statement would meet again: limits of what a
# statement may be, and more time than it may take.
_OF_THE_STATEMENT = ("54", "57014")

# An unknown table or column.
_UNKNOWN = {"42P01", "42703"}


def is_transient(error: BaseException) -> bool:
    """Return whether an error lay in the state of the database, and not in what it was asked: gone away, deadlocked, full.

    PEP 249 has two kinds of error for that. Whether the connection is usable *now* says nothing: Django may have opened
    another one while the error was on its way.
    """
    if not isinstance(error, Error):
        return False
    state = getattr(error.__cause__, "sqlstate", None) or ""
    return isinstance(error, (OperationalError, InterfaceError)) and not state.startswith(_OF_THE_STATEMENT)


def advice(error: Error) -> str | None:
    """Return what whoever runs a command should do about an error, if it is one that a fresh installation meets."""
    state = getattr(error.__cause__, "sqlstate", None)
    if state in _UNKNOWN or str(error).startswith(("no such table", "no such column")):
        return "The database is not that of this version of Segue. Run `manage.py migrate` first."
    if isinstance(error, OperationalError) and (state is None or state.startswith(("28", "3D", "57P"))):
        return "The database does not answer. See that it runs, and that DATABASE_URL names it and somebody whom it lets in."
    return None
