"""What the processes hold in memory, and use of the processor, when there is nothing to do."""

from __future__ import annotations

import argparse
import time

from benchmarks import options
from benchmarks.installations import Measured, running
from benchmarks.processes import proportional_bytes, resident_bytes
from benchmarks.tables import print_table

TARGET_MB = 150
MEGABYTE = 1_000_000


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("idle", __doc__, rounds=1)
    parser.add_argument("--seconds", type=float, default=20, help="for which the processor time is counted")
    parser.add_argument("--settle", type=float, default=8, help="seconds before it looks")
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Start everything, as the operations page says, let it settle, and look."""
    time.sleep(chosen.settle)
    before = segue.cpu_seconds()
    time.sleep(chosen.seconds)
    after = segue.cpu_seconds()
    rows = []
    for part in ("web", "worker", "beat"):
        found = segue.of(part)
        rows.append(
            {
                "part": part,
                "processes": len(found),
                "MB (PSS)": proportional_bytes(found) / MEGABYTE,
                "MB (RSS of each)": " + ".join(f"{resident_bytes([each]) / MEGABYTE:.0f}" for each in found),
                "target": TARGET_MB if part == "worker" else "",
                "cpu %": 100 * (after[part] - before[part]) / chosen.seconds,
            }
        )
    print_table("Idle (PSS counts once what processes share)", rows)


if __name__ == "__main__":
    main()
