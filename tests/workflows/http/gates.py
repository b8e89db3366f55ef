"""A gate for tests."""

from __future__ import annotations

from contextlib import contextmanager

from workflows.http import Postponed


class Book:
    """A gate that writes down what passes."""

    def __init__(self, closed: tuple[str, ...] = ()) -> None:
        self.closed = closed
        self.events: list[tuple[object, ...]] = []

    @contextmanager
    def passing(self, host: str, *, seconds: float):
        if host in self.closed:
            raise Postponed(5, "for a test")
        assert 0 < seconds <= 300
        self.events.append(("out", host))
        try:
            yield
        finally:
            self.events.append(("back", host))

    def asked_to_wait(self, host: str, *, seconds: float) -> None:
        self.events.append(("wait", host, seconds))
