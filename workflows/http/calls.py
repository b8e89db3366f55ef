"""One call through the door: until when it may last, and how another thread abandons it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from math import inf
from threading import Event, RLock

from workflows.http.errors import Cancelled, TimedOut


class Cancel:
    """A handle by which any thread abandons calls: they raise :class:`Cancelled` at once. It cannot be taken back."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._wakers: list[Callable[[], None]] = []
        self._is_cancelled = False

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Abandon every call that was given this handle, those under way and those to come."""
        with self._lock:
            self._is_cancelled = True
            for wake in tuple(self._wakers):
                wake()

    def check(self) -> None:
        """Do nothing, unless cancelled.

        :raises Cancelled: if so.
        """
        if self._is_cancelled:
            raise Cancelled("The call was abandoned.")

    @contextlib.contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Run a block that waits; ``wake`` ends its wait when another thread cancels.

        :raises Cancelled: if that has happened already.
        """
        with self._lock:
            self.check()
            self._wakers.append(wake)
        try:
            yield
        finally:
            # Under the lock: the block's socket must not be closed, and its number reused, while it is being shut down.
            with self._lock:
                self._wakers.remove(wake)


_ambient: ContextVar[Cancel | None] = ContextVar("ambient_cancel", default=None)


@contextlib.contextmanager
def abandonable(cancel: Cancel) -> Iterator[None]:
    """Give the handle to every call that this thread makes in the block, however deep, whoever wrote it."""
    token = _ambient.set(cancel)
    try:
        yield
    finally:
        _ambient.reset(token)


class Call:
    """One call, over all its redirects. ``seconds`` is how long all of it may take."""

    def __init__(self, seconds: float, cancel: Cancel | None) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self.cancel = cancel or _ambient.get() or Cancel()
        # What the network saw since the present request began; tells a stale connection from a broken server.
        self.has_connected = False
        self.has_received = False
        self.was_closed = False

    def begin_request(self) -> None:
        """Forget what the network saw: another request begins."""
        self.has_connected = self.has_received = self.was_closed = False

    def remaining(self, at_most: float = inf) -> float:
        """Return how many seconds the next step may take; above zero.

        :raises TimedOut: if none are left.
        :raises Cancelled: if the call was abandoned.
        """
        self.cancel.check()
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.timed_out()
        return min(left, at_most)

    def wait(self, seconds: float) -> None:
        """Let time pass before the next step.

        :raises TimedOut: at once, if the call may not take so long.
        :raises Cancelled: if the call was abandoned.
        """
        if seconds >= self.remaining():
            raise self.timed_out()
        abandoned = Event()
        with self.cancel.waking(abandoned.set):
            abandoned.wait(seconds)
        self.cancel.check()

    def timed_out(self) -> TimedOut:
        """Return the error of a call that took too long."""
        return TimedOut(f"No complete answer came within {self._seconds:g} seconds.")

    @contextlib.contextmanager
    def waiting_for(self, connection: socket.socket) -> Iterator[None]:
        """Run a block that waits for the socket; somebody who abandons the call ends its wait.

        The block may then see an end, or an ``OSError``: whoever handles that asks :meth:`remaining` first.

        :raises Cancelled: if the call was abandoned and the block did not raise.
        """

        def wake() -> None:
            # Closing would not wake the waiting thread; and an SSLSocket's own shutdown would take its cipher away.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)

        with self.cancel.waking(wake):
            yield
        self.cancel.check()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[None]:
        """Make this the call that the network layer works for, in this thread."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[Call] = ContextVar("current_call")


def current_call() -> Call:
    """Return the call that this thread is making: the HTTP layer between has no place to hand it through."""
    return _current.get()
