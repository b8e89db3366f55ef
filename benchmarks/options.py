"""What all measurements are asked alike."""

from __future__ import annotations

import argparse


class Options(argparse.ArgumentParser):
    """A parser that knows ``--rounds`` and ``--set``, and hands settings over as a dictionary."""

    def parse_args(self, args: list[str] | None = None, namespace: argparse.Namespace | None = None) -> argparse.Namespace:  # type: ignore[override]
        chosen = super().parse_args(args, namespace)
        chosen.settings = dict(pair.split("=", 1) for pair in chosen.set)
        return chosen


def parser(name: str, about: str | None, *, rounds: int = 3) -> Options:
    """Return the parser of one measurement."""
    made = Options(prog=f"python -m benchmarks.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=int, default=rounds, help="of which the median is printed (%(default)s)")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the installation")
    return made
