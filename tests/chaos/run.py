"""One run: start everything, let senders send, break things, mend them, wait, judge."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

import psycopg

from tests.chaos.faults import FAULTS, PROCESSES, Torment
from tests.chaos.verdict import Verdict, judge
from tests.chaos.workload import Senders, failures, workflow
from tests.crash.history import History
from tests.crash.service import counting_service
from tests.installation import Installation
from tests.sabotage import DROP_KEYS, without
from tests.servers import PostgresServer, ValkeyServer

LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Options:
    """What a run is made of."""

    executions: int = 2000
    seed: int = 0
    # At least for so long, although everything may have been accepted before.
    seconds: float = 0
    # The mean time between two faults.
    every_seconds: float = 1.0
    faults: tuple[str, ...] = tuple(FAULTS)
    senders: int = 8
    per_second: float = 12.0
    # With the default of 10 s, most of the run would be spent waiting.
    lease_seconds: int = 3
    # How long everything may take after the last fault, before it counts as lost.
    settle_seconds: float = 120
    # A part that is taken out, to see that the run notices.
    without: str = ""


@dataclass
class Report:
    """What came of it."""

    options: Options
    verdict: Verdict
    counts: dict[str, int]
    tries: int
    seconds: float
    settled_seconds: float
    broken_invariants: str
    recovery_seconds: list[float] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return self.verdict.is_clean and not self.broken_invariants

    def problems(self) -> list[str]:
        """Return what breaks a promise, ten of each kind."""
        verdict = self.verdict
        found = [
            line
            for kind in (verdict.lost, verdict.wrong, verdict.doubled, verdict.unexplained_calls)
            for line in kind[:10]
        ]
        return [*found, self.broken_invariants] if self.broken_invariants else found

    def __str__(self) -> str:
        verdict, options = self.verdict, self.options
        rows = [
            ("seed", options.seed),
            *((name, count) for name, count in sorted(self.counts.items())),
            ("faults together", sum(self.counts.values())),
            ("executions", verdict.executions),
            ("deliveries sent, with those sent again", self.tries),
            ("node runs", verdict.node_runs),
            ("calls to the service", verdict.calls),
            ("calls repeated under their key, of interrupted node runs", verdict.repeated_calls),
            ("calls that a frozen process made late", verdict.late_calls),
            ("accepted and lost", len(verdict.lost)),
            ("ended with a wrong result", len(verdict.wrong)),
            ("recorded or started twice", len(verdict.doubled)),
            ("calls that nothing explains", len(verdict.unexplained_calls)),
            ("invariants", "broken" if self.broken_invariants else "hold"),
            ("taken over from killed workers", len(self.recovery_seconds)),
            ("seconds from kill to take-over, p50 / p99 / max", self._recovery()),
            ("lease, seconds", options.lease_seconds),
            ("seconds of faults", f"{self.seconds:.0f}"),
            ("seconds until all had ended after the last fault", f"{self.settled_seconds:.1f}"),
        ]
        return "\n".join(["| what | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)])

    def _recovery(self) -> str:
        if len(self.recovery_seconds) < 2:
            return "none"
        ordered = quantiles(self.recovery_seconds, n=100, method="inclusive")
        return f"{ordered[49]:.1f} / {ordered[98]:.1f} / {max(self.recovery_seconds):.1f}"


def run(options: Options, *, say: Callable[[str], None] = lambda line: None) -> Report:
    """Run it and judge it."""
    with (
        tempfile.TemporaryDirectory(prefix="segue-ch-", dir="/tmp") as folder,
        PostgresServer() as postgres,
        ValkeyServer(Path(folder) / "broker.sock") as broker,
        counting_service(seconds=0.03, failures=failures) as service,
    ):
        _execute(postgres, "CREATE DATABASE segue", database="postgres")
        segue = Installation(
            Path(folder),
            database_url=postgres.url("segue"),
            broker_url=broker.url,
            ENGINE_LEASE_SECONDS=str(options.lease_seconds),
            ENGINE_GRACE_SECONDS="2",
            # Nobody's executions are to blame for what is done to their workers here.
            ENGINE_MAX_LOST_WORKERS="1000",
            LOG_LEVEL="WARNING",
        )
        try:
            history = History(postgres.url("segue"))
            history.install()
            environment = without(options.without) if options.without else {}
            segue.start(*PROCESSES, **environment)
            workflow_id = segue.publish("Chaos", workflow(service.url))
            url = f"{segue.url}/webhooks/{segue.webhook(workflow_id)['path']}"
            if options.without == "fence":
                _execute(postgres, DROP_KEYS)
            senders = Senders(url, options.executions, senders=options.senders, per_second=options.per_second)
            torment = Torment(
                segue,
                postgres,
                broker,
                names=options.faults,
                every_seconds=options.every_seconds,
                lease_seconds=options.lease_seconds,
                rng=random.Random(options.seed),
                environment=environment,
            )
            began = time.monotonic()
            senders.start()
            said = began
            while not senders.are_done or time.monotonic() - began < options.seconds:
                torment.tick(breaking=True)
                if time.monotonic() - said > 10:
                    said = time.monotonic()
                    say(f"{said - began:.0f} s: {senders.accepted} accepted, {torment.kills} faults")
                time.sleep(LOOK_SECONDS)
            torment.mend()
            mended = time.monotonic()
            while _live(postgres) and time.monotonic() - mended < options.settle_seconds:
                torment.tick(breaking=False)
                time.sleep(LOOK_SECONDS)
            settled = time.monotonic() - mended
            verdict = judge(
                postgres.url("segue"),
                senders.deliveries,
                service.calls,
                may_be_late="worker frozen" in options.faults,
            )
            recovery = [
                seconds
                for kill in torment.worker_kills
                for seconds in history.taken_over(kill.pid, at=kill.at).values()
            ]
            return Report(
                options,
                verdict,
                counts=dict(torment.counts),
                tries=sum(delivery.tries for delivery in senders.deliveries),
                seconds=mended - began,
                settled_seconds=settled,
                broken_invariants=_broken_invariants(segue),
                recovery_seconds=recovery,
            )
        finally:
            segue.stop()


def _execute(postgres: PostgresServer, statements: str, *, database: str = "segue") -> None:
    with psycopg.connect(postgres.url(database).replace("postgres:", "postgresql:"), autocommit=True) as connection:
        connection.execute(statements)


def _live(postgres: PostgresServer) -> bool:
    question = "SELECT EXISTS (SELECT FROM workflow_executions WHERE status IN ('pending', 'running'))"
    try:
        with psycopg.connect(postgres.url("segue").replace("postgres:", "postgresql:"), autocommit=True) as connection:
            row = connection.execute(question).fetchone()
    except psycopg.OperationalError:
        return True  # It is still recovering.
    return row is None or bool(row[0])


def _broken_invariants(segue: Installation) -> str:
    try:
        segue.manage("check_invariants")
    except AssertionError as error:
        return str(error)
    return ""
