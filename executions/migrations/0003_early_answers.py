"""A node may answer the waiting caller before the execution ends."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0002_ends_are_final")]

    operations = [
        migrations.AddField(
            "workflowexecution", "answered_by", models.UUIDField(blank=True, editable=False, null=True)
        ),
    ]
