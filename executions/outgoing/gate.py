"""The gate that the calls of one node run pass."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import DatabaseError, connection

from executions.engine.context import RunContext
from executions.outgoing import permits
from executions.outgoing.permits import Asked, Entered, Later, Permit
from workflows.http import Postponed

logger = logging.getLogger(__name__)

T = TypeVar("T")

# A wait of up to so many seconds is worth a thread; for a longer one the node run sleeps as a row.
PATIENCE_SECONDS = 1.0
# How often a thread that waits for a place looks again.
LOOK_SECONDS = 0.25
# When to try again if the database could not be asked.
UNKNOWN_SECONDS = 5.0
ERRAND_SECONDS = 10.0


class Desk:
    """One thread with one connection to the database, which asks for all threads of a process that make calls.

    They are many, and wait for others most of the time: with a connection each, a few processes would have all that there are.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outgoing")

    def __call__(self, errand: Callable[..., T], *arguments: Any) -> T:
        """Have something asked or noted, and return the answer."""
        return self._thread.submit(_carried_out, errand, *arguments).result(timeout=ERRAND_SECONDS)

    def close(self) -> None:
        """End the thread and its connection."""
        self._thread.submit(lambda: connection.close())  # That of the thread which does it.
        self._thread.shutdown()


def _carried_out(errand: Callable[..., T], *arguments: Any) -> T:
    connection.close_if_unusable_or_obsolete()
    try:
        return errand(*arguments)
    except DatabaseError:
        connection.close_if_unusable_or_obsolete()
        raise


def directly(errand: Callable[..., T], *arguments: Any) -> T:
    """Ask over this thread's own connection, where it has one anyway."""
    return errand(*arguments)


class RunGate:
    """Lets the calls of one node run out as the limits of its project say.

    :param ask: a :class:`Desk`, or :func:`directly`.
    :param patience: seconds for which a call may wait in its thread.
    :param takes_turns: whether what has to wait longer comes back with what it has waited for.
    """

    def __init__(
        self,
        ask: Callable[..., Any],
        context: RunContext,
        *,
        patience: float = PATIENCE_SECONDS,
        takes_turns: bool = True,
    ) -> None:
        self._ask = ask
        self._context = context
        self._patience = patience
        self._takes_turns = takes_turns
        self._permit = Permit.from_json(context.permit)
        # Requests that would be made again, by limit: those since the node run noted how far it is.
        self._made: Counter[str] = Counter()
        self._kept = context.kept

    @contextmanager
    def passing(self, host: str, *, seconds: float) -> Iterator[None]:
        """Let one request out as soon as it may go.

        :raises Postponed: if that takes longer than a thread may wait.
        :raises Cancelled: if the node run was abandoned meanwhile.
        """
        entered = self._entered(host, seconds)
        try:
            yield
        finally:
            if entered.calls:
                self._leave(entered)

    def asked_to_wait(self, host: str, *, seconds: float) -> None:
        """Have all calls of the project to the host wait."""
        try:
            self._ask(permits.hold, self._context.project_id, host, seconds)
        except (DatabaseError, TookTooLong):
            logger.warning("Could not note that a host wants no calls.", exc_info=True)

    def _entered(self, host: str, seconds: float) -> Entered:
        if self._context.kept is not self._kept:
            self._kept = self._context.kept
            self._made.clear()
        until = time.monotonic() + min(self._patience, seconds)
        while True:
            answer = self._answer(host, seconds)
            if isinstance(answer, Entered):
                self._made.update(answer.limits)
                return answer
            left = until - time.monotonic()
            if left <= 0 or (answer.seconds > left and not answer.is_queueing):
                self._permit.queued += answer.is_queueing
                self._context.permit = self._permit.to_json()
                raise Postponed(answer.seconds, answer.reason)
            self._sleep(min(LOOK_SECONDS, left) if answer.is_queueing else answer.seconds)

    def _answer(self, host: str, seconds: float) -> Entered | Later:
        asked = Asked(
            project_id=self._context.project_id,
            host=host,
            secrets=frozenset(self._context.filled_in.names),
            seconds=seconds,
            made=dict(self._made),
            takes_turns=self._takes_turns,
        )
        try:
            answer: Entered | Later = self._ask(permits.enter, asked, self._permit)
        except (DatabaseError, TookTooLong):
            logger.warning("Could not ask whether a call may go out.", exc_info=True)
            return Later(UNKNOWN_SECONDS, "until the database says again whether it may call")
        return answer

    def _leave(self, entered: Entered) -> None:
        try:
            self._ask(permits.leave, entered.calls)
        except (DatabaseError, TookTooLong):
            logger.warning("Could not note that a call is back; it will count until it expires.", exc_info=True)

    def _sleep(self, seconds: float) -> None:
        abandoned = threading.Event()
        with self._context.cancel.waking(abandoned.set):
            abandoned.wait(seconds)
        self._context.cancel.check()
