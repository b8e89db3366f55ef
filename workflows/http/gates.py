"""Who may say when a call goes out: the door asks, whoever runs things answers. Plain Python: what is behind a gate is not known here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol


class Postponed(Exception):
    """A call has to wait for longer than a thread may be held for it. Nothing was sent.

    Like :class:`~workflows.http.errors.Cancelled` no :class:`~workflows.http.errors.DoorError`: a tool that turns those into
    errors of its node must let this through.

    :param seconds: how long to wait; then the whole call is made again.
    :param reason: what for, in words that fit after "Waits".
    """

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


class Gate(Protocol):
    """What every call passes, redirects too."""

    def passing(self, host: str, *, seconds: float) -> AbstractContextManager[None]:
        """Let one request to a host out as soon as it may go. The block is the request, up to the last byte of its answer.

        :param seconds: how long the request may last.
        :raises Postponed: if that is not soon.
        """

    def asked_to_wait(self, host: str, *, seconds: float) -> None:
        """Hear that a host wants no calls for so long (429 or 503, ``Retry-After``)."""


class _Open:
    """The gate where nobody set one."""

    def passing(self, host: str, *, seconds: float) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def asked_to_wait(self, host: str, *, seconds: float) -> None:
        return None


_gate: ContextVar[Gate] = ContextVar("gate")
_open = _Open()


@contextlib.contextmanager
def through(gate: Gate) -> Iterator[None]:
    """Have every call that this thread makes in the block pass a gate, however deep, whoever wrote it."""
    token = _gate.set(gate)
    try:
        yield
    finally:
        _gate.reset(token)


def current_gate() -> Gate:
    """Return the gate of this thread."""
    return _gate.get(_open)
