"""What must hold in a live database, and that its breach is found. [R-15]"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from executions.invariants import check_all
from tests.builders import definition
from tests.clock import NOON
from tests.factories import ExecutionFactory, NodeRunFactory, VersionFactory

pytestmark = pytest.mark.django_db


WAITS = {"concurrency_key": "acme", "blocked_on": "concurrency", "wake_at": None}


def limited_to(most, **limit):
    return VersionFactory(definition=definition("start > end", settings={"concurrency": {"max": most, **limit}}))


def broken():
    return {rule.name for rule, ids in check_all(NOON) if ids}


class TestCheckAll:
    def test_finds_nothing_wrong_with_executions_in_every_state(self):
        for trait in ({}, {"leased": True}, {"waiting": True}, {"ended": True}, {"failed": True}):
            NodeRunFactory(execution=ExecutionFactory(**trait))

        assert broken() == set()

    def test_finds_a_child_that_outlives_the_parent_that_waited_for_it(self):
        ExecutionFactory(parent=ExecutionFactory(failed=True), is_waited_for=True)
        ExecutionFactory(parent=ExecutionFactory(failed=True), is_waited_for=False)

        assert broken() == {"child_ends_with_parent"}

    def test_finds_a_parent_that_was_not_told(self):
        run = NodeRunFactory(execution=ExecutionFactory(waiting=True), running=True, waits_for="callback")
        ExecutionFactory(ended=True, parent=run.execution, parent_node_run_id=run.pk, is_waited_for=True)

        assert broken() == {"end_is_told"}

    def test_finds_a_live_execution_that_nobody_will_ever_wake(self):
        ExecutionFactory(wake_at=None)

        assert "held_or_due" in broken()

    def test_lets_one_wait_without_a_time_for_a_reason(self):
        ExecutionFactory(wake_at=None, blocked_on="paused")

        assert broken() == set()

    def test_finds_a_lease_that_nobody_took_over(self):
        ExecutionFactory(leased=True, lease_expires_at=NOON - timedelta(minutes=5))

        assert broken() == {"lease_renewed"}

    def test_finds_an_attempt_after_a_completion(self):
        first = NodeRunFactory()
        NodeRunFactory(execution=first.execution, attempt=2, status="failed", ports=[])

        assert broken() == {"nothing_after_completion"}

    def test_finds_a_live_node_run_of_an_ended_execution(self):
        NodeRunFactory(execution=ExecutionFactory(ended=True), running=True)

        assert broken() == {"ended_is_ended"}

    def test_finds_a_group_with_more_under_way_than_any_of_its_limits_allows(self):
        limited = limited_to(1)
        ExecutionFactory.create_batch(2, workflow_version=limited, concurrency_key="acme")
        ExecutionFactory(workflow_version=limited, concurrency_key="bolt")

        assert broken() == {"within_limit"}

    def test_lets_those_go_on_that_a_larger_limit_has_let_in(self):
        narrow = limited_to(1)
        wide = VersionFactory(workflow=narrow.workflow, number=2, definition=limited_to(2).definition)
        for version in (narrow, wide):
            ExecutionFactory(workflow_version=version, concurrency_key="acme")

        assert broken() == set()

    def test_finds_one_that_waits_although_there_is_room(self):
        ExecutionFactory(workflow_version=limited_to(1), created_at=NOON - timedelta(minutes=5), **WAITS)

        assert broken() == {"room_is_given"}

    def test_finds_one_that_waits_for_the_end_of_what_it_replaces(self):
        limited = limited_to(1, on_limit="cancel_oldest")
        ExecutionFactory(workflow_version=limited, concurrency_key="acme")
        ExecutionFactory(workflow_version=limited, created_at=NOON - timedelta(minutes=5), **WAITS)

        assert broken() == {"room_is_given"}

    def test_lets_those_wait_for_whom_there_is_none_and_those_behind_them(self):
        limited = limited_to(1)
        ExecutionFactory(workflow_version=limited, concurrency_key="acme")
        wide = VersionFactory(workflow=limited.workflow, number=2, definition=limited_to(9).definition)
        for minutes, version in ((9, limited), (8, wide)):
            ExecutionFactory(workflow_version=version, created_at=NOON - timedelta(minutes=minutes), **WAITS)

        assert broken() == set()

    def test_finds_one_that_outlives_its_deadline(self):
        ExecutionFactory(deadline_at=NOON - timedelta(minutes=5))

        assert broken() == {"overdue_is_ended"}

    def test_finds_an_end_without_a_reason(self):
        ExecutionFactory(failed=True, error=None)

        assert broken() == {"end_has_a_reason"}


class TestCommand:
    def test_prints_each_rule_and_names_what_breaks_it(self, capsys):
        execution = ExecutionFactory(wake_at=None)

        with pytest.raises(CommandError, match="1 rules are broken"):
            call_command("check_invariants")

        printed = capsys.readouterr().out
        assert str(execution.pk) in printed
        assert "completed_once" in printed

    def test_succeeds_where_all_holds(self, capsys):
        call_command("check_invariants")

        assert "BROKEN" not in capsys.readouterr().out
