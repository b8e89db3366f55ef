"""``make chaos``: break everything at random under thousands of executions, and print what came of it."""

from __future__ import annotations

import argparse
import random
import sys

from tests.chaos.faults import FAULTS
from tests.chaos.run import Options, run

DEFAULTS = Options()


def main() -> None:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--executions", type=int, default=DEFAULTS.executions)
    parser.add_argument("--seconds", type=float, default=DEFAULTS.seconds, help="go on breaking for at least so long")
    parser.add_argument("--every", type=float, default=DEFAULTS.every_seconds, help="mean seconds between two faults")
    parser.add_argument("--per-second", type=float, default=DEFAULTS.per_second, help="deliveries sent in a second")
    parser.add_argument("--lease", type=int, default=DEFAULTS.lease_seconds, help="ENGINE_LEASE_SECONDS")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of the lots that are drawn")
    parser.add_argument(
        "--faults",
        nargs="+",
        choices=sorted(FAULTS),
        default=sorted(FAULTS),
        metavar="FAULT",
        help="; ".join(sorted(FAULTS)),
    )
    parser.add_argument(
        "--without", choices=["sweep", "fence", "looking"], default="", help="take a part out: it must fail"
    )
    options = parser.parse_args()
    report = run(
        Options(
            executions=options.executions,
            seconds=options.seconds,
            every_seconds=options.every,
            per_second=options.per_second,
            lease_seconds=options.lease,
            seed=options.seed,
            faults=tuple(options.faults),
            without=options.without,
        ),
        say=lambda line: print(line, flush=True),
    )
    print(report)
    for problem in report.problems():
        print(f"BROKEN: {problem}")
    sys.exit(not report.is_clean)


if __name__ == "__main__":
    main()
