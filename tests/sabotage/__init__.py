"""Segue with a part of its safety taken out, to see that the tests notice.

A process that is started with ``DJANGO_SETTINGS_MODULE=tests.sabotage.settings`` and ``SEGUE_SABOTAGE=fence`` has no fence. It lives
among the tests so that no installation can be switched to it: the image does not even have this folder.
"""

from __future__ import annotations

# The second guard behind the fence: a node run that is there already is not inserted again. Alone it stops what the fence would
# have stopped, so that a test without the fence has to do without it, too.
DROP_KEYS = """
ALTER TABLE workflow_execution_logs DROP CONSTRAINT workflow_execution_logs_attempt_once;
DROP INDEX workflow_execution_logs_completed_once;
"""
MAKE_KEYS = """
ALTER TABLE workflow_execution_logs
  ADD CONSTRAINT workflow_execution_logs_attempt_once UNIQUE (execution_id, iteration, node_id, attempt);
CREATE UNIQUE INDEX workflow_execution_logs_completed_once
  ON workflow_execution_logs (execution_id, iteration, node_id) WHERE status = 'completed';
"""


def without(part: str) -> dict[str, str]:
    """Return the environment of a process that lacks a part: ``sweep``, ``fence``, ``looking``, ``self_end``, ``clock`` (a right one), or the
    ``silence`` of a node."""
    return {"DJANGO_SETTINGS_MODULE": "tests.sabotage.settings", "SEGUE_SABOTAGE": part}


def with_clock(hours: int) -> dict[str, str]:
    """Return the environment of a process whose clock is so many hours ahead."""
    return without("clock") | {"SEGUE_SABOTAGE_HOURS": str(hours)}
