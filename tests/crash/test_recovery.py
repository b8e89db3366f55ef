"""How soon it goes on, by the settings that Segue comes with; and from a backup."""

from __future__ import annotations

import time

import pytest
from django.conf import settings

from tests.crash.stage import Stage


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


class TestByDefault:
    def test_another_worker_has_a_killed_one_s_executions_within_fifteen_seconds(self, stage):
        """[R-7] It costs a lease and a sweep."""
        stage.segue.kill("worker")
        with stage.settings(
            ENGINE_LEASE_SECONDS=str(settings.ENGINE_LEASE_SECONDS),
            ENGINE_SWEEP_SECONDS=str(settings.ENGINE_SWEEP_SECONDS),
        ):
            stage.start("worker", "beat")
            stage.service.hold()
            order = stage.order().send_until_accepted()
            stage.called(order)
            stage.start("worker-2")
            time.sleep(5)  # It has started; the first one has renewed.

            stage.segue.kill("worker")
            killed_at = time.monotonic()
            stage.called(order, times=2)
            took = time.monotonic() - killed_at
            stage.completes(order, calls={"charge": 2, "ship": 1})

        assert took < 15


class TestBackup:
    def test_goes_on_from_what_was_under_way(self, stage, tmp_path):
        """[R-18] As docs/how-to/operations.md says: dump while everything runs, restore into an empty database, look, start."""
        dump = tmp_path / "segue.dump"
        asleep = stage.order("timer").send_until_accepted()
        stage.wait_for(lambda: stage.blocked_on(asleep) == "timer", what="the timer to run")
        stage.service.hold()
        in_flight = stage.order().send_until_accepted()
        stage.called(in_flight)

        stage.postgres.run("pg_dump", "--format=custom", f"--file={dump}", "segue")
        stage.segue.kill("worker")
        stage.segue.kill("web")
        stage.postgres.run("createdb", "restored")
        stage.postgres.run("pg_restore", "--no-owner", "--dbname=restored", str(dump))

        with stage.database("restored"):
            stage.segue.manage("migrate", "--verbosity=0")
            stage.segue.manage("check_schema", "--quiet")
            stage.start("web", "worker")
            stage.service.release()
            for order in (asleep, in_flight):
                stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2, "ship": 2})
            stage.segue.manage("check_invariants")
            stage.heal("web")
            stage.segue.kill("web")
