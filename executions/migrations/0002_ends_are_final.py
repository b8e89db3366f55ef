"""No execution leaves a terminal status: not by a bug, and not by an operator's script. [R-4]"""

from __future__ import annotations

from django.db import migrations

from projects.migration_operations import VendorSQL

ENDED = "('completed', 'failed', 'cancelled', 'timeout')"
MESSAGE = "An execution that has ended keeps its status."

POSTGRESQL = (
    (
        f"""
        CREATE FUNCTION workflow_executions_keep_end() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '{MESSAGE}' USING ERRCODE = 'restrict_violation';
        END $$
        """,
        f"""
        CREATE TRIGGER workflow_executions_keep_end BEFORE UPDATE OF status ON workflow_executions
        FOR EACH ROW WHEN (OLD.status IN {ENDED} AND NEW.status <> OLD.status)
        EXECUTE FUNCTION workflow_executions_keep_end()
        """,
    ),
    (
        "DROP TRIGGER workflow_executions_keep_end ON workflow_executions",
        "DROP FUNCTION workflow_executions_keep_end()",
    ),
)

SQLITE = (
    (
        f"""
        CREATE TRIGGER workflow_executions_keep_end BEFORE UPDATE OF status ON workflow_executions
        FOR EACH ROW WHEN OLD.status IN {ENDED} AND NEW.status <> OLD.status
        BEGIN
          SELECT RAISE(ABORT, '{MESSAGE}');
        END
        """,
    ),
    ("DROP TRIGGER workflow_executions_keep_end",),
)


class Migration(migrations.Migration):
    dependencies = [("executions", "0001_initial")]

    operations = [VendorSQL(name="ends are final", postgresql=POSTGRESQL, sqlite=SQLITE)]
