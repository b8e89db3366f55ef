"""The ticks that beat asks for."""

from __future__ import annotations

import pytest
from celery import current_app
from django.core.management import call_command
from django_celery_beat.models import PeriodicTask

from config.ticks import TICKS, make_ticks

pytestmark = pytest.mark.django_db


class TestMakeTicks:
    def test_are_there_after_migrating(self):
        assert set(PeriodicTask.objects.values_list("name", flat=True)) >= {tick.name for tick in TICKS}

    def test_name_tasks_that_exist_and_expire(self):
        current_app.loader.import_default_modules()

        for tick in PeriodicTask.objects.filter(name__startswith="Segue:"):
            assert tick.task in current_app.tasks
            assert tick.expire_seconds

    def test_leave_alone_what_an_operator_has_tuned(self):
        PeriodicTask.objects.filter(name="Segue: clean up").update(enabled=False)

        make_ticks(using="default")

        assert not PeriodicTask.objects.get(name="Segue: clean up").enabled
        assert PeriodicTask.objects.filter(name="Segue: clean up").count() == 1

    def test_come_back_when_they_were_removed(self):
        PeriodicTask.objects.all().delete()

        call_command("migrate", verbosity=0)

        assert PeriodicTask.objects.filter(name="Segue: sweep").exists()
