"""The threads in which a worker process looks. A slow service holds up no other poll, and no sweep."""

from __future__ import annotations

import logging
import os
import threading
from datetime import datetime

from django.db import connection

from executions.engine import leases, stopping
from triggers.models import Poll
from triggers.services import polls

logger = logging.getLogger(__name__)

# Polls that one worker process looks for at once.
THREADS = 8


class Pollers:
    """The polls that this process is at. A forked child makes its own."""

    _instance: Pollers | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.owner = leases.new_owner()
        self._changed = threading.Condition()
        self._at_work = 0

    @classmethod
    def of_this_process(cls) -> Pollers:
        """Return this process's pollers."""
        with cls._guard:
            if cls._instance is None or cls._instance.pid != os.getpid():
                cls._instance = cls()
            return cls._instance

    def look(self, now: datetime) -> int:
        """Take as many polls as there are free threads for, and begin with each. Returns how many; waits for none.

        :param now: the database's time.
        """
        if stopping.is_asked():
            return 0
        with self._changed:
            free = THREADS - self._at_work
        claimed = polls.claim_polls(self.owner, now=now, limit=free)
        for poll in claimed:
            with self._changed:
                self._at_work += 1
            threading.Thread(target=self._run, args=(poll,), name="poll", daemon=True).start()
        return len(claimed)

    def wait(self, seconds: float) -> bool:
        """Wait until no thread is at work, for at most so many seconds. Returns whether none is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._at_work == 0, timeout=seconds)

    def _run(self, poll: Poll) -> None:
        try:
            polls.carry_out(poll, self.owner)
        except Exception:
            logger.exception("A poll was not written; its lease will run out.", extra={"poll_id": str(poll.pk)})
        finally:
            connection.close()
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()


def look(now: datetime) -> int:
    """Let this process begin with polls whose time has come. A part of every sweep."""
    return Pollers.of_this_process().look(now)
