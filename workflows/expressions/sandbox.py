"""Evaluating in a child process."""

from __future__ import annotations

import os
import threading
import weakref
from dataclasses import replace

import orjson

from workflows.expressions.evaluator import Evaluator
from workflows.expressions.limits import Limits
from workflows.expressions.process import ChildLost, ChildProcess
from workflows.expressions.request import Request

_MOST_LOSSES = 2  # Children that the expressions of one request may cost; after that, the rest is not tried.


class Sandbox(Evaluator):
    """Evaluates in a child process with hard limits: whatever an expression does there, this process goes on.

    The child starts with the first evaluation, is replaced when it dies and after ``evaluations_per_process``, and ends
    with this process. Threads may share a sandbox; they take turns. After a fork, each process has a child of its own.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        super().__init__(limits)
        self._lock = threading.Lock()
        self._child: ChildProcess | None = None
        self._evaluations = 0  # By the present child.
        _sandboxes.add(self)

    @property
    def pid(self) -> int | None:
        """The process id of the child, if there is one."""
        return self._child.pid if self._child is not None else None

    def close(self) -> None:
        """End the child. The next evaluation starts another."""
        with self._lock:
            self._drop()

    def _ask(self, request: Request) -> list[bytes]:
        answers: list[bytes] = []
        with self._lock:
            for _ in range(_MOST_LOSSES):
                answers += self._converse(request, start=len(answers))
                if len(answers) == len(request.expressions):
                    return answers
        unanswered = len(request.expressions) - len(answers)
        return answers + [_failure("crashed", "expressions beside it ended it more than once")] * unanswered

    def _converse(self, request: Request, *, start: int) -> list[bytes]:
        """Return the answers from ``start`` on: all, or those until the child was lost, and then why it was."""
        expressions = request.expressions[start:]
        answers: list[bytes] = []
        was_used = self._evaluations > 0
        try:
            child = self._child_for(len(expressions))
            child.send(replace(request, expressions=expressions), self.limits.wall_seconds)
            for _ in expressions:
                answers.append(child.receive(self.limits.wall_seconds))
        except ChildLost as lost:
            self._drop()
            if was_used and lost.code == "crashed" and not answers:
                # It may have died, or been killed, while it had nothing to do. That is nobody's fault here.
                return self._converse(request, start=start)
            answers.append(_failure(lost.code, lost.reason))
        except BaseException:
            # Somebody broke in, such as a signal handler. Its answer is still to come, and must not be taken for the next.
            self._drop()
            raise
        return answers

    def _child_for(self, count: int) -> ChildProcess:
        if self._evaluations + count > self.limits.evaluations_per_process:
            self._drop()
        if self._child is None:
            self._child = ChildProcess(self.limits)
        self._evaluations += count
        return self._child

    def _drop(self) -> None:
        self._evaluations = 0
        if self._child is not None:
            self._child.close()
            self._child = None

    def _forget(self) -> None:
        """After a fork: the child, and whoever held the lock, belong to the other process."""
        self._lock = threading.Lock()
        self._evaluations = 0
        if self._child is not None:
            self._child.abandon()
            self._child = None


_sandboxes: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _forget_children() -> None:
    for sandbox in list(_sandboxes):
        sandbox._forget()


os.register_at_fork(after_in_child=_forget_children)


def _failure(code: str, message: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "message": message}})
