"""A month of history in the database, made where it lies: 200 workflows of 20 projects, a few of them far busier than the rest.

Every row is a copy of one that the engine itself wrote, with other values where they matter, so that this needs to know
nothing of the columns that nobody filters by.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier

PROJECTS = 20
WORKFLOWS_PER_PROJECT = 10
DAYS = 30
DONE = "benchmark_history"

# History is written, not run: no foreign key is looked up and no trigger fires eleven million times.
_QUIET = "SET session_replication_role = replica"
# As projects.ids makes them: 48 bits of milliseconds first, so that what is near in time is near on disk.
_ID_AT = """
CREATE FUNCTION pg_temp.id_at(moment timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send((extract(epoch FROM moment) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 'hex')::uuid
$$
"""
_PLACES = f"""
CREATE TEMP TABLE place AS
SELECT p AS project_number, w AS workflow_number, first_value(project_id) OVER (PARTITION BY p ORDER BY w) AS project_id,
       workflow_id, version_id, 'History ' || p || '.' || w AS name
  FROM (SELECT p, w,
               CASE WHEN p = 0 THEN (SELECT project_id FROM original) ELSE gen_random_uuid() END AS project_id,
               gen_random_uuid() AS workflow_id, gen_random_uuid() AS version_id
          FROM generate_series(0, {PROJECTS - 1}) p, generate_series(0, {WORKFLOWS_PER_PROJECT - 1}) w) numbered
"""
# 93 of 100 complete, 5 fail; the rest was cancelled or ran out of time.
_STATUS = """CASE WHEN luck < 0.93 THEN 'completed' WHEN luck < 0.98 THEN 'failed'
                  WHEN luck < 0.99 THEN 'cancelled' ELSE 'timeout' END"""


def fill(session: psycopg.Connection[Any], *, execution_id: Any, executions: int) -> None:
    """Write a month of history after the pattern of one execution and its node runs, about ten for each execution."""
    session.execute(_QUIET)
    session.execute(_ID_AT)
    session.execute("CREATE TEMP TABLE original AS SELECT * FROM workflow_executions WHERE id = %s", [execution_id])
    session.execute(
        "CREATE TEMP TABLE original_run AS SELECT * FROM workflow_execution_logs WHERE execution_id = %s "
        "ORDER BY started_at, id LIMIT 1",
        [execution_id],
    )
    session.execute(_PLACES)
    indexes = _drop_indexes(session, "workflow_executions", "workflow_execution_logs")
    _fill_places(session)
    for day in range(DAYS):
        started = time.monotonic()
        _fill_day(session, day=day, executions=executions * (day + 1) // DAYS - executions * day // DAYS)
        print(f"day {day + 1} of {DAYS}: {time.monotonic() - started:.0f} s", flush=True)
    for definition in indexes:
        session.execute(definition)
    session.execute("VACUUM (ANALYZE) workflow_executions, workflow_execution_logs, workflows, projects")
    session.execute(SQL("CREATE TABLE {} AS SELECT {}::int AS executions").format(Identifier(DONE), executions))


def _fill_places(session: psycopg.Connection[Any]) -> None:
    _copy(
        session,
        "projects",
        {"id": "place.project_id", "name": "'History ' || project_number"},
        "projects source, place WHERE source.id = (SELECT project_id FROM original) AND workflow_number = 0 "
        "AND project_number > 0",
    )
    _copy(
        session,
        "workflows",
        {"id": "place.workflow_id", "project_id": "place.project_id", "name": "place.name"},
        "workflows source, place WHERE source.id = (SELECT workflow_id FROM original)",
    )
    _copy(
        session,
        "workflow_versions",
        {"id": "place.version_id", "workflow_id": "place.workflow_id"},
        "workflow_versions source, place WHERE source.id = (SELECT workflow_version_id FROM original)",
    )


def _fill_day(session: psycopg.Connection[Any], *, day: int, executions: int) -> None:
    session.execute("DROP TABLE IF EXISTS pg_temp.today")
    # Twice as busy at noon as at midnight.
    session.execute(
        SQL("""
        CREATE TEMP TABLE today AS
        SELECT moment, luck, {status} AS status, pg_temp.id_at(moment) AS id, seconds, node_runs, place.*
          FROM (SELECT date_trunc('day', now()) - make_interval(days => {days}) + make_interval(secs =>
                         86400 * ((n + random()) / {count}.0) + 6875 * (1 - cos(2 * pi() * n / {count}.0))) AS moment,
                       random() AS luck, 0.02 + 2 * random() ^ 8 AS seconds, 4 + (random() * 12)::int AS node_runs,
                       floor({projects} * random() ^ 2)::int AS p, floor({workflows} * random() ^ 2)::int AS w
                  FROM generate_series(0, {count} - 1) n) drawn
          JOIN place ON place.project_number = p AND place.workflow_number = w
        """).format(
            status=SQL(_STATUS), days=DAYS - day, count=executions, projects=PROJECTS, workflows=WORKFLOWS_PER_PROJECT
        )
    )
    session.execute("ANALYZE pg_temp.today")
    values = {
        "id": "today.id",
        "project_id": "today.project_id",
        "workflow_id": "today.workflow_id",
        "workflow_version_id": "today.version_id",
        "workflow_name": "today.name",
        "status": "today.status",
        "created_at": "moment",
        "started_at": "moment",
        "completed_at": "moment + make_interval(secs => seconds)",
        "duration_seconds": "seconds",
        "error": """CASE WHEN today.status <> 'completed' THEN jsonb_build_object('code', 'benchmark', 'message',
                      'Node `n1` failed: this is a sentence of the length that such sentences have.') END""",
        "nodes_executed": "node_runs",
        "trigger_id": "NULL",
    }
    _copy(session, "workflow_executions", values, "original source, today ORDER BY moment")
    run_values = {
        "id": "pg_temp.id_at(moment)",
        "execution_id": "today.id",
        "node_id": "'n' || run",
        "status": "CASE WHEN run = node_runs THEN today.status ELSE 'completed' END",
        "started_at": "moment + make_interval(secs => seconds * (run - 1) / node_runs)",
        "created_at": "moment",
        "completed_at": "moment + make_interval(secs => seconds * run / node_runs)",
        "duration_ms": "(seconds * 1000 / node_runs)::int",
    }
    of_each = "original_run source, today CROSS JOIN LATERAL generate_series(1, node_runs) run ORDER BY moment, run"
    _copy(session, "workflow_execution_logs", run_values, of_each)


def _copy(session: psycopg.Connection[Any], table: str, values: dict[str, str], source: str) -> None:
    """Insert copies of ``source``, with these expressions for some columns."""
    question = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
    columns = [name for (name,) in session.execute(question, [table]).fetchall()]
    chosen: list[Composed | SQL] = [
        SQL(values[name]) if name in values else SQL("source.{}").format(Identifier(name)) for name in columns
    ]
    session.execute(
        SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(
            Identifier(table), SQL(", ").join(map(Identifier, columns)), SQL(", ").join(chosen), SQL(source)
        )
    )


def _drop_indexes(session: psycopg.Connection[Any], *tables: str) -> list[str]:
    """Drop the indexes that no constraint needs, and return what makes them again: faster than keeping them meanwhile."""
    found = session.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) "
        "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
        [list(tables)],
    ).fetchall()
    for name, _ in found:
        session.execute(SQL("DROP INDEX {}").format(Identifier(name)))
    return [definition for _, definition in found]
