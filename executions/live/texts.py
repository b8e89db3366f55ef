"""What models are answering, written down piece by piece while the answer comes, for whoever watches.

It is good for nothing else: whatever goes wrong here, the answer itself is not touched by it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connection, transaction

from executions.engine.clock import database_now
from executions.models import LiveText
from projects.masking import Masker
from projects.payloads import storable_text

logger = logging.getLogger(__name__)

WRITE_SECONDS = 0.25
# What was written stays so long after the answer is complete, so that those who watch have read it.
STAYS_SECONDS = 5.0
# How long the end of an answer waits for its last piece to be written: then it is told before the end of its node run.
LAST_PIECE_SECONDS = 1.0
# Of one answer, text that waits to be written: more is left out.
MOST_WAITING = 256 * 1024
# Pieces that are older were left by a worker that was killed.
LEFT_AFTER = timedelta(hours=1)


class TextStream:
    """What one model call answers. Any thread may use it; it does not wait for the database, and never raises."""

    def __init__(self, scribe: Scribe, *, execution_id: UUID, node_run_id: UUID, masker: Masker) -> None:
        self.execution_id = execution_id
        self.node_run_id = node_run_id
        self._scribe = scribe
        self._masker = masker
        self._lock = threading.Lock()
        self._waiting = ""  # Not written yet, with whatever secrets it holds.
        self._number = 0
        self._is_closed = False
        self._last_is_written = threading.Event()
        self.closed_at: float | None = None

    def write(self, piece: str) -> None:
        """Take the next piece of the answer."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING and not self._is_closed:
                self._waiting += piece

    def close(self) -> None:
        """Say that the answer is complete, and wait a moment for its last piece to be written."""
        with self._lock:
            self._is_closed = True
        self._scribe.hurry()
        self._last_is_written.wait(LAST_PIECE_SECONDS)

    def take(self) -> LiveText | None:
        """Return what can be written now. For the scribe."""
        with self._lock:
            # A secret may have come half.
            end = len(self._waiting) if self._is_closed else self._masker.settled(self._waiting)
            text, self._waiting = self._waiting[:end], self._waiting[end:]
            if self._is_closed and self.closed_at is None:
                self.closed_at = time.monotonic()
        if not text:
            return None
        self._number += 1
        return LiveText(
            execution_id=self.execution_id,
            node_run_id=self.node_run_id,
            number=self._number,
            text=storable_text(self._masker.mask_text(text)),
        )

    def was_written(self) -> None:
        """Note that what was taken is written, or lost. For the scribe."""
        if self.closed_at is not None:
            self._last_is_written.set()


class Scribe:
    """One thread with one connection to the database, which writes for all model calls of a process together.

    The thread is there while there is something to write or to remove.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._streams: list[TextStream] = []
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()
        self._is_closed = False

    def stream(self, *, execution_id: UUID, node_run_id: UUID, masker: Masker) -> TextStream:
        """Return where a model call of a node run writes its answer. Another one of the same node run begins anew."""
        stream = TextStream(self, execution_id=execution_id, node_run_id=node_run_id, masker=masker)
        with self._lock:
            self._streams.append(stream)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="live-texts", daemon=True)
                self._thread.start()
        return stream

    def hurry(self) -> None:
        """Write soon."""
        self._hurry.set()

    def close(self) -> None:
        """End the thread and its connection. What is written stays, and is cleaned up."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
        self._hurry.set()
        if thread is not None:
            thread.join(LAST_PIECE_SECONDS)

    def _run(self) -> None:
        try:
            while self._goes_on():
                self._hurry.wait(WRITE_SECONDS)
                self._hurry.clear()
                self._write()
        finally:
            connection.close()  # This thread's.

    def _goes_on(self) -> bool:
        with self._lock:
            if self._streams and not self._is_closed:
                return True
            self._thread = None
            return False

    def _write(self) -> None:
        with self._lock:
            streams = list(self._streams)
        pieces = [piece for stream in streams if (piece := _taken(stream)) is not None]
        long_ago = time.monotonic() - STAYS_SECONDS
        read = [stream for stream in streams if stream.closed_at is not None and stream.closed_at < long_ago]
        try:
            if pieces or read:
                connection.close_if_unusable_or_obsolete()
                _store(pieces, remove=_node_runs(read, streams))
        except DatabaseError:
            logger.warning("Could not write live text.", exc_info=True)
            connection.close_if_unusable_or_obsolete()
        except Exception:  # Whatever it was: those that come later are written.
            logger.exception("Could not write live text.")
        for stream in streams:
            stream.was_written()
        with self._lock:
            self._streams = [stream for stream in self._streams if stream not in read]


def _taken(stream: TextStream) -> LiveText | None:
    try:
        return stream.take()
    except Exception:  # One text must not take the others along, nor this thread with all that come later.
        logger.exception("Could not take live text.", extra={"execution_id": str(stream.execution_id)})
        return None


def remove_leftovers(*, now: datetime | None = None) -> int:
    """Remove what workers that were killed have left."""
    removed, _ = LiveText.objects.filter(created_at__lt=(now or database_now()) - LEFT_AFTER).delete()
    return removed


def _node_runs(read: Collection[TextStream], streams: Iterable[TextStream]) -> set[UUID]:
    """Return the node runs whose texts may go: those that have not answered anew meanwhile."""
    in_use = {stream.node_run_id for stream in streams if stream not in read}
    return {stream.node_run_id for stream in read} - in_use


@transaction.atomic
def _store(pieces: list[LiveText], *, remove: set[UUID]) -> None:
    # What an earlier call of the same node run has answered is void.
    gone = remove | {piece.node_run_id for piece in pieces if piece.number == 1}
    if gone:
        LiveText.objects.filter(node_run_id__in=gone).delete()
    LiveText.objects.bulk_create(pieces)
