"""What can go wrong with executions."""

from __future__ import annotations

from projects.exceptions import Conflict, Invalid, Unprocessable


class IllegalTransition(Conflict):
    """The execution is not in a status that allows this."""

    code = "illegal_transition"


class NotRunnable(Conflict):
    """The workflow can't start executions now: never published, disabled, archived."""

    code = "not_runnable"


class InvalidInput(Invalid):
    """The input does not fit the workflow's ``inputs``; ``problems`` lists why."""

    code = "invalid_input"


class IdempotencyMismatch(Unprocessable):
    """The idempotency key was used before with another input."""

    code = "idempotency_mismatch"
