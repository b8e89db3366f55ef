"""Paths with parameters, keys with a window, filtered deliveries; and counting without a row that everybody writes."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.models import F, Q


def take_paths_as_patterns(apps: Any, schema_editor: Any) -> None:
    apps.get_model("triggers", "WebhookRegistration").objects.update(pattern=F("path"))



class Migration(migrations.Migration):
    dependencies = [("triggers", "0001_initial"), ("executions", "0003_early_answers")]

    operations = [
        migrations.AddField("webhookregistration", "pattern", models.CharField(max_length=200, default="")),
        migrations.RunPython(take_paths_as_patterns, migrations.RunPython.noop),
        migrations.AlterField("webhookregistration", "pattern", models.CharField(max_length=200, unique=True)),
        migrations.AlterField("webhookregistration", "path", models.CharField(max_length=200)),
        migrations.RenameField("webhookregistration", "trigger_count", "forgotten_count"),
        migrations.RenameField("webhookregistration", "last_triggered", "forgotten_latest"),
        migrations.AddField(
            "webhookdelivery", "path", models.CharField(blank=True, default="", max_length=1100)
        ),
        migrations.AddField("webhookdelivery", "is_released", models.BooleanField(default=False, editable=False)),
        migrations.AlterField(
            "webhookdelivery",
            "verdict",
            models.CharField(choices=[(each, each.capitalize()) for each in ["accepted", "duplicate", "filtered", "rejected"]], max_length=16),
        ),
        migrations.RemoveConstraint("webhookdelivery", "webhook_deliveries_verdict_check"),
        migrations.AddConstraint(
            "webhookdelivery",
            models.CheckConstraint(
                condition=Q(verdict__in=["accepted", "duplicate", "filtered", "rejected"]),
                name="webhook_deliveries_verdict_check",
            ),
        ),
        migrations.RemoveConstraint("webhookdelivery", "webhook_deliveries_once"),
        migrations.AddConstraint(
            "webhookdelivery",
            models.UniqueConstraint(
                fields=["registration", "dedupe_key"],
                condition=Q(dedupe_key__isnull=False, is_released=False, verdict="accepted"),
                name="webhook_deliveries_once",
            ),
        ),
    ]
