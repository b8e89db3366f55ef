"""The options of ``manage.py up``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    host: str
    port: int
    workers: int
    demo: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    parser.add_argument("--port", type=port, default=8000, help="port; 0 takes any that is free (default: %(default)s)")
    parser.add_argument("--workers", type=positive, default=2, help="worker processes (default: %(default)s)")
    parser.add_argument("--demo", action="store_true", help="stop after the proof; exit code 0 if it succeeded")


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("it must be between 0 and 65535")
    return number
