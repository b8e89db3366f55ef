"""Executions that sleep: what 10,000 of them cost, how late a single one wakes, and how long all take that are due at once."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta

from benchmarks import options
from benchmarks.definitions import sleeper
from benchmarks.installations import Measured, running
from benchmarks.load import post
from benchmarks.processes import proportional_bytes
from benchmarks.tables import load_average, percentile, print_table

TARGET_SINGLE_SECONDS, TARGET_ALL_SECONDS = 2, 40
CONNECTIONS = 16


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("wakeups", __doc__, rounds=1)
    parser.add_argument("--crowd", type=int, default=10_000, help="executions that are due in the same second")
    parser.add_argument("--singles", type=int, default=30, help="executions that are due at different times")
    parser.add_argument("--idle-seconds", type=float, default=10, help="for which the crowd is watched as it sleeps")
    parser.add_argument("--lead-seconds", type=float, default=15, help="for falling asleep, before the crowd is due")
    parser.add_argument(
        "--accepted-per-second", type=float, default=60, help="how fast the crowd gets in, at the least"
    )
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure single ones while nothing else sleeps, then a crowd."""
    workflow_id, path = segue.hook("Sleeper", sleeper())
    singles = _singles(segue, workflow_id, path, count=chosen.singles)
    idle_before = _idle_cost(segue, seconds=chosen.idle_seconds)
    rows = [
        {
            "what": "one at a time",
            "executions": len(singles),
            "target": f"< {TARGET_SINGLE_SECONDS} s",
            **_lateness(singles),
            "load": load_average(),
        }
    ]
    for _ in range(chosen.rounds):
        crowd, idle = _crowd(segue, workflow_id, path, chosen)
        rows.append(
            {
                "what": "due in the same second",
                "executions": len(crowd),
                "target": f"all < {TARGET_ALL_SECONDS} s",
                **_lateness(crowd),
                "wake-ups/s": len(crowd) / max(crowd),
                "load": load_average(),
            }
        )
    print_table("Wake-ups (seconds between the time that was asked for and the end)", rows)
    print_table(
        "What sleeping costs",
        [{"sleeping": 0, **idle_before}, {"sleeping": chosen.crowd, **idle}],
    )


def _lateness(late: list[float]) -> dict[str, float]:
    return {"late p50": percentile(late, 0.5), "late p99": percentile(late, 0.99), "latest": max(late)}


def _singles(segue: Measured, workflow_id: str, path: str, *, count: int) -> list[float]:
    """Return how late each of some is that are due one after another, a little more than a second apart."""
    first = datetime.now(UTC) + timedelta(seconds=3)
    due = [first + timedelta(seconds=1.13 * number) for number in range(count)]
    for moment in due:
        _send(segue, path, at=moment, count=1)
    segue.wait_until_idle(seconds=1.13 * count + 60)
    ends = sorted(segue.ends(workflow_id).values())[-count:]
    return [end - moment.timestamp() for end, moment in zip(ends, due, strict=True)]


def _crowd(
    segue: Measured, workflow_id: str, path: str, chosen: argparse.Namespace
) -> tuple[list[float], dict[str, float]]:
    """Return how late each of many is that are due in the same second, and what they cost as they sleep."""
    before = set(segue.ends(workflow_id))
    count, idle_seconds = chosen.crowd, chosen.idle_seconds
    due = datetime.now(UTC) + timedelta(seconds=count / chosen.accepted_per_second + idle_seconds + chosen.lead_seconds)
    _send(segue, path, at=due, count=count)
    assert datetime.now(UTC) < due - timedelta(seconds=idle_seconds), "Accepting took longer than expected."
    _wait_until_all_sleep(segue, count)
    idle = _idle_cost(segue, seconds=idle_seconds)
    assert datetime.now(UTC) < due, "Falling asleep took longer than expected."
    segue.wait_until_idle(seconds=(due - datetime.now(UTC)).total_seconds() + 600)
    ends = {pk: end for pk, end in segue.ends(workflow_id).items() if pk not in before}
    assert len(ends) == count, f"{len(ends)} of {count} have gone on."
    return [end - due.timestamp() for end in ends.values()], idle


def _send(segue: Measured, path: str, *, at: datetime, count: int) -> None:
    post(segue.port, path, {"at": at.isoformat()}, requests=count, connections=min(CONNECTIONS, count))


def _wait_until_all_sleep(segue: Measured, count: int) -> None:
    segue.wait_for(
        lambda: segue.ask("SELECT count(*) FROM workflow_executions WHERE blocked_on = 'timer'") == [(count,)],
        seconds=300,
        what=f"{count} executions to sleep",
    )


def _idle_cost(segue: Measured, *, seconds: float) -> dict[str, float]:
    """Return the processor time of each part as a share of one processor, and what the worker holds."""
    before = segue.cpu_seconds()
    time.sleep(seconds)
    after = segue.cpu_seconds()
    shares = {f"cpu % {name}": 100 * (after[name] - before[name]) / seconds for name in after if name in before}
    return {**shares, "worker MB (PSS)": proportional_bytes(segue.of("worker")) / 1_000_000}


if __name__ == "__main__":
    main()
