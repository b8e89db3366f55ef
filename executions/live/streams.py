"""Live events over HTTP: one execution for one watcher, in a thread of the web process."""

from __future__ import annotations

import logging
import socket
import ssl
import time
import weakref
from collections.abc import Callable, Iterator
from threading import Semaphore

from django.conf import settings
from django.db import Error as DatabaseError

from executions import waiting
from executions.live.events import KEEP_ALIVE, retry_in
from executions.live.reader import Reader, looks
from projects.exceptions import Unavailable

logger = logging.getLogger(__name__)

# A stream ends after so long; its watcher comes back and is told the rest.
STREAM_SECONDS = 600.0
# Without events, something is sent this often: proxies keep the connection, and we hear of watchers who are gone.
KEEP_ALIVE_SECONDS = 15.0
# When watchers come back: after the end of a stream, and when there was no place.
RETRY_SECONDS = 1.0
NO_PLACE_RETRY_SECONDS = 10.0

_places = Semaphore(settings.WEB_LIVE_STREAMS)

# Whether this process is about to end. Whoever serves it knows (config/gunicorn.py).
_is_ending: Callable[[], bool] = lambda: False  # noqa: E731


def end_when(is_ending: Callable[[], bool]) -> None:
    """Have all streams of this process end soon once this is so."""
    global _is_ending
    _is_ending = is_ending


class Stream:
    """The events of an execution as text, for one watcher.

    It holds one of few places from the beginning until it is closed, or forgotten.
    """

    def __init__(
        self, reader: Reader, *, may_go_on: Callable[[], bool], is_gone: Callable[[], bool] = lambda: False
    ) -> None:
        """Take a place.

        :param may_go_on: whether the watcher may still see this; asked now and then.
        :param is_gone: whether the watcher has hung up, so far as can be told before something is sent; asked often.
        :raises Unavailable: if there is none.
        """
        self._reader = reader
        self._may_go_on = may_go_on
        self._is_gone = is_gone
        own, shared = _places, waiting.places
        if not own.acquire(blocking=False):
            raise _no_place()
        if not shared.acquire(blocking=False):
            own.release()
            raise _no_place()
        self.close = weakref.finalize(self, _leave, own, shared)

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._text()
        except DatabaseError:
            logger.warning("Could not read the events of an execution; its watcher will come back.", exc_info=True)
            yield retry_in(RETRY_SECONDS)
        finally:
            self.close()

    def _text(self) -> Iterator[str]:
        ends_at = time.monotonic() + STREAM_SECONDS
        sent_at = asked_at = time.monotonic()
        yield retry_in(RETRY_SECONDS)
        for events in looks(self._reader):
            if self._is_gone():
                return
            now = time.monotonic()
            if events:
                yield "".join(event.on_the_wire() for event in events)
                sent_at = now
            elif now - sent_at >= KEEP_ALIVE_SECONDS:
                yield KEEP_ALIVE
                sent_at = now
            if now >= ends_at or _is_ending():
                yield retry_in(RETRY_SECONDS)
                return
            if now - asked_at >= KEEP_ALIVE_SECONDS:
                asked_at = now
                if not self._may_go_on():
                    return


def has_hung_up(connection: object) -> bool:
    """Test whether the other side of a connection has closed it. Of what is no plain socket nothing is known."""
    if not isinstance(connection, socket.socket) or isinstance(connection, ssl.SSLSocket):
        return False
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except (BlockingIOError, TimeoutError):
        return False  # Nothing to read: it waits.
    except OSError:
        return True


def _leave(*places: Semaphore) -> None:
    for each in places:
        each.release()


def _no_place() -> Unavailable:
    return Unavailable(
        "Too many executions are watched live at the moment.",
        hint="Try again in a while, or ask for the execution itself now and then. WEB_LIVE_STREAMS says how many may be.",
        retry_after=NO_PLACE_RETRY_SECONDS,
    )
