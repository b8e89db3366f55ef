"""Evaluating in several child processes at once."""

from __future__ import annotations

import os
import queue
import weakref

from workflows.expressions.evaluator import Evaluator
from workflows.expressions.limits import Limits
from workflows.expressions.request import Request
from workflows.expressions.sandbox import Sandbox

# More children than processors make nothing faster.
MOST_CHILDREN = max(2, min(8, os.cpu_count() or 2))


class Sandboxes(Evaluator):
    """Some :class:`Sandbox` es, of which each thread takes a free one for as long as it asks.

    The one that was used last is taken first, so that there are no more children than were ever needed at once.
    """

    def __init__(self, limits: Limits | None = None, *, most: int = MOST_CHILDREN) -> None:
        super().__init__(limits)
        self._all = [Sandbox(limits) for _ in range(most)]
        self._free = self._queue()
        _instances.add(self)

    @property
    def pids(self) -> list[int]:
        """The process ids of the children that there are."""
        return [sandbox.pid for sandbox in self._all if sandbox.pid is not None]

    def close(self) -> None:
        """End all children."""
        for sandbox in self._all:
            sandbox.close()

    def _ask(self, request: Request) -> list[bytes]:
        sandbox = self._free.get()
        try:
            return sandbox._ask(request)
        finally:
            self._free.put(sandbox)

    def _queue(self) -> queue.LifoQueue[Sandbox]:
        free: queue.LifoQueue[Sandbox] = queue.LifoQueue()
        for sandbox in self._all:
            free.put(sandbox)
        return free

    def _forget(self) -> None:
        """After a fork: those who had one, or were about to take one, are in the other process."""
        self._free = self._queue()


_instances: weakref.WeakSet[Sandboxes] = weakref.WeakSet()


def _forget_who_asks() -> None:
    for sandboxes in list(_instances):
        sandboxes._forget()


os.register_at_fork(after_in_child=_forget_who_asks)
