"""Reading how the database will look for something."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import QuerySet


def plan_of(rows: QuerySet[Any]) -> str:
    """Return the plan of a query as if the table were large."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            # A sort, be it of parts, would hide that an index gives the order, and so would a bitmap.
            for way in ("sort", "incremental_sort", "bitmapscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    return rows.explain()
