"""Schedules: what a tick costs that finds nothing due, how long very many take that are due at once, and how late a steady stream is."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime

from benchmarks import options
from benchmarks.installations import Measured, running
from benchmarks.tables import load_average, percentile, print_table

TARGET_IDLE_MS, TARGET_CROWD_SECONDS = 5, 10
EVERY_SECOND = "* * * * * *"
# Leap days: none of these is ever due.
NEVER = "0 0 29 2 *"
# As many as are surely made before a command has to be over.
FILLED_AT_ONCE = 20_000
LEAD_SECONDS = 3


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("schedules", __doc__, rounds=1)
    parser.add_argument("--idle", type=int, default=100_000, help="active schedules of which none is due")
    parser.add_argument("--ticks", type=int, default=50, help="ticks of which the median is told")
    parser.add_argument("--crowd", type=int, default=10_000, help="schedules that are due in the same second")
    parser.add_argument("--stream", type=int, default=200, help="schedules that are due in every second")
    parser.add_argument("--seconds", type=int, default=60, help="for which the stream is watched")
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure the idle tick, then crowds beside those idle ones, then the stream."""
    _fill(segue, "Idle", chosen.idle)
    _do(segue, "analyze()")
    whole, inside = (float(text) for text in _do(segue, f"print(*idle_tick_ms({chosen.ticks}))").split())
    print_table(
        "A tick that finds nothing due",
        [
            {
                "active schedules": chosen.idle,
                "in the database ms": inside,
                "target ms": f"< {TARGET_IDLE_MS}",
                "with all of it ms": whole,
                "load": load_average(),
            }
        ],
    )
    print_table("Due in the same second", [_crowd(segue, chosen, number) for number in range(chosen.rounds)])
    segue.wait_until_idle(seconds=600)
    print_table("Due in every second (seconds behind the slot)", [_stream(segue, chosen)])


def _crowd(segue: Measured, chosen: argparse.Namespace, number: int) -> dict[str, object]:
    """Make a crowd that is paused, let it go with one statement, and count its executions until all are there."""
    name = f"Crowd{number}"
    _fill(segue, name, chosen.crowd, is_active=False)
    due = datetime.fromisoformat(_do(segue, f"print(let_go({name!r}, seconds={LEAD_SECONDS}))")).timestamp()
    counted = "SELECT count(*) FROM workflow_executions WHERE workflow_name LIKE ?"
    while segue.ask(counted, f"{name} %")[0][0] < chosen.crowd:
        assert time.time() - due < 600, "Not all have their execution after ten minutes."
        time.sleep(0.05)
    seconds = time.time() - due
    return {
        "schedules": chosen.crowd,
        "all have executions after s": seconds,
        "target s": f"< {TARGET_CROWD_SECONDS}",
        "executions/s": chosen.crowd / seconds,
        "load": load_average(),
    }


def _stream(segue: Measured, chosen: argparse.Namespace) -> dict[str, object]:
    _do(segue, f"fill('Stream', count={chosen.stream}, cron={EVERY_SECOND!r})")
    time.sleep(chosen.seconds)
    _do(segue, "pause('Stream')")
    segue.wait_until_idle(seconds=600)
    rows = segue.ask(
        "SELECT scheduled_for, created_at, completed_at FROM workflow_executions WHERE workflow_name LIKE ?", "Stream %"
    )
    accepted = [(_moment(created) - _moment(slot)).total_seconds() for slot, created, _ in rows]
    ended = [(_moment(end) - _moment(slot)).total_seconds() for slot, _, end in rows]
    return {
        "schedules": chosen.stream,
        "slots": len(rows),
        "accepted p50": percentile(accepted, 0.5),
        "accepted p99": percentile(accepted, 0.99),
        "ended p50": percentile(ended, 0.5),
        "ended p99": percentile(ended, 0.99),
        "load": load_average(),
    }


def _fill(segue: Measured, name: str, count: int, *, is_active: bool = True) -> None:
    for first in range(0, count, FILLED_AT_ONCE):
        some = min(FILLED_AT_ONCE, count - first)
        _do(segue, f"fill({name!r}, first={first}, count={some}, cron={NEVER!r}, is_active={is_active})")


def _do(segue: Measured, what: str) -> str:
    """Do something of ``benchmarks.schedule_rows`` inside of the installation; return what it printed."""
    lines = ["from django.db import transaction", "from benchmarks.schedule_rows import *"]
    lines += ["with transaction.atomic():", f"    {what}"]
    return segue.manage("shell", "--verbosity=0", "-c", "\n".join(lines)).strip()


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value)).replace(tzinfo=UTC)


if __name__ == "__main__":
    main()
