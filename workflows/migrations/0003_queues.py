"""Versions say whether they have an agent. What SQLite forgets when it rebuilds the table is made again."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations, models

from projects.migration_operations import VendorSQL

_before = import_module("workflows.migrations.0002_versions_never_change")
_immutable, _connection_types = _before.Migration.operations


def _with_has_agent(statements: tuple[list[str], list[str]]) -> tuple[list[str], list[str]]:
    new, old = (f"{prefix}.created_at" for prefix in ("NEW", "OLD"))
    made = [
        text.replace(new, f"{new}, NEW.has_agent").replace(old, f"{old}, OLD.has_agent") for text in statements[0]
    ]
    return made, statements[1]


def _taken_back(statements: tuple[list[str], list[str]]) -> tuple[list[str], list[str]]:
    return statements[1], statements[0]


class Migration(migrations.Migration):
    dependencies = [("workflows", "0002_versions_never_change")]

    operations = [
        VendorSQL(
            name="workflow_versions may be rebuilt",
            postgresql=_taken_back(_immutable.postgresql),
            sqlite=_taken_back(_immutable.sqlite),
        ),
        VendorSQL(name="likewise", postgresql=((), ()), sqlite=_taken_back(_connection_types.sqlite)),
        migrations.AddField(
            model_name="workflowversion",
            name="has_agent",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        VendorSQL(
            name="workflow_versions are immutable",
            postgresql=_with_has_agent(_immutable.postgresql),
            sqlite=_with_has_agent(_immutable.sqlite),
        ),
        VendorSQL(
            name="edges of workflow_versions have a connection type",
            postgresql=((), ()),
            sqlite=_connection_types.sqlite,
        ),
    ]
