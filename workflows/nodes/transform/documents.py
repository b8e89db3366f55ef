"""Texts and pages that a program reads in a process of its own: all those of a step in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflows.isolated.process import Exhausted, Limits, ask

MAX_BYTES_EACH = 5 * 1024 * 1024
MAX_BYTES = 50 * 1024 * 1024
# What comes out altogether: an element's text is also that of each one around it.
MAX_CHARS = 20 * 1024 * 1024
LIMITS = Limits()


class TooLarge(Exception):
    """There is more in a document, or would come out of it, than may be.

    :param reason: a sentence.
    :param index: which document, from 0; ``None`` for all of them together.
    """

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.index = index


def answers(
    program: str, question: dict[str, Any], documents: Sequence[bytes], *, libraries: Sequence[str]
) -> list[Any]:
    """Return what a program makes of each document.

    :param program: the name of one in :mod:`workflows.isolated.programs`.
    :param question: what it is to make of them; it also gets ``most_chars``.
    :param libraries: the packages that it imports.
    :raises TooLarge: for the first document in which there is too much, or for all together.
    """
    for index, document in enumerate(documents):
        if len(document) > MAX_BYTES_EACH:
            raise TooLarge(f"It has more than {MAX_BYTES_EACH:,} bytes.", index)
    if sum(map(len, documents)) > MAX_BYTES:
        raise TooLarge(f"Together they have more than {MAX_BYTES:,} bytes. Take fewer at a time.")
    asked = {**question, "most_chars": MAX_CHARS}
    try:
        answer: dict[str, Any] = ask(program, asked, documents, libraries=("workflows", *libraries), limits=LIMITS)
    except Exhausted as error:
        raise TooLarge("To read them takes too much memory or time. Take fewer, or simpler ones.") from error
    if "problem" in answer:
        raise TooLarge(answer["problem"], answer["index"])
    results: list[Any] = answer["results"]
    return results
