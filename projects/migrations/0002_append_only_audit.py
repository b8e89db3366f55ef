"""The audit log only grows: triggers refuse UPDATE and DELETE, whoever asks (S-AUD-1)."""

from django.db import migrations

from projects.migration_operations import VendorSQL


class Migration(migrations.Migration):
    dependencies = [("projects", "0001_initial")]

    operations = [
        VendorSQL(
            name="audit_log is append-only",
            postgresql=(
                [
                    """
                    CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                        RAISE EXCEPTION 'audit_log is append-only' USING ERRCODE = 'restrict_violation';
                    END $$
                    """,
                    """
                    CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
                    FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only()
                    """,
                ],
                [
                    "DROP TRIGGER audit_log_append_only ON audit_log",
                    "DROP FUNCTION audit_log_is_append_only()",
                ],
            ),
            sqlite=(
                [
                    """
                    CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
                    BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END
                    """,
                    """
                    CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
                    BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END
                    """,
                ],
                [
                    "DROP TRIGGER audit_log_no_update",
                    "DROP TRIGGER audit_log_no_delete",
                ],
            ),
        )
    ]
