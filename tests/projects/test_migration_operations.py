from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.state import ProjectState

from projects.migration_operations import VendorSQL


@pytest.fixture
def operation() -> VendorSQL:
    both = (
        ["CREATE TABLE vendor_sql (a text DEFAULT '100%s')", "CREATE TABLE vendor_sql_2 (a text)"],
        ["DROP TABLE vendor_sql", "DROP TABLE vendor_sql_2"],
    )
    return VendorSQL(postgresql=both, sqlite=both, name="two tables")


def tables() -> set[str]:
    return {name for name in connection.introspection.table_names() if name.startswith("vendor_sql")}


class TestVendorSQL:
    @pytest.mark.django_db(transaction=True)
    def test_runs_each_statement_there_and_back(self, operation):
        state = ProjectState()
        with connection.schema_editor() as editor:
            operation.database_forwards("projects", editor, state, state)
            assert tables() == {"vendor_sql", "vendor_sql_2"}

            operation.database_backwards("projects", editor, state, state)
            assert tables() == set()

    def test_can_be_written_into_a_migration(self, operation):
        name, args, kwargs = operation.deconstruct()

        assert (name, args) == ("VendorSQL", [])
        assert vars(VendorSQL(**kwargs)) == vars(operation)

    def test_describes_itself(self, operation):
        assert operation.describe() == "SQL: two tables"

    def test_knows_two_databases(self, operation):
        with pytest.raises(NotImplementedError, match="not on oracle"):
            operation.statements("oracle")
