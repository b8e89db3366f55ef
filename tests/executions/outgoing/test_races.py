"""Many processes that ask in the same moment, each over a connection of its own."""

from __future__ import annotations

import pytest
from django.db import connection

from executions.models import OutgoingCall
from executions.outgoing import permits
from executions.outgoing.permits import Asked, Entered, Permit
from tests.factories import OutgoingLimitFactory
from tests.threads import at_once

CALLERS = 8

pytestmark = pytest.mark.django_db(transaction=True)


def entered(limit):
    """Return how many of many callers got in."""
    permits.forget_rules()
    asked = Asked(str(limit.project_id), limit.host, frozenset(), 30.0, {})
    answers = at_once(*[lambda: permits.enter(asked, Permit())] * CALLERS)
    return sum(isinstance(answer, Entered) for answer in answers)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="In memory, SQLite has one connection that writes at a time.")
class TestAtTheSameMoment:
    def test_no_more_get_in_than_there_are_places(self):
        limit = OutgoingLimitFactory(per_minute=None, at_once=3)

        assert entered(limit) == 3
        assert OutgoingCall.objects.count() == 3

    def test_no_more_get_in_than_the_burst_allows(self):
        assert entered(OutgoingLimitFactory(per_minute=1, burst=3)) == 3
