"""All measurements, one after another: ``python -m benchmarks``; some of them: ``python -m benchmarks webhooks floors``."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmarks import (
    chains,
    expressions,
    floors,
    history,
    idle,
    loops,
    parallels,
    recovery,
    schedules,
    wakeups,
    webhooks,
)

# In the order in which they run: the floors beside what is compared with them.
MEASUREMENTS: dict[str, Callable[[list[str]], None]] = {
    "floors": floors.main,
    "webhooks": webhooks.main,
    "chains": chains.main,
    "loops": loops.main,
    "parallels": parallels.main,
    "wakeups": wakeups.main,
    "schedules": schedules.main,
    "idle": idle.main,
    "recovery": recovery.main,
    "history": history.main,
    "expressions": lambda _: expressions.main(),
}


def main() -> None:
    """Run what is asked for, or everything."""
    about = {name: (measure.__globals__["__doc__"] or "").split("\n")[0] for name, measure in MEASUREMENTS.items()}
    about["expressions"] = (expressions.__doc__ or "").split("\n")[0]
    listing = "\n".join(f"  {name:12} {text}" for name, text in about.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n\n{listing}\n\npython -m benchmarks.NAME --help tells what each one can be asked.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; all of them, if none is named")
    for name in parser.parse_args().names or MEASUREMENTS:
        if name not in MEASUREMENTS:
            parser.error(f"There is no measurement {name!r}.")
        MEASUREMENTS[name]([])


if __name__ == "__main__":
    main()
