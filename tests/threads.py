"""Doing several things in the same moment, each on a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection


def at_once(*things: Callable[[], Any]) -> list[Any]:
    """Do all of it at once and return the results, in the order of the arguments."""
    gate = threading.Barrier(len(things))

    def do(thing: Callable[[], Any]) -> Any:
        try:
            gate.wait(10)
            return thing()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(things)) as pool:
        return list(pool.map(do, things))


def beside(thing: Callable[[], Any]) -> threading.Thread:
    """Do something in a thread of its own, on a database connection of its own, and return the thread."""

    def do() -> None:
        try:
            thing()
        finally:
            connection.close()

    thread = threading.Thread(target=do)
    thread.start()
    return thread
