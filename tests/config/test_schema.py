"""What the database holds is what the models and migrations say."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from config.schema import OUR_APPS, parts

TABLES = {
    "workflows",
    "workflow_executions",
    "triggers",
    "webhook_registrations",
    "scheduled_jobs",
    "workflow_templates",
    "workflow_execution_logs",
    "workflow_variables",
    "projects",
    "project_members",
    "workflow_versions",
    "webhook_deliveries",
    "api_tokens",
    "audit_log",
}


# An app after all those that build on it.
FROM_THE_TOP = ("templates_app", "triggers", "executions", "workflows", "projects")


@pytest.mark.django_db
class TestParts:
    def test_name_every_table_of_the_design(self):
        assert {part.name for part in parts() if part.kind == "table"} >= TABLES

    def test_are_all_there_after_migrating(self):
        assert [part for part in parts() if not part.is_there] == []

    @pytest.mark.parametrize(
        "check",
        [
            "workflows_status_check",
            "workflow_executions_status_check",
            "workflow_executions_blocked_on_check",
            "triggers_type_check",
            "workflow_execution_logs_node_type_check",
        ],
    )
    def test_hold_a_check_for_every_enum(self, check):
        assert check in {part.name for part in parts() if part.kind == "check"}

    def test_hold_the_triggers_that_keep_ends_versions_and_the_audit_log(self):
        triggers = [part.name for part in parts() if part.kind == "trigger"]

        assert "workflow_executions_keep_end" in triggers
        assert len(triggers) >= 3


@pytest.mark.django_db
class TestCheckSchema:
    def test_fails_and_names_what_is_missing(self, capsys):
        with connection.cursor() as cursor:
            cursor.execute("DROP INDEX executions_due")

        with pytest.raises(CommandError, match="1 parts are missing"):
            call_command("check_schema", "--quiet")

        assert "workflow_executions.executions_due" in capsys.readouterr().out

    def test_says_how_much_is_there(self, capsys):
        call_command("check_schema")

        assert capsys.readouterr().out.strip().endswith(": all there.")


@pytest.mark.django_db(transaction=True)
class TestMigrations:
    def test_are_those_of_all_apps(self):
        assert {*FROM_THE_TOP} == {*OUR_APPS}

    def test_every_one_can_be_taken_back_and_made_again(self):
        try:
            for app in FROM_THE_TOP:
                call_command("migrate", app, "zero", verbosity=0)
                loader = MigrationLoader(connection)
                assert not [name for of, name in loader.applied_migrations if of == app]
                tables = {model._meta.db_table for model in apps.get_app_config(app).get_models()}
                assert not tables & {*connection.introspection.table_names()}
        finally:
            call_command("migrate", verbosity=0)
        assert [part for part in parts() if not part.is_there] == []
