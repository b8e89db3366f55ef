"""What all measurements are asked alike."""

from __future__ import annotations

import argparse
from typing import Any


class _Setting(argparse.Action):
    """Collects ``NAME=VALUE`` in a dictionary."""

    def __call__(self, parser: argparse.ArgumentParser, chosen: argparse.Namespace, pair: Any, _: Any = None) -> None:
        name, separator, value = pair.partition("=")
        if not separator:
            parser.error(f"{pair!r} is no NAME=VALUE.")
        chosen.settings = {**chosen.settings, name: value}


def parser(name: str, about: str | None, *, rounds: int = 3) -> argparse.ArgumentParser:
    """Return the parser of one measurement."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=int, default=rounds, help="of which the median is printed (%(default)s)")
    made.add_argument(
        "--set",
        dest="settings",
        action=_Setting,
        default={},
        metavar="NAME=VALUE",
        help="a setting of the installation; may be given several times",
    )
    return made
