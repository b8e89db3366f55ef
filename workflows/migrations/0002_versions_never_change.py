"""What executions run stays what was published: triggers refuse every change of a version.

One change is let through: that the person who published it is no longer known (their account was removed).

A version's edges are of the five types alone. Drafts may hold anything; versions have been validated, and this holds
even where the validation has a gap. PostgreSQL has a CHECK; SQLite cannot add one to a table that is there, so a trigger
stands in for it.
"""

from django.db import migrations

from projects.migration_operations import VendorSQL

COLUMNS = ("id", "workflow_id", "number", "definition", "content_hash", "message", "created_at", "has_agent")
CONNECTION_TYPES = ("data", "tool", "processed_data", "action", "condition")

_new = ", ".join(f"NEW.{column}" for column in COLUMNS)
_old = ", ".join(f"OLD.{column}" for column in COLUMNS)
_known_in_path = " || ".join(f'@.type == "{connection_type}"' for connection_type in CONNECTION_TYPES)
_known_in_sql = ", ".join(f"'{connection_type}'" for connection_type in CONNECTION_TYPES)


class Migration(migrations.Migration):
    dependencies = [("workflows", "0001_initial")]

    operations = [
        VendorSQL(
            name="workflow_versions are immutable",
            postgresql=(
                [
                    f"""
                    CREATE FUNCTION workflow_versions_are_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        IF ({_new}) IS DISTINCT FROM ({_old})
                            OR (NEW.created_by_id IS NOT NULL AND NEW.created_by_id IS DISTINCT FROM OLD.created_by_id)
                        THEN
                            RAISE EXCEPTION 'workflow_versions are immutable' USING ERRCODE = 'restrict_violation';
                        END IF;
                        RETURN NEW;
                    END $$
                    """,
                    """
                    CREATE TRIGGER workflow_versions_immutable BEFORE UPDATE ON workflow_versions
                    FOR EACH ROW EXECUTE FUNCTION workflow_versions_are_immutable()
                    """,
                ],
                [
                    "DROP TRIGGER workflow_versions_immutable ON workflow_versions",
                    "DROP FUNCTION workflow_versions_are_immutable()",
                ],
            ),
            sqlite=(
                [
                    f"""
                    CREATE TRIGGER workflow_versions_immutable BEFORE UPDATE ON workflow_versions
                    WHEN ({_new}) IS NOT ({_old})
                        OR (NEW.created_by_id IS NOT NULL AND NEW.created_by_id IS NOT OLD.created_by_id)
                    BEGIN SELECT RAISE(ABORT, 'workflow_versions are immutable'); END
                    """,
                ],
                ["DROP TRIGGER workflow_versions_immutable"],
            ),
        ),
        VendorSQL(
            name="edges of workflow_versions have a connection type",
            postgresql=(
                [
                    f"""
                    ALTER TABLE workflow_versions ADD CONSTRAINT workflow_versions_connection_type_check
                    CHECK (NOT jsonb_path_exists(
                        definition,
                        'strict $.edges[*] ? (@.type.type() != "string" || !({_known_in_path}))',
                        vars => '{{}}', silent => true
                    ))
                    """,
                ],
                ["ALTER TABLE workflow_versions DROP CONSTRAINT workflow_versions_connection_type_check"],
            ),
            sqlite=(
                [
                    f"""
                    CREATE TRIGGER workflow_versions_connection_type_check BEFORE INSERT ON workflow_versions
                    WHEN EXISTS (
                        SELECT 1 FROM json_each(NEW.definition, '$.edges') AS edge
                        WHERE json_type(edge.value, '$.type') <> 'text'
                            OR json_extract(edge.value, '$.type') NOT IN ({_known_in_sql})
                    )
                    BEGIN SELECT RAISE(ABORT, 'CHECK constraint failed: workflow_versions_connection_type_check'); END
                    """,
                ],
                ["DROP TRIGGER workflow_versions_connection_type_check"],
            ),
        ),
    ]
