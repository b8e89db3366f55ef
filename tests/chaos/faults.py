"""What goes wrong, and how it is put right again."""

from __future__ import annotations

import heapq
import itertools
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from tests.installation import Installation
from tests.processes import children_of, send
from tests.servers import PostgresServer, ValkeyServer

PROCESSES = ("web", "worker", "worker-2", "beat", "beat-2")
WORKERS = ("worker", "worker-2")


@dataclass(frozen=True)
class WorkerKill:
    """A worker process that was killed: whatever it held must be taken over."""

    pid: int
    at: datetime


class Torment:
    """Breaks one thing after another by lot, and mends each after a while.

    Everything happens in the thread that calls :meth:`tick`: the kernel ends a server when the thread that started it ends.
    """

    def __init__(
        self,
        segue: Installation,
        postgres: PostgresServer,
        broker: ValkeyServer,
        *,
        names: tuple[str, ...],
        every_seconds: float,
        lease_seconds: float,
        rng: random.Random,
        environment: dict[str, str],
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.worker_kills: list[WorkerKill] = []
        self._segue = segue
        self._postgres = postgres
        self._broker = broker
        self._names = names
        self._every = every_seconds
        self._lease = lease_seconds
        self._rng = rng
        self._environment = environment
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._down: set[str] = set()
        self._next = time.monotonic() + every_seconds

    @property
    def kills(self) -> int:
        """How often something was broken."""
        return sum(self.counts.values())

    def tick(self, *, breaking: bool) -> None:
        """Mend what is due, start what has ended, and perhaps break something."""
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()
        self._start_what_ended()
        if breaking and now >= self._next:
            self._next = now + self._every * self._rng.uniform(0.3, 1.7)
            self._break_something()

    def mend(self) -> None:
        """Put everything right now."""
        while self._later:
            heapq.heappop(self._later)[2]()
        self._down.clear()
        self._broker.restore()
        self._postgres.restore()
        self._start_what_ended()

    def _break_something(self) -> None:
        name = self._rng.choice(self._names)
        if FAULTS[name](self):
            self.counts[name] += 1

    def _start_what_ended(self) -> None:
        for name in PROCESSES:
            if name not in self._down and not self._segue.is_running(name):
                self._segue.launch(name, **self._environment)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), action))

    def _take_down(self, name: str, seconds: float) -> bool:
        """Remember that something is down, and for how long; false if it already is."""
        if name in self._down:
            return False
        self._down.add(name)
        self._after(seconds, lambda: self._down.discard(name))
        return True

    def _note_worker_kills(self, pids: list[int]) -> None:
        at = datetime.now(UTC)
        self.worker_kills += [WorkerKill(pid, at) for pid in pids]

    # --- Faults -----------------------------------------------------------------------------------------------------

    def web_process(self) -> bool:
        """SIGKILL the process that answers; gunicorn makes another."""
        return self._kill_a_child("web")

    def web_server(self) -> bool:
        return self._kill_all("web")

    def worker_process(self) -> bool:
        """SIGKILL one process of a worker; Celery makes another."""
        return self._kill_a_child(self._rng.choice(WORKERS))

    def worker_all(self) -> bool:
        return self._kill_all(self._rng.choice(WORKERS))

    def worker_deployed(self) -> bool:
        """SIGTERM, and SIGKILL for what does not end in time, as a deploy does."""
        name = self._rng.choice(WORKERS)
        if not self._segue.is_running(name) or not self._take_down(name, 4.0):
            return False
        self._segue.ask_to_end(name)
        self._after(3.9, lambda: self._segue.kill(name) if self._segue.is_running(name) else None)
        return True

    def worker_frozen(self) -> bool:
        """SIGSTOP for longer than a lease."""
        name = self._rng.choice(WORKERS)
        seconds = self._lease * self._rng.uniform(1.2, 2.0)
        if not self._segue.is_running(name) or not self._take_down(name, seconds + 0.1):
            return False
        self._segue.signal(name, signal.SIGSTOP)
        self._after(seconds, lambda: self._segue.signal(name, signal.SIGCONT))
        return True

    def beat(self) -> bool:
        return self._kill_all(self._rng.choice(("beat", "beat-2")))

    def broker_killed(self) -> bool:
        if not self._take_down("broker", 1.5):
            return False
        self._broker.kill()
        self._after(self._rng.uniform(0, 1.4), self._broker.restore)
        return True

    def broker_frozen(self) -> bool:
        if not self._take_down("broker", 3.1):
            return False
        self._broker.freeze()
        self._after(3.0, self._broker.restore)
        return True

    def broker_emptied(self) -> bool:
        if "broker" in self._down:
            return False
        self._broker.forget()
        return True

    def postgres_killed(self) -> bool:
        """SIGKILL its first process; the others notice and end."""
        if not self._take_down("postgres", 4.0):
            return False
        self._postgres.kill()
        self._after(self._rng.uniform(0, 1.0), self._postgres.restore)
        return True

    def postgres_backend(self) -> bool:
        """SIGKILL one of its processes: it disconnects everybody and recovers from its log."""
        backends = [] if "postgres" in self._down else self._postgres.backends()
        if not backends or not self._take_down("postgres", 2.0):
            return False
        send(self._rng.choice(backends), signal.SIGKILL)
        return True

    def postgres_connections(self) -> bool:
        """End every connection."""
        if "postgres" in self._down:
            return False
        try:
            with psycopg.connect(
                self._postgres.url("segue").replace("postgres:", "postgresql:"), autocommit=True
            ) as own:
                own.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'segue'"
                )
        except psycopg.OperationalError:
            return False
        return True

    def postgres_frozen(self) -> bool:
        seconds = self._rng.uniform(0.5, 2.0)
        if not self._take_down("postgres", seconds + 0.5):
            return False
        self._postgres.freeze()
        self._after(seconds, self._postgres.restore)
        return True

    def _kill_a_child(self, name: str) -> bool:
        children = children_of(self._segue.pid(name)) if self._segue.is_running(name) and name not in self._down else []
        if not children:
            return False
        pid = self._rng.choice(children)
        if name in WORKERS:
            self._note_worker_kills([pid])
        send(pid, signal.SIGKILL)
        return True

    def _kill_all(self, name: str) -> bool:
        if not self._segue.is_running(name) or not self._take_down(name, self._rng.uniform(0, 1.5)):
            return False
        if name in WORKERS:
            self._note_worker_kills(children_of(self._segue.pid(name)))
        self._segue.kill(name)
        return True


FAULTS: dict[str, Callable[[Torment], Any]] = {
    "web process killed": Torment.web_process,
    "web server killed": Torment.web_server,
    "worker process killed": Torment.worker_process,
    "worker killed": Torment.worker_all,
    "worker deployed": Torment.worker_deployed,
    "worker frozen": Torment.worker_frozen,
    "beat killed": Torment.beat,
    "broker killed": Torment.broker_killed,
    "broker frozen": Torment.broker_frozen,
    "broker emptied": Torment.broker_emptied,
    "postgres killed": Torment.postgres_killed,
    "postgres backend killed": Torment.postgres_backend,
    "postgres connections ended": Torment.postgres_connections,
    "postgres frozen": Torment.postgres_frozen,
}
