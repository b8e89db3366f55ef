"""A gate for what goes out, without an engine."""

from __future__ import annotations

from contextlib import contextmanager

from workflows.http import MAX_TIMEOUT_SECONDS, Postponed


class Book:
    """A gate that writes down what passes.

    :param closed: hosts to which nothing passes.
    :param most: how many requests pass in all.
    :param opens_after: how often something is put off, for ``seconds``, before everything passes.
    """

    def __init__(
        self, closed: tuple[str, ...] = (), *, most: int = 1_000, opens_after: int | None = None, seconds: float = 5
    ) -> None:
        self.closed = closed
        self.most = most
        self.opens_after = opens_after
        self.seconds = seconds
        self.events: list[tuple[object, ...]] = []

    @contextmanager
    def passing(self, host: str, *, seconds: float):
        if (host in self.closed or self.most == 0) and self.opens_after != 0:
            self.opens_after = self.opens_after and self.opens_after - 1
            raise Postponed(self.seconds, "for a test")
        assert 0 < seconds <= MAX_TIMEOUT_SECONDS
        self.most = max(self.most - 1, 0)
        self.events.append(("out", host))
        try:
            yield
        finally:
            self.events.append(("back", host))

    def asked_to_wait(self, host: str, *, seconds: float) -> None:
        self.events.append(("wait", host, seconds))
