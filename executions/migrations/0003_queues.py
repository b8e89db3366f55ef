"""Queues of executions, and the worker processes that serve them. What SQLite forgets when it rebuilds a table is made again."""

from __future__ import annotations

from importlib import import_module

import django.utils.timezone
import projects.ids
from django.conf import settings
from django.db import migrations, models

from projects.migration_operations import VendorSQL

_ends_are_final = import_module("executions.migrations.0002_ends_are_final").SQLITE

class Migration(migrations.Migration):

    dependencies = [
        ('executions', '0002_ends_are_final'),
        ('projects', '0002_append_only_audit'),
        ('workflows', '0003_queues'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        VendorSQL(name="workflow_executions may be rebuilt", postgresql=((), ()), sqlite=_ends_are_final[::-1]),
        migrations.CreateModel(
            name='WorkerProcess',
            fields=[
                ('id', models.UUIDField(default=projects.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ('host', models.CharField(max_length=60)),
                ('pid', models.PositiveIntegerField()),
                ('queues', models.JSONField(default=list)),
                ('seen_at', models.DateTimeField()),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'verbose_name_plural': 'worker processes',
                'db_table': 'worker_processes',
            },
        ),
        migrations.AddField(
            model_name='workflowexecution',
            name='queue',
            field=models.CharField(choices=[('default', 'Default'), ('agents', 'Agents')], db_default='default', default='default', editable=False, max_length=16),
        ),
        migrations.AddIndex(
            model_name='workflowexecution',
            index=models.Index(condition=models.Q(('wake_at__isnull', False)), fields=['queue', 'project', 'wake_at', 'id'], name='executions_due_in_queue'),
        ),
        migrations.AddConstraint(
            model_name='workflowexecution',
            constraint=models.CheckConstraint(condition=models.Q(('queue__in', ['default', 'agents'])), name='workflow_executions_queue_check'),
        ),
        migrations.AddIndex(
            model_name='workerprocess',
            index=models.Index(fields=['seen_at'], name='worker_processes_seen'),
        ),
        migrations.AddIndex(
            model_name='workerprocess',
            index=models.Index(fields=['-created_at', '-id'], name='worker_processes_newest'),
        ),
        VendorSQL(name="ends are final", postgresql=((), ()), sqlite=_ends_are_final),
    ]
