"""What became of the nodes of an execution, as its picture shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# The loudest first: what a node that ran in many passes is called.
LOUDEST = ("failed", "timeout", "running", "retrying", "waiting", "cancelled", "completed")
# How many of each are told: the most important first.
TOLD = ("failed", "timeout", "completed", "running", "retrying", "waiting", "cancelled")


@dataclass(frozen=True)
class Passes:
    """How far the passes of a scope have come.

    :param total: how many there will be; None while nobody can know, as in a ``while`` loop.
    """

    succeeded: int
    failed: int
    open: int
    total: int | None

    def __str__(self) -> str:
        done = self.succeeded + self.failed
        known = f"{done:,} of {self.total:,} passes" if self.total is not None else f"{done:,} {_passes(done)}"
        return known + (f" · {self.failed:,} failed" if self.failed else "")


def _passes(count: int) -> str:
    return "pass" if count == 1 else "passes"


@dataclass(frozen=True)
class State:
    """What became of a node.

    :param word: completed, running, waiting, retrying, failed, timeout, cancelled, skipped or pending.
    :param counts: of a node inside a scope: how many of its runs ended, or are, in which of these states.
    :param passes: of a scope that has begun and is not inside another one.
    """

    word: str
    counts: Mapping[str, int] = field(default_factory=dict)
    passes: Passes | None = None

    @classmethod
    def of_counts(cls, counts: Mapping[str, int], *, otherwise: str) -> State:
        """Return the state of a node inside a scope, with the loudest of its words as the word.

        :param otherwise: the word of a node that has not run in any pass.
        """
        word = next((word for word in LOUDEST if counts.get(word)), otherwise)
        return cls(word, {word: counts[word] for word in TOLD if counts.get(word)})

    def __str__(self) -> str:
        """Return the state in words."""
        return ", ".join(filter(None, (self.counted or self.word, str(self.passes or ""))))

    @property
    def counted(self) -> str:
        """The counts in words."""
        return ", ".join(f"{count:,} {word}" for word, count in self.counts.items())
