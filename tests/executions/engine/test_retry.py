"""Whether a node is tried again, and when."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.engine.retry import LONGEST_RETRY_AFTER, next_delay
from workflows.definition.schema import RetryPolicy


def delay(policy=None, *, attempt=1, code="http_500", retryable=True, retry_after=None, default_attempts=3):
    return next_delay(
        policy,
        attempt=attempt,
        code=code,
        retryable=retryable,
        retry_after=retry_after,
        default_attempts=default_attempts,
        rng=random.Random(7),
    )


class TestNextDelay:
    def test_gives_up_on_what_no_retry_mends(self):
        assert delay(retryable=False) is None

    def test_a_policy_that_says_what_to_retry_on_decides_alone(self):
        policy = RetryPolicy(on=("http_404", "node_timeout"))

        assert delay(policy, code="http_404", retryable=False) is not None
        assert delay(policy, code="http_500", retryable=True) is None

    def test_gives_up_after_the_installations_attempts(self):
        assert delay(attempt=2) is not None
        assert delay(attempt=3) is None

    def test_gives_up_after_the_nodes_own_attempts(self):
        assert delay(RetryPolicy(max_attempts=1)) is None
        assert delay(RetryPolicy(max_attempts=5), attempt=4) is not None

    @pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (4, 10)])
    def test_doubles_up_to_the_longest(self, attempt, seconds):
        policy = RetryPolicy(max_attempts=9, base_seconds=2, max_seconds=10, jitter=False)

        assert delay(policy, attempt=attempt) == timedelta(seconds=seconds)

    def test_stays_the_same_when_fixed(self):
        policy = RetryPolicy(max_attempts=9, backoff="fixed", base_seconds=2, jitter=False)

        assert delay(policy, attempt=5) == timedelta(seconds=2)

    def test_waits_at_least_as_long_as_the_outside_asks(self):
        assert delay(retry_after=30) == timedelta(seconds=30)

    def test_does_not_let_the_outside_stop_it_for_ever(self):
        assert delay(retry_after=10**9) == LONGEST_RETRY_AFTER

    @given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(0, 1e6))
    def test_jitter_stays_between_one_half_and_the_whole(self, attempt, base, longest):
        policy = {"max_attempts": 10_001, "base_seconds": base, "max_seconds": longest}
        whole = delay(RetryPolicy(**policy, jitter=False), attempt=attempt)

        jittered = delay(RetryPolicy(**policy), attempt=attempt)

        assert whole / 2 - timedelta(microseconds=1) <= jittered <= whole
