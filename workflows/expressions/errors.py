"""What can go wrong with an expression, in one shape."""

from __future__ import annotations

# Stable, part of the API.
CODES = frozenset(
    {"syntax", "unknown_name", "missing_value", "type_error", "threw", "time_limit", "memory_limit", "too_large"}
    | {"result_type", "secret_not_allowed", "crashed"}
)


class ExpressionError(Exception):
    """An expression could not be read or evaluated.

    :param code: one of ``CODES``.
    :param message: what is wrong and what to do. It holds names but no values, unless the expression itself threw them.
    :param expression: the expression's source, without its ``{{ }}``; for an unclosed template, the whole text.
    :param line: where in it, counted from 1, if known.
    :param column: likewise, in characters.
    :param index: which item failed, counted from 0, when one expression was evaluated for many.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        expression: str = "",
        line: int | None = None,
        column: int | None = None,
        index: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expression = expression
        self.line = line
        self.column = column
        self.index = index

    def __repr__(self) -> str:
        return f"ExpressionError({self.code!r}, {self.message!r}, expression={self.expression!r})"


def shown(source: str) -> str:
    """Return an expression's source as a message quotes it: on one line, and not too long."""
    line = " ".join(source.split())
    return f"`{line[:79]}…`" if len(line) > 80 else f"`{line}`"
