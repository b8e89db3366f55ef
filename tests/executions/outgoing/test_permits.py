"""The rules themselves, asked one by one."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from executions.engine.clock import database_now
from executions.models import OutgoingCall, OutgoingHold, OutgoingLimit
from executions.outgoing import permits
from executions.outgoing.permits import Asked, Entered, Later, Permit
from tests.factories import OutgoingHoldFactory, OutgoingLimitFactory, ProjectFactory

pytestmark = pytest.mark.django_db
HOST = "api.example.com"


@pytest.fixture(autouse=True)
def _rules_are_read_anew():
    permits.forget_rules()
    yield
    permits.forget_rules()


@pytest.fixture
def project():
    return ProjectFactory()


def asked(project, host=HOST, secrets=(), made=None, takes_turns=True, seconds=30.0):
    return Asked(str(project.pk), host, frozenset(secrets), seconds, made or {}, takes_turns)


def enter(project, permit=None, **more):
    return permits.enter(asked(project, **more), permit or Permit())


class TestRates:
    def test_a_burst_goes_out_at_once_and_then_one_after_another(self, project):
        OutgoingLimitFactory(project=project, host=HOST, per_minute=60, burst=3)

        answers = [enter(project) for _ in range(5)]

        assert [type(answer) for answer in answers] == [Entered] * 3 + [Later] * 2
        assert [round(answer.seconds) for answer in answers[3:]] == [1, 2]

    def test_without_a_burst_a_minutes_calls_may_come_at_once(self, project):
        OutgoingLimitFactory(project=project, host=HOST, per_minute=4)

        assert [type(enter(project)) for _ in range(5)] == [Entered] * 4 + [Later]

    def test_a_turn_that_was_taken_is_not_taken_again(self, project):
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=60, burst=1)
        enter(project)
        permit = Permit()
        enter(project, permit)
        limit.refresh_from_db()
        spoken_for = limit.paced_until_us

        again = enter(project, Permit.from_json(permit.to_json()))

        limit.refresh_from_db()
        assert 0 < again.seconds < 1
        assert limit.paced_until_us == spoken_for

    def test_when_its_turn_has_come_it_goes_out_once(self, project):
        OutgoingLimitFactory(project=project, host=HOST, per_minute=600, burst=1)
        enter(project)
        permit = Permit()
        assert isinstance(enter(project, permit), Later)
        time.sleep(0.12)

        assert isinstance(enter(project, permit), Entered)
        assert permit.turns == {}
        assert isinstance(enter(project, permit), Later)

    def test_who_makes_calls_again_has_a_turn_for_each_of_them(self, project):
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=60, burst=1)
        enter(project)
        permit = Permit()

        answer = enter(project, permit, made={str(limit.pk): 2})

        assert round(answer.seconds) == 3
        assert permit.turns[str(limit.pk)].requests == 3

    def test_who_cannot_wait_takes_no_turn(self, project):
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=60, burst=1)
        enter(project)
        limit.refresh_from_db()
        spoken_for = limit.paced_until_us

        answer = enter(project, takes_turns=False)

        limit.refresh_from_db()
        assert isinstance(answer, Later)
        assert limit.paced_until_us == spoken_for

    def test_no_turn_is_taken_that_comes_after_more_than_an_hour(self, project):
        ahead = int((time.time() + 7200) * 1_000_000)
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=1, burst=1, paced_until_us=ahead)
        permit = Permit()

        answer = enter(project, permit)

        limit.refresh_from_db()
        assert (answer.seconds, permit.turns, limit.paced_until_us) == (3600.0, {}, ahead)

    def test_the_slowest_of_several_says_when_and_none_is_paid_for_without_the_others(self, project):
        fast = OutgoingLimitFactory(project=project, host=HOST, per_minute=600, burst=1)
        slow = OutgoingLimitFactory(project=project, host="", secret_name="KEY", per_minute=6, burst=1)
        enter(project, secrets=["KEY"])
        permit = Permit()

        answer = enter(project, permit, secrets=["KEY"])

        assert round(answer.seconds) == 10
        assert "the secret KEY" in answer.reason
        assert permit.turns.keys() == {str(fast.pk), str(slow.pk)}


class TestAtOnce:
    def test_all_places_taken_is_a_reason_to_queue_and_takes_no_turn(self, project):
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=60, burst=9, at_once=1)
        first = enter(project)
        limit.refresh_from_db()
        spoken_for = limit.paced_until_us

        answer = enter(project)

        limit.refresh_from_db()
        assert answer.is_queueing
        assert limit.paced_until_us == spoken_for
        permits.leave(first.calls)
        assert isinstance(enter(project), Entered)

    def test_a_place_is_taken_for_as_long_as_the_call_may_last_and_a_little_more(self, project):
        OutgoingLimitFactory(project=project, host=HOST, per_minute=None, at_once=1)

        enter(project, seconds=20.0)

        (call,) = OutgoingCall.objects.all()
        assert timedelta(seconds=24) < call.expires_at - database_now() <= timedelta(seconds=25)

    def test_what_has_expired_does_not_count_and_is_gone(self, project):
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=None, at_once=1)
        OutgoingCall.objects.create(limit=limit, expires_at=database_now())

        assert isinstance(enter(project), Entered)
        assert OutgoingCall.objects.count() == 1

    def test_who_queues_for_longer_asks_less_often(self, project):
        OutgoingLimitFactory(project=project, host=HOST, per_minute=None, at_once=1)
        enter(project)

        waits = [enter(project, Permit(queued=queued)).seconds for queued in (0, 3, 50)]

        assert 0.5 <= waits[0] <= 1
        assert 4 <= waits[1] <= 8
        assert 15 <= waits[2] <= 30


class TestRules:
    @pytest.mark.parametrize(
        ("host", "pattern", "holds"),
        [
            ("api.example.com", "api.example.com", True),
            ("a.b.example.com", "*.example.com", True),
            ("example.com", "*.example.com", False),
            ("badexample.com", "*.example.com", False),
            ("api.example.com.evil.test", "api.example.com", False),
        ],
    )
    def test_speak_of_a_host_or_of_all_below_one(self, project, host, pattern, holds):
        OutgoingLimitFactory(project=project, host=pattern, per_minute=None, at_once=1)

        assert bool(enter(project, host=host).limits) is holds

    def test_a_call_without_rules_costs_no_statement(self, project, django_assert_num_queries):
        enter(project)

        with django_assert_num_queries(0):
            assert enter(project) == Entered()

    def test_the_number_of_limits_makes_no_difference_to_a_call(self, project, django_assert_max_num_queries):
        OutgoingLimitFactory.create_batch(20, project=project)
        OutgoingLimitFactory(project=project, host=HOST, per_minute=6000)
        enter(project)

        with django_assert_max_num_queries(5, info="savepoint, lock, time, pace, release"):
            enter(project)

    def test_new_ones_are_heard_of_within_a_second(self, project, monkeypatch):
        enter(project)
        OutgoingHoldFactory(project=project, host=HOST)
        monkeypatch.setattr(permits, "RULES_HOLD_SECONDS", 0.0)

        assert isinstance(enter(project), Later)

    def test_a_limit_that_was_removed_a_moment_ago_is_none(self, project):
        OutgoingLimitFactory(project=project, host=HOST, per_minute=1, burst=1)
        enter(project)

        OutgoingLimit.objects.all().delete()

        assert enter(project) == Entered()


class TestHold:
    def test_is_heard_of_by_this_process_at_once(self, project):
        enter(project)

        permits.hold(str(project.pk), HOST, 60)

        assert 59 < enter(project).seconds <= 60

    def test_those_that_are_over_go_when_the_next_one_comes(self, project):
        OutgoingHoldFactory(project=project, host="old", until=database_now() - timedelta(seconds=1))

        permits.hold(str(project.pk), HOST, 60)

        assert OutgoingHold.objects.get().host == HOST
