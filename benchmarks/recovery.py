"""A worker is killed with executions in flight: how long until another one goes on with them.

Each execution calls a service that is slow on purpose. The second call with the same idempotency key is its going on.
"""

from __future__ import annotations

import time

from benchmarks import options
from benchmarks.definitions import ORDER, call_of
from benchmarks.installations import Measured, running
from benchmarks.load import post
from benchmarks.service import Service, serving
from benchmarks.tables import load_average, percentile, print_table

# Longer than any lease that is measured: no call ends by itself before its execution goes on elsewhere.
CALL_SECONDS = 60
TARGET_SECONDS = 15
# The children that a worker has (tests/installation.py), and how long they take from their fork to the first look.
PROCESSES, READY_SECONDS = 2, 2


def main(arguments: list[str] | None = None) -> None:
    """Measure with the lease that an installation has by default, and with a short one, each kill in an installation of its own."""
    parser = options.parser("recovery", __doc__)
    parser.add_argument("--executions", type=int, default=20, help="in flight when the worker is killed")
    parser.add_argument("--leases", nargs="*", default=["3"], help="seconds, besides the default")
    chosen = parser.parse_args(arguments)
    rows = []
    for lease in (None, *chosen.leases):
        settings = chosen.settings | ({"ENGINE_LEASE_SECONDS": lease} if lease else {})
        late: list[float] = []
        for _ in range(chosen.rounds):
            with running(**settings) as segue:
                in_force = segue.setting("ENGINE_LEASE_SECONDS")
                late += seconds_until_they_go_on(segue, executions=chosen.executions)
        rows.append(
            {
                "lease s": in_force if lease else f"{in_force} (default)",
                "kills": chosen.rounds,
                "executions": len(late),
                "target": "" if lease else f"< {TARGET_SECONDS}",
                "p50": percentile(late, 0.5),
                "latest": max(late),
                "load": load_average(),
            }
        )
    print_table("SIGKILL of a worker: seconds until its executions go on", rows)


def seconds_until_they_go_on(segue: Measured, *, executions: int) -> list[float]:
    """Kill the worker when all executions are in flight, beside another one that has nothing to do."""
    with serving(seconds=CALL_SECONDS) as service:
        _, path = segue.hook("Slow call", call_of(service.url))
        post(segue.port, path, ORDER, requests=executions, connections=min(executions, 16))
        _wait_for_calls(segue, service, executions, each=1)
        segue.start("worker-2")
        segue.wait_for(lambda: len(segue.of("worker-2")) > PROCESSES, seconds=60, what="the second worker to be ready")
        time.sleep(READY_SECONDS)
        killed_at = time.time()
        segue.kill("worker")
        _wait_for_calls(segue, service, executions, each=2)
        segue.start("worker")
        return [calls[1] - killed_at for calls in service.calls.values()]


def _wait_for_calls(segue: Measured, service: Service, executions: int, *, each: int) -> None:
    segue.wait_for(
        lambda: len(service.calls) == executions and all(len(calls) >= each for calls in service.calls.values()),
        seconds=CALL_SECONDS * 2,
        what=f"{executions} executions to call for time {each}",
    )


if __name__ == "__main__":
    main()
