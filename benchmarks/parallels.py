"""A parallel of 20 HTTP calls that take 100 ms each: how much longer than one call it takes."""

from __future__ import annotations

import argparse
import time
from datetime import datetime

from benchmarks import options
from benchmarks.definitions import parallel_calls
from benchmarks.installations import Measured, running
from benchmarks.service import serving
from benchmarks.tables import load_average, median_of, percentile, print_table

TARGET_MS = 300
CALL_SECONDS = 0.1


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("parallels", __doc__, rounds=15)
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 20])
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure one call and many at once."""
    rows = []
    with serving(seconds=CALL_SECONDS) as service:
        for calls in chosen.calls:
            workflow_id = segue.publish(f"Parallel of {calls}", parallel_calls(service.url, calls))
            _measure(segue, workflow_id, calls=calls)
            rounds = [_measure(segue, workflow_id, calls=calls) for _ in range(chosen.rounds)]
            rows.append(
                {
                    "calls at once": calls,
                    "target": TARGET_MS if calls == 20 else "",
                    **median_of(rounds),
                    "execution p95": percentile([figures["execution"] for figures in rounds], 0.95),
                    "load": load_average(),
                }
            )
    print_table(f"Parallel of HTTP calls of {CALL_SECONDS * 1000:.0f} ms (milliseconds)", rows)


def _measure(segue: Measured, workflow_id: str, *, calls: int) -> dict[str, float]:
    sent_at = time.time()
    execution = segue.run(workflow_id, wait_seconds=30)
    answered_at = time.time()
    assert execution["status"] == "completed", execution
    assert execution["result"] == calls, execution["result"]
    accepted, started, ended = (
        datetime.fromisoformat(execution[name]).timestamp() for name in ("created_at", "started_at", "completed_at")
    )
    return {
        "accepted to started": (started - accepted) * 1000,
        "execution": (ended - started) * 1000,
        "ended to answered": (answered_at - ended) * 1000,
        "request to answer": (answered_at - sent_at) * 1000,
    }


if __name__ == "__main__":
    main()
