"""The threads in which nodes with effects run, shared fairly between the executions of a worker process."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar
from uuid import UUID


class Task(Protocol):
    """Something to do for one execution."""

    @property
    def execution_id(self) -> UUID:
        """The execution that it belongs to."""

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody wants it done any more."""


T = TypeVar("T", bound=Task)


class Pool(Generic[T]):
    """A fixed number of threads. Whose turn it is decides who has the fewest at work.

    One execution gets at most three quarters of the threads, so that however slow its nodes are, there is room beside it.
    """

    def __init__(self, threads: int, do: Callable[[T], None]) -> None:
        self._most = threads
        self._most_for_one = max(threads * 3 // 4, 1)
        self._do: Callable[[T], None] = do
        self._changed = threading.Condition()
        self._waiting: dict[UUID, deque[T]] = {}
        self._at_work: Counter[UUID] = Counter()
        self._threads = 0
        self._idle = 0
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether tasks wait although every thread is at work: no time to take on more."""
        with self._changed:
            return bool(self._waiting) and self._at_work.total() >= self._most

    def submit(self, task: T) -> None:
        """Have something done as soon as a thread is free for it."""
        with self._changed:
            self._waiting.setdefault(task.execution_id, deque()).append(task)
            # Idle threads that were told of earlier tasks may not have taken them yet.
            if sum(map(len, self._waiting.values())) > self._idle and self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._run, name=f"node-{self._threads}", daemon=True).start()
            self._changed.notify()

    def close(self) -> None:
        """Let the threads end when they are done with what they have; what waits is dropped."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                if not task.is_abandoned:
                    self._do(task)
            finally:
                with self._changed:
                    self._at_work[task.execution_id] -= 1
                    if not self._at_work[task.execution_id]:
                        del self._at_work[task.execution_id]
                    self._changed.notify()
                # A thread may wait long for its next task, and need not keep what this one has put out.
                del task

    def _next(self) -> T | None:
        """Wait for a task and return it; ``None`` when the pool is closed."""
        with self._changed:
            while not self._is_closed:
                execution_id = min(
                    (each for each in self._waiting if self._at_work[each] < self._most_for_one),
                    key=self._at_work.__getitem__,
                    default=None,
                )
                if execution_id is not None:
                    waiting = self._waiting[execution_id]
                    task = waiting.popleft()
                    if not waiting:
                        del self._waiting[execution_id]
                    self._at_work[execution_id] += 1
                    return task
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return None
