"""What validation answers with: everything that is wrong, each with its place and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    :param code: stable, snake_case; part of the API.
    :param path: JSON Pointer (RFC 6901) from the top of what was checked.
    :param message: what is wrong, a sentence.
    :param hint: what to do about it, a sentence; empty where the message says it already.
    """

    code: str
    path: str
    message: str
    hint: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the problem as the API shows it."""
        return asdict(self)


def pointer(*parts: str | int, below: str = "") -> str:
    """Return the JSON Pointer to what these keys and indexes lead to."""
    return below + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a sentence that names the known word most like this one, or nothing if none is."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean `{close[0]}`?" if close else ""


def listed(words: Iterable[str]) -> str:
    """Return words as text: `a`, `b` or `c`."""
    quoted = [f"`{word}`" for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else "".join(quoted)
