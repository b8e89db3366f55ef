"""A percentile that the database computes, exactly, with linear interpolation between the two nearest values."""

from __future__ import annotations

import math
from typing import Any

from django.db.models import Aggregate, FloatField


class Percentile(Aggregate):
    """The value below which a fraction of all values lies: ``Percentile("duration_seconds", 0.95)``. Null without values.

    PostgreSQL has it (``PERCENTILE_CONT``); SQLite is taught it, on the connection that asks.
    """

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(fraction)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()

    def __init__(self, expression: str, fraction: float) -> None:
        super().__init__(expression, fraction=f"{fraction:f}")

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Compile to a call of the aggregate that this connection learns here."""
        connection.ensure_connection()
        connection.connection.create_aggregate("segue_percentile", 2, _InterpolatedPercentile)
        template = "%(function)s(%(expressions)s, %(fraction)s)"
        return super().as_sql(compiler, connection, function="segue_percentile", template=template, **context)


class _InterpolatedPercentile:
    """SQLite's aggregate: it is stepped once for each row, and finalized."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._fraction = 0.0

    def step(self, value: float | None, fraction: float) -> None:
        self._fraction = fraction
        if value is not None:
            self._values.append(value)

    def finalize(self) -> float | None:
        return percentile(self._values, self._fraction)


def percentile(values: list[float], fraction: float) -> float | None:
    """Return what ``PERCENTILE_CONT`` returns."""
    if not values:
        return None
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below, above = ordered[math.floor(position)], ordered[math.ceil(position)]
    return below + (above - below) * (position - math.floor(position))
