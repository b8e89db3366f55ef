"""Everything that ever happened to executions and node runs, kept by triggers of a test's database: what a row says at the end
does not tell that it was written twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

INSTALL = """
CREATE TABLE history (
  id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), what text NOT NULL,
  execution_id uuid NOT NULL, node_id text, iteration text, attempt int, before text, after text,
  owner text, fence bigint, interruptions int);
CREATE INDEX ON history (execution_id);

CREATE FUNCTION note_execution() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO history (what, execution_id, before, after, owner, fence)
  VALUES ('execution', NEW.id, CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status, NEW.lease_owner, NEW.fence);
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OF status, lease_owner, fence ON workflow_executions
  FOR EACH ROW EXECUTE FUNCTION note_execution();

CREATE FUNCTION note_node_run() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO history (what, execution_id, node_id, iteration, attempt, before, after, interruptions)
  VALUES ('node_run', NEW.execution_id, NEW.node_id, NEW.iteration, NEW.attempt,
          CASE TG_OP WHEN 'UPDATE' THEN OLD.status END, NEW.status, NEW.interruptions);
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON workflow_execution_logs
  FOR EACH ROW EXECUTE FUNCTION note_node_run();
"""
# A write to a node run that had been recorded as completed, and a second completion of a node in its iteration.
_RECORDED_TWICE = """
SELECT execution_id, node_id, iteration FROM history WHERE what = 'node_run' AND before = 'completed'
UNION
SELECT execution_id, node_id, iteration FROM history
 WHERE what = 'node_run' AND after = 'completed' AND before IS DISTINCT FROM 'completed'
 GROUP BY 1, 2, 3 HAVING count(*) > 1
"""
# Something of a node that began, or was begun again, after it had completed.
_BEGUN_AFTER = """
SELECT DISTINCT later.execution_id, later.node_id, later.iteration FROM history later
  JOIN history done USING (execution_id, node_id, iteration)
 WHERE later.what = 'node_run' AND done.what = 'node_run'
   AND done.after = 'completed' AND later.after = 'running' AND later.id > done.id
"""
# For a process that was killed: what it held, and when that was claimed by another one, or ended.
_TAKEN_OVER = """
WITH held AS (
  SELECT DISTINCT ON (execution_id) execution_id, id, owner FROM history
   WHERE what = 'execution' AND at <= %(at)s ORDER BY execution_id, id DESC)
SELECT held.execution_id, min(next.at) FROM held JOIN history next USING (execution_id)
 WHERE held.owner LIKE %(owner)s AND next.what = 'execution' AND next.id > held.id AND next.owner IS DISTINCT FROM held.owner
   AND (next.owner IS NOT NULL OR next.after NOT IN ('pending', 'running'))
 GROUP BY 1
"""


@dataclass(frozen=True)
class NodeRunOf:
    """Which node run of which execution."""

    execution_id: str
    node_id: str
    iteration: str


class History:
    """What the triggers have kept."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url.replace("postgres://", "postgresql://")

    def install(self) -> None:
        """Begin to keep."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(INSTALL)

    def recorded_twice(self) -> list[NodeRunOf]:
        """Return the node runs whose completion was written more than once."""
        return self._node_runs(_RECORDED_TWICE)

    def begun_after_completion(self) -> list[NodeRunOf]:
        """Return the node runs of which something began after they had completed."""
        return self._node_runs(_BEGUN_AFTER)

    def taken_over(self, pid: int, *, at: datetime) -> dict[str, float]:
        """Return, for everything that a process held at a moment, after how many seconds another one had it."""
        with psycopg.connect(self._url) as connection:
            rows = connection.execute(_TAKEN_OVER, {"at": at, "owner": f"%:{pid}:%"}).fetchall()
        return {str(execution_id): (then - at).total_seconds() for execution_id, then in rows}

    def _node_runs(self, question: str) -> list[NodeRunOf]:
        with psycopg.connect(self._url) as connection:
            return [NodeRunOf(str(row[0]), row[1], row[2]) for row in connection.execute(question)]
