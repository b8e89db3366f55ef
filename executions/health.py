"""How the engine is, in the few figures that the admin's first page and its page of operations show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from executions import operations
from executions.engine.clock import database_now
from projects.backoffice import values
from projects.backoffice.counting import TooSlow, patience

# Executions that wait longer than this for a worker wait too long.
LATE = timedelta(seconds=30)


def health_context() -> dict[str, Any]:
    """Return how the engine is, for a template; ``engine`` is None when the database is too busy to say."""
    now = database_now()
    try:
        with patience():
            engine = operations.operations(now)
    except TooSlow:
        return {"engine": None, "now": now}
    return {
        "engine": engine,
        "now": now,
        "due_since": values.ago(engine.due_since, now=now),
        "is_late": engine.due_since is not None and now - engine.due_since > LATE,
    }
