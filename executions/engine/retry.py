"""Whether to try a node again, and when. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta

from workflows.definition.schema import RetryPolicy

DEFAULT_POLICY = RetryPolicy()
# What the outside asks for in ``Retry-After`` is respected up to this.
LONGEST_RETRY_AFTER = timedelta(hours=1)


def next_delay(
    policy: RetryPolicy | None,
    *,
    attempt: int,
    code: str,
    retryable: bool,
    retry_after: float | None,
    default_attempts: int,
    rng: random.Random,
    table: Sequence[float] = (),
    seconds_left: float = math.inf,
) -> timedelta | None:
    """Return how long to wait before the attempt after ``attempt``, or ``None`` to give up.

    The backoff is exponential with full jitter over its upper half: between one half and the whole of
    ``base * 2 ** (attempt - 1)``, at most ``max_seconds``. An answer that names a time is waited for at least that long.

    :param attempt: the one that failed, from 1.
    :param code: the error's. A policy that says what to retry on (``on``) decides by it; else ``retryable`` does.
    :param retry_after: seconds that the outside asked to wait.
    :param default_attempts: how often a node is tried whose policy does not say.
    :param table: seconds before each further attempt, where the node's type has such a table and the node no policy. Up to a
        tenth is added, so that those who failed together do not come again together.
    :param seconds_left: how long the execution may still live. An attempt of the table that would come later is none.
    """
    if policy is None and table:
        return _by_table(table, attempt, retryable, retry_after, rng, seconds_left)
    policy = policy or DEFAULT_POLICY
    attempts = default_attempts if policy.max_attempts is None else policy.max_attempts
    is_worth_it = retryable if policy.on is None else code in policy.on
    if not is_worth_it or attempt >= attempts:
        return None
    # The exponent is bounded: 2.0 ** 1100 would overflow.
    factor = 2.0 ** min(attempt - 1, 60) if policy.backoff == "exponential" else 1.0
    seconds = min(policy.base_seconds * factor, policy.max_seconds)
    if policy.jitter:
        seconds *= rng.uniform(0.5, 1.0)
    delay = timedelta(seconds=seconds)
    return _at_least(delay, retry_after)


def _by_table(
    table: Sequence[float],
    attempt: int,
    retryable: bool,
    retry_after: float | None,
    rng: random.Random,
    seconds_left: float,
) -> timedelta | None:
    if not retryable or attempt > len(table):
        return None
    delay = _at_least(timedelta(seconds=table[attempt - 1] * rng.uniform(1.0, 1.1)), retry_after)
    return delay if delay.total_seconds() < seconds_left else None


def _at_least(delay: timedelta, retry_after: float | None) -> timedelta:
    if retry_after is None:
        return delay
    return max(delay, min(timedelta(seconds=max(retry_after, 0.0)), LONGEST_RETRY_AFTER))
