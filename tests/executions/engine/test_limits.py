"""How many executions of a workflow are under way at once, and what becomes of one more."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from executions import services
from executions.engine import children, leases, limits, recovery
from executions.engine.clock import database_now
from executions.engine.ending import end_execution
from executions.engine.worker import Worker
from executions.exceptions import IllegalTransition
from executions.invariants import check_all
from executions.models import LIVE, BlockedOn, ExecutionStatus, WorkflowExecution
from projects.ids import new_id
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import ExecutionFactory, NodeRunFactory, VersionFactory, WorkflowFactory
from tests.threads import at_once, beside
from workflows.definition.schema import Concurrency
from workflows.expressions import RenderError
from workflows.models import TriggerType, WorkflowStatus
from workflows.nodes.base import StartWorkflow

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
BY_CUSTOMER = "{{ trigger.customer }}"


def version(max=1, *, of=None, **limit):
    """Return a published version with a limit: the first one of a workflow, or the next one of the same."""
    settings = {"concurrency": {"max": max, **limit}}
    raw = definition("start > end", end=node("output", {"value": 1}), settings=settings)
    if of is None:
        return VersionFactory(definition=raw)
    of.workflow.version += 1
    of.workflow.save()
    return VersionFactory(workflow=of.workflow, number=of.workflow.version, definition=raw)


def unlimited():
    return VersionFactory(definition=definition("start > end"))


@transaction.atomic
def start(version, *, now=NOON, **trigger):
    return services.start_execution(version, kind=TriggerType.MANUAL, node_id="start", payload=trigger, now=now)


@transaction.atomic
def end(execution, status=ExecutionStatus.COMPLETED, **more):
    error = None if status is ExecutionStatus.COMPLETED else {"code": "x", "message": "x"}
    if status is ExecutionStatus.COMPLETED:
        WorkflowExecution.objects.live().filter(pk=execution.pk).update(status=ExecutionStatus.RUNNING)
    end_execution(execution, status, now=NOON, error=error, **more)


def blocked(*executions):
    """Return what each execution is blocked on now, or how it has ended."""
    rows = WorkflowExecution.objects.in_bulk([execution.pk for execution in executions])
    return [rows[e.pk].status if rows[e.pk].has_ended else rows[e.pk].blocked_on for e in executions]


class TestQueue:
    """The way of a limit that says nothing else."""

    def test_lets_in_as_many_as_are_allowed(self):
        limited = version(2)

        assert blocked(*[start(limited) for _ in range(3)]) == ["queue", "queue", "concurrency"]

    def test_says_why_one_waits(self):
        limited = version(1, key=BY_CUSTOMER)
        start(limited, customer="acme")

        waiting = start(limited, customer="acme")

        waiting.refresh_from_db()
        assert (waiting.status, waiting.wake_at) == ("pending", None)
        assert waiting.blocked_detail == (
            "Waits for its turn: at most 1 executions with the key `acme` may be under way at once (settings.concurrency), "
            "and 1 were when it came."
        )

    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "timeout"])
    def test_lets_the_next_one_in_however_one_ends(self, status):
        limited = version(1)
        first, second, third = start(limited), start(limited, now=NOON + SECOND), start(limited, now=NOON + 2 * SECOND)

        end(first, ExecutionStatus(status))

        assert blocked(second, third) == ["queue", "concurrency"]
        second.refresh_from_db()
        assert second.wake_at is not None
        assert second.blocked_detail == ""

    def test_is_first_in_first_out(self):
        limited = version(1)
        first, late, early = start(limited), start(limited, now=NOON + 2 * SECOND), start(limited, now=NOON + SECOND)

        end(first)

        assert blocked(early, late) == ["queue", "concurrency"]

    def test_counts_one_that_sleeps(self):
        limited = version(1)
        ExecutionFactory(workflow_version=limited, waiting=True, concurrency_key="")

        assert blocked(start(limited)) == ["concurrency"]

    def test_counts_one_that_a_pause_holds(self):
        limited = version(1)
        ExecutionFactory(workflow_version=limited, wake_at=None, blocked_on="paused", concurrency_key="")

        assert blocked(start(limited)) == ["concurrency"]

    def test_cancelling_one_that_waits_frees_nothing(self):
        limited = version(1)
        first, second, third = [start(limited, now=NOON + n * SECOND) for n in range(3)]

        services.cancel_execution(second, by=None, now=NOON)

        assert blocked(first, second, third) == ["queue", "cancelled", "concurrency"]

    def test_one_that_waits_has_no_deadline_yet(self):
        limited = version(1)
        start(limited)
        waiting = start(limited)

        recovery.end_overdue(NOON + timedelta(days=365))

        assert blocked(waiting) == ["concurrency"]
        assert waiting.deadline_at is None

    def test_a_rerun_takes_its_turn_like_any_other(self):
        limited = version(1)
        first = start(limited)
        end(first)
        start(limited)

        again = services.rerun_execution(WorkflowExecution.objects.get(pk=first.pk), by=None, now=NOON)

        assert blocked(again) == ["concurrency"]

    def test_a_worker_does_not_take_one_that_waits(self):
        limited = version(1)
        first, _ = start(limited), start(limited)

        claimed = leases.claim("worker", now=database_now() + SECOND, limit=10)

        assert [execution.pk for execution in claimed] == [first.pk]

    def test_a_resumed_workflow_does_not_let_in_those_that_wait(self):
        limited = version(1)
        _, waiting = start(limited), start(limited)

        services.wake_parked(limited.workflow)

        assert blocked(waiting) == ["concurrency"]

    def test_a_disabled_workflow_still_carries_out_what_it_accepted(self):
        limited = version(1)
        first, waiting = start(limited), start(limited, now=NOON + SECOND)
        limited.workflow.status = WorkflowStatus.DISABLED
        limited.workflow.save()

        end(first)

        assert blocked(waiting) == ["queue"]


class TestSkip:
    def test_records_what_it_does_not_start(self):
        limited = version(1, on_limit="skip")
        first = start(limited)

        skipped = start(limited)

        assert blocked(first, skipped) == ["queue", "cancelled"]
        assert skipped.error["code"] == "concurrency_skipped"
        assert "at most 1 executions of this workflow" in skipped.error["message"]
        assert skipped.completed_at == NOON
        assert skipped.started_at is None

    def test_does_not_overtake_those_that_an_older_version_lets_wait(self):
        older = version(1)
        start(older)
        start(older)

        assert blocked(start(version(5, on_limit="skip", of=older))) == ["cancelled"]


@pytest.mark.django_db(transaction=True)
class TestCancelOldest:
    def test_ends_the_oldest_and_starts_the_new_one(self):
        limited = version(2, on_limit="cancel_oldest")
        first, second, third = [start(limited, now=NOON + n * SECOND) for n in range(3)]

        assert blocked(first, second, third) == ["cancelled", "queue", "queue"]
        first.refresh_from_db()
        assert first.error["code"] == "concurrency_replaced"
        assert str(third.pk) in first.error["message"]

    def test_stops_a_worker_that_has_the_oldest(self):
        limited = version(1, on_limit="cancel_oldest")
        start(limited)
        (held,) = leases.claim("worker", now=database_now() + SECOND, limit=1)

        start(limited, now=NOON + SECOND)

        with pytest.raises(leases.LeaseLost):
            leases.write(leases.Lease(held.pk, held.fence), nodes_executed=1)

    def test_makes_as_much_room_as_a_smaller_limit_needs(self):
        wide = version(3, on_limit="cancel_oldest")
        old = [start(wide, now=NOON + n * SECOND) for n in range(3)]

        new = start(version(1, on_limit="cancel_oldest", of=wide), now=NOON + 3 * SECOND)

        assert blocked(*old, new) == ["cancelled"] * 3 + ["queue"]

    def test_the_newest_of_several_at_once_has_the_place(self):
        limited = version(1, on_limit="cancel_oldest")

        started = at_once(*[lambda n=n: start(limited, now=NOON + n * SECOND) for n in range(4)])

        assert sorted(blocked(*started)) == ["cancelled"] * 3 + ["queue"]
        assert blocked(started[-1]) == ["queue"]

    def test_one_that_comes_in_after_newer_ones_is_the_oldest_itself(self):
        limited = version(1, on_limit="cancel_oldest")

        newer, older = start(limited, now=NOON + SECOND), start(limited, now=NOON)

        assert blocked(newer, older) == ["queue", "cancelled"]
        older.refresh_from_db()
        assert "newer ones" in older.error["message"]


class TestReplacedLater:
    """Who accepted died before it made room."""

    def test_the_sweep_makes_it(self):
        limited = version(1, on_limit="cancel_oldest")
        first, second = (
            start(limited),
            start(limited, now=NOON + SECOND),
        )  # In a test's transaction nothing follows a commit.
        assert blocked(first, second) == ["queue", "concurrency"]
        second.refresh_from_db()
        assert second.blocked_detail.startswith("Waits for the end of the oldest, which it replaces: at most 1 ")

        limits.let_in_forgotten(NOON + 2 * SECOND)

        assert blocked(first, second) == ["cancelled", "queue"]

    def test_one_that_is_in_already_replaces_nobody(self):
        limited = version(1, on_limit="cancel_oldest")
        first = start(limited)

        assert limits.make_room(first.pk, now=NOON) == 0
        assert blocked(first) == ["queue"]


class TestKey:
    def test_each_has_a_limit_of_its_own(self):
        limited = version(1, key=BY_CUSTOMER)

        started = [start(limited, customer=customer) for customer in ("acme", "acme", "bolt")]

        assert blocked(*started) == ["queue", "concurrency", "queue"]
        assert [execution.concurrency_key for execution in started] == ["acme", "acme", "bolt"]

    def test_an_end_lets_in_only_its_own_group(self):
        limited = version(1, key=BY_CUSTOMER)
        acme, bolt = start(limited, customer="acme"), start(limited, customer="bolt")
        next_acme, next_bolt = start(limited, customer="acme"), start(limited, customer="bolt")

        end(bolt)

        assert blocked(acme, next_acme, next_bolt) == ["queue", "concurrency", "queue"]

    def test_the_same_key_in_another_workflow_is_another_group(self):
        started = [start(version(1, key=BY_CUSTOMER), customer="acme") for _ in range(2)]

        assert blocked(*started) == ["queue", "queue"]

    def test_one_that_cannot_be_evaluated_fails_what_was_accepted(self):
        """Accepted is never lost: there is an execution, and it says what is wrong. [R-1]"""
        execution = start(version(1, key=BY_CUSTOMER), name="x")

        execution.refresh_from_db()
        assert (execution.status, execution.concurrency_key) == ("failed", None)
        assert execution.error["code"] == "concurrency_key_failed"
        assert execution.error["message"].startswith("settings.concurrency.key: ")
        assert "customer" in execution.error["message"]
        assert execution.error["details"]["expression"].strip() == "trigger.customer"

    @pytest.mark.parametrize(
        ("template", "trigger", "key"),
        [
            (None, {}, ""),
            ("all of them", {}, "all of them"),
            ("{{ trigger.n }}", {"n": "7"}, "7"),
            ("{{ trigger.n }}", {"n": 7}, "7"),
            ("{{ trigger.n }}", {"n": 2**63}, str(2**63)),
            ("{{ trigger.n }}", {"n": None}, "null"),
            ("{{ trigger.n }}", {"n": ""}, ""),
            ("{{ trigger.n }}", {"n": {"b": [1, True], "a": "ü"}}, '{"a": "ü", "b": [1, true]}'),
            ("{{ trigger.a }}/{{ trigger.b ?? 'none' }}", {"a": 1}, "1/none"),
            ("{{ trigger.text.toLowerCase() }}", {"text": "ACME"}, "acme"),
        ],
    )
    def test_is_a_text_as_it_is_and_any_other_value_as_json(self, template, trigger, key):
        assert limits.key_of(Concurrency(max=1, key=template), trigger=trigger, now=NOON) == key

    def test_sees_only_what_started_the_execution(self):
        with pytest.raises(RenderError):
            limits.key_of(Concurrency(max=1, key="{{ vars.X }}"), trigger={}, now=NOON)

    @given(st.lists(st.text() | st.text(min_size=190, max_size=260), unique=True, max_size=6))
    @settings(deadline=None)
    def test_different_values_have_different_keys_that_fit_the_column(self, texts):
        limit = Concurrency(max=1, key="{{ trigger }}")
        keys = [limits.key_of(limit, trigger=text, now=NOON) for text in texts]
        keys += [limits.key_of(limit, trigger=key, now=NOON) for key in keys if len(key) == limits.KEY_LENGTH]

        assert len(set(keys)) == len(keys)
        assert all(len(key) <= limits.KEY_LENGTH and "\x00" not in key for key in keys)

    def test_a_long_one_still_shows_how_it_begins(self):
        key = limits.key_of(Concurrency(max=1, key="{{ trigger }}"), trigger="acme/" + "x" * 1_000, now=NOON)

        assert key.startswith("acme/xxx")
        assert len(key) == limits.KEY_LENGTH


class TestSubWorkflows:
    """A parent's node run waits for a limited child."""

    @pytest.fixture
    def limited(self):
        return version(1, on_limit="skip")

    @pytest.fixture
    def parent(self, limited):
        return ExecutionFactory(leased=True, workflow_version__workflow__project=limited.workflow.project)

    def child_of(self, parent, limited):
        asked = StartWorkflow(str(limited.workflow_id), {}, wait=True)
        run = NodeRunFactory(execution=parent, node_id="bill", node_type="tool", running=True, waits_for="callback")
        child_id = new_id()
        with transaction.atomic():
            children.start(asked, id=child_id, parent=parent, node_run_id=run.pk, deadline=None, now=NOON)
        return WorkflowExecution.objects.get(pk=child_id), run

    def test_one_that_is_skipped_answers_at_once(self, limited, parent):
        start(limited)

        child, run = self.child_of(parent, limited)

        run.refresh_from_db()
        parent.refresh_from_db()
        assert child.status == "cancelled"
        assert run.answer["error"]["code"] == "workflow_cancelled"
        assert "at most 1 executions" in run.answer["error"]["message"]
        assert parent.is_signalled

    @pytest.mark.django_db(transaction=True)
    def test_one_that_ends_with_its_parent_lets_the_next_one_in(self, parent, limited):
        child, _ = self.child_of(parent, limited)
        waiting = start(version(1, of=limited), now=NOON + SECOND)

        services.cancel_execution(parent, by=None, now=NOON)

        assert blocked(child, waiting) == ["cancelled", "queue"]


class TestVersions:
    def test_a_larger_limit_holds_from_the_next_decision_on(self):
        narrow = version(1)
        start(narrow)

        assert blocked(start(version(2, of=narrow))) == ["queue"]

    def test_a_smaller_limit_ends_nothing(self):
        wide = version(3)
        under_way = [start(wide) for _ in range(3)]
        narrow = version(1, of=wide)

        waiting = start(narrow)
        for execution in under_way[:2]:
            end(execution)

        assert blocked(under_way[2], waiting) == ["queue", "concurrency"]
        end(under_way[2])
        assert blocked(waiting) == ["queue"]

    def test_each_is_let_in_by_the_limit_of_its_own_version_in_turn(self):
        """A larger limit does not overtake those that wait with a smaller one."""
        narrow = version(1)
        first, second = start(narrow), start(narrow, now=NOON + SECOND)
        wide = version(3, of=narrow)
        third = start(wide, now=NOON + 2 * SECOND)

        assert blocked(first, second, third) == ["queue", "concurrency", "concurrency"]
        end(first)
        assert blocked(second, third) == ["queue", "queue"]

    def test_executions_of_a_version_without_a_limit_neither_wait_nor_count(self):
        limited = version(1)
        limited.workflow.version = 2
        limited.workflow.save()
        free = VersionFactory(workflow=limited.workflow, number=2)

        started = [start(free), start(free), start(limited)]

        assert blocked(*started) == ["queue"] * 3
        assert started[0].concurrency_key is None


class TestLetInForgotten:
    @pytest.fixture
    def forgotten(self):
        """A group in which an operator's script has ended the one that ran, past all that Segue does at an end."""
        limited = version(1, key=BY_CUSTOMER)
        first, second = start(limited, customer="acme"), start(limited, customer="acme")
        WorkflowExecution.objects.filter(pk=first.pk).update(
            status="cancelled", completed_at=NOON, wake_at=None, blocked_on=None, error={"code": "x", "message": "x"}
        )
        return second

    def test_lets_in_those_for_whom_there_is_room(self, forgotten):
        assert limits.let_in_forgotten(NOON) == 1

        assert blocked(forgotten) == ["queue"]

    def test_is_part_of_a_sweep(self, forgotten, monkeypatch):
        monkeypatch.setattr(limits, "_look_again_at", 0.0)

        recovery.sweep()

        assert blocked(forgotten) == ["queue"]

    def test_a_look_in_vain_that_took_long_is_not_repeated_at_once(self, monkeypatch):
        looks = []
        monkeypatch.setattr(limits, "_look_again_at", 0.0)
        monkeypatch.setattr(limits, "let_in_forgotten", lambda now: looks.append(time.sleep(0.05)) or 0)

        for _ in range(3):
            limits.look_for_forgotten(NOON)

        assert len(looks) == 1

    def test_one_that_found_something_is(self, monkeypatch):
        looks = []
        monkeypatch.setattr(limits, "_look_again_at", 0.0)
        monkeypatch.setattr(limits, "let_in_forgotten", lambda now: looks.append(time.sleep(0.05)) or 1)

        for _ in range(3):
            limits.look_for_forgotten(NOON)

        assert len(looks) == 3

    def test_leaves_those_alone_for_whom_there_is_none(self):
        limited = version(1)
        first, second = start(limited), start(limited)

        assert limits.let_in_forgotten(NOON) == 0
        assert blocked(first, second) == ["queue", "concurrency"]

    def test_asks_one_query_where_nobody_waits(self, django_assert_num_queries):
        start(version(1))

        with django_assert_num_queries(1):
            limits.let_in_forgotten(NOON)

    def test_asks_two_queries_where_all_rightly_wait(self, django_assert_num_queries):
        limited = version(1, key=BY_CUSTOMER)
        for customer in ("acme", "bolt", "cora"):
            start(limited, customer=customer)
            start(limited, customer=customer)

        with django_assert_num_queries(2):
            limits.let_in_forgotten(NOON)


class TestCost:
    def test_a_workflow_without_a_limit_pays_nothing(self, django_assert_num_queries):
        free = unlimited()
        limits.limit_of(free.pk)  # A process asks once for each version.

        with django_assert_num_queries(1):
            services.start_execution(free, kind=TriggerType.MANUAL, node_id="start", payload={}, now=NOON)

    def test_its_end_pays_nothing_either(self):
        execution = start(unlimited())

        with CaptureQueriesContext(connection) as queries:
            services.cancel_execution(execution, by=None, now=NOON)

        assert not [query for query in queries if 'FROM "workflows"' in query["sql"]]
        assert not [query for query in queries if '"concurrency_key" =' in query["sql"]]

    def test_is_the_same_for_few_and_for_many_that_wait(self, django_assert_num_queries):
        limited, free = version(1), start(unlimited())
        with CaptureQueriesContext(connection) as without_limit:
            end_execution(free, ExecutionStatus.CANCELLED, now=NOON, error={"code": "x", "message": "x"})

        for count in (1, 8):
            first = start(limited)
            for _ in range(count):
                start(limited)
            with django_assert_num_queries(
                3
            ):  # The lock, the count, the row: full is full without a look at who waits.
                services.start_execution(limited, kind=TriggerType.MANUAL, node_id="start", payload={}, now=NOON)
            # The lock, the count, who waits, the first one's lock where rows have locks, and its turn.
            with django_assert_num_queries(len(without_limit) + 5):
                end_execution(first, ExecutionStatus.CANCELLED, now=NOON, error={"code": "x", "message": "x"})
            WorkflowExecution.objects.filter(workflow=limited.workflow).delete()


class TestStanding:
    def test_says_how_far_away_the_turn_is(self):
        limited = version(1)
        _, _, third = [start(limited, now=NOON + n * SECOND) for n in range(3)]

        assert limits.standing(third) == "1 are under way now, and 1 wait before it."

    def test_says_nothing_of_one_that_does_not_wait(self):
        assert limits.standing(start(version(1))) == ""
        assert limits.standing(start(unlimited())) == ""


@pytest.mark.django_db(transaction=True)
class TestWorker:
    def test_carries_all_out_never_more_at_once_than_allowed(self):
        limited = version(1)
        started = [start(limited, now=NOON + n * SECOND) for n in range(4)]
        worker = Worker()
        try:
            until = time.monotonic() + 30
            while WorkflowExecution.objects.live().exists():
                assert time.monotonic() < until
                worker.work()
        finally:
            worker.close()

        rows = [WorkflowExecution.objects.get(pk=execution.pk) for execution in started]
        assert [row.status for row in rows] == ["completed"] * 4
        for one, following in pairwise(rows):
            assert one.completed_at <= following.started_at


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Races, each on connections of their own."""

    ROUNDS = 8

    def test_two_that_come_in_the_same_moment_do_not_both_find_the_last_place(self):
        for _ in range(self.ROUNDS):
            limited = version(1)

            started = at_once(*[lambda limited=limited: start(limited)] * 4)

            assert sorted(blocked(*started)) == ["concurrency"] * 3 + ["queue"]

    def test_one_that_comes_while_the_last_one_ends_is_not_forgotten(self):
        for _ in range(self.ROUNDS):
            limited = version(1)
            first = start(limited)

            _, second = at_once(lambda first=first: end(first), lambda limited=limited: start(limited))

            assert blocked(second) == ["queue"]

    def test_two_that_end_in_the_same_moment_let_two_in(self):
        for _ in range(self.ROUNDS):
            limited = version(2)
            first, second, *waiting = [start(limited, now=NOON + n * SECOND) for n in range(5)]

            at_once(lambda first=first: end(first), lambda second=second: end(second))

            assert blocked(*waiting) == ["queue", "queue", "concurrency"]

    def test_one_that_ends_while_it_is_replaced_ends_once(self):
        for _ in range(self.ROUNDS):
            limited = version(1, on_limit="cancel_oldest")
            first = start(limited)

            def end_unless_replaced(first=first):
                try:
                    end(first)
                except IllegalTransition:
                    return

            _, second = at_once(end_unless_replaced, lambda limited=limited: start(limited, now=NOON + SECOND))

            assert WorkflowExecution.objects.get(pk=first.pk).status in ("completed", "cancelled")
            assert blocked(second) == ["queue"]

    def test_an_end_never_waits_for_somebody_who_accepts(self):
        """The execution's row is held when the workflow's is wanted: who waited here would wait in a circle."""
        if not connection.features.has_select_for_update_skip_locked:
            pytest.skip("there is one writer at a time")
        limited = version(1)
        first, second = start(limited), start(limited, now=NOON + SECOND)

        with transaction.atomic():
            limits.admit(limited, trigger={}, now=NOON)  # Has the workflow until the block ends.
            ending = beside(lambda: services.cancel_execution(first, by=None, now=NOON))
            until = time.monotonic() + 10
            while not WorkflowExecution.objects.get(pk=first.pk).has_ended:
                assert time.monotonic() < until, "The end waits for the workflow."
                time.sleep(0.01)
            assert blocked(second) == ["concurrency"]
        ending.join(10)

        assert blocked(second) == ["queue"]

    def test_one_that_is_being_cancelled_is_passed_over(self):
        """Who lets in has the workflow's row, and waits for no execution's."""
        if not connection.features.has_select_for_update_skip_locked:
            pytest.skip("there is one writer at a time")
        limited = version(1)
        first, second, third = [start(limited, now=NOON + n * SECOND) for n in range(3)]

        with transaction.atomic():
            second.move_to(ExecutionStatus.CANCELLED, completed_at=NOON, error={"code": "x", "message": "x"})
            ending = beside(lambda: end(first))
            ending.join(10)
            has_ended = not ending.is_alive()
            limits.let_next_in(second)
        ending.join(10)

        assert has_ended, "Letting in waits for the one that is being cancelled."
        assert blocked(first, second, third) == ["completed", "cancelled", "queue"]


# --- Any order ----------------------------------------------------------------------------------------------------------

# Versions of one workflow, so that limits of several sizes and manners meet in one group.
LIMITS = [
    {"max": 1},
    {"max": 3},
    {"max": 2, "on_limit": "skip"},
    {"max": 2, "on_limit": "cancel_oldest"},
]


class Story(RuleBasedStateMachine):
    """One workflow with limits, and everything that can happen to its executions, in any order."""

    def __init__(self):
        super().__init__()
        self.now = database_now()
        self.workflow = WorkflowFactory(status=WorkflowStatus.ACTIVE, version=len(LIMITS))
        self.versions = [
            VersionFactory(
                workflow=self.workflow,
                number=number,
                definition=definition(
                    "start > end", settings={"concurrency": {"key": "{{ trigger.key }}", **LIMITS[number - 1]}}
                ),
            )
            for number in range(1, len(LIMITS) + 1)
        ]
        self.held = []
        self.line = []

    def rows(self, **which):
        rows = WorkflowExecution.objects.filter(workflow=self.workflow, **which)
        return list(rows.select_related("workflow_version").order_by("created_at", "id"))

    def live(self):
        return self.rows(status__in=LIVE)

    def later(self, **more):
        self.now += timedelta(**(more or {"seconds": 1}))
        return self.now

    @rule(which=st.integers(0, len(LIMITS) - 1), key=st.sampled_from("ab"), dies=st.booleans())
    def accept(self, which, key, dies):
        with TestCase.captureOnCommitCallbacks(execute=not dies):
            execution = start(self.versions[which], now=self.later(), key=key)
        match LIMITS[which].get("on_limit", "queue"):
            case "skip":
                assert blocked(execution)[0] in ("queue", "cancelled")
            case "cancel_oldest" if not dies:
                assert blocked(execution) == ["queue"]

    @rule(limit=st.integers(1, 3))
    def claim(self, limit):
        self.held += leases.claim("worker", now=self.later(), limit=limit)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), status=st.sampled_from(["completed", "failed"]))
    def finish(self, data, status):
        """A worker ends what it has, unless somebody took it meanwhile."""
        execution = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        error = None if status == "completed" else {"code": "x", "message": "x"}
        try:
            end_execution(execution, ExecutionStatus(status), now=self.later(), fence=execution.fence, error=error)
        except IllegalTransition:
            assert WorkflowExecution.objects.get(pk=execution.pk).fence != execution.fence

    @precondition(lambda self: self.held)
    @rule()
    def fall_asleep(self):
        execution = self.held.pop()
        lease = leases.Lease(execution.pk, execution.fence)
        try:
            leases.hand_back(lease, wake_at=self.now, blocked_on=BlockedOn.TIMER)
        except leases.LeaseLost:
            assert WorkflowExecution.objects.get(pk=execution.pk).fence != execution.fence

    @rule()
    def lose_all_workers(self):
        recovery.release_dead_leases(self.later(seconds=leases.lease_time().total_seconds() + 1))

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def cancel(self, data):
        live = self.live()
        services.cancel_execution(live[data.draw(st.integers(0, len(live) - 1))], by=None, now=self.later())

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def be_forgotten(self, data):
        """Something ends an execution and tells nobody; then a sweep comes."""
        live = self.live()
        pk = live[data.draw(st.integers(0, len(live) - 1))].pk
        WorkflowExecution.objects.filter(pk=pk).update(
            status="cancelled",
            completed_at=self.later(),
            lease_owner=None,
            lease_expires_at=None,
            wake_at=None,
            blocked_on=None,
            fence=F("fence") + 1,
            error={"code": "x", "message": "x"},
        )
        self.sweep()

    @rule()
    def sweep(self):
        limits.let_in_forgotten(self.later())
        replacing = self.rows(status__in=LIVE, blocked_on="concurrency", workflow_version=self.versions[3])
        assert not replacing, "Who replaces the oldest waits for nobody once a sweep has come."

    @invariant()
    def holds(self):
        """Never above the limit, nobody waits in vain, and the first in is the first out."""
        live, line = self.live(), []
        for key in "ab":
            counted = [row for row in live if (row.concurrency_key, row.blocked_on != "concurrency") == (key, True)]
            waiting = [row for row in live if (row.concurrency_key, row.blocked_on) == (key, "concurrency")]
            assert len(counted) <= max((self.most(row) for row in counted), default=0)
            assert not waiting or len(counted) >= self.most(waiting[0])
            in_now = {row.pk for row in counted}
            let_in = [n for n, (of, pk) in enumerate(self.line) if of == key and pk in in_now]
            still = [n for n, (of, pk) in enumerate(self.line) if of == key and pk in {row.pk for row in waiting}]
            assert not let_in or not still or max(let_in) < min(still)
            line += [(key, row.pk) for row in waiting if row.workflow_version != self.versions[3]]
        self.line = line

    def most(self, row):
        return LIMITS[row.workflow_version.number - 1]["max"]

    def teardown(self):
        """When all goes on undisturbed, all come to an end."""
        broken = {rule.name for rule, ids in check_all(self.now) if ids}
        assert not broken & {"within_limit", "held_or_due", "end_has_a_reason"}
        for _ in range(len(self.live()) + 1):
            self.lose_all_workers()
            self.sweep()
            now = self.later(seconds=1)
            for suspects in (False, True):
                for execution in leases.claim("worker", now=now, limit=1000, suspects=suspects):
                    end_execution(execution, ExecutionStatus.COMPLETED, now=now, fence=execution.fence)
        assert self.live() == []
        WorkflowExecution.objects.filter(workflow=self.workflow).delete()


class TestAnyOrder:
    def test_is_never_above_the_limit_and_never_stuck(self):
        """Accepted, claimed, ended, lost, cancelled, forgotten and swept in any order."""
        run_state_machine_as_test(Story, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))
