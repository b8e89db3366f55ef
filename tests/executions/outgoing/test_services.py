from __future__ import annotations

import pytest

from executions.exceptions import InvalidOutgoingLimit, OutgoingLimitExists
from executions.models import OutgoingHold, OutgoingLimit
from executions.outgoing import services
from projects.exceptions import NotFound
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import OutgoingHoldFactory, OutgoingLimitFactory, ProjectFactory

pytestmark = pytest.mark.django_db


def created(project=None, **values):
    return services.create_limit(project or ProjectFactory(), by=None, now=NOON, **values)


class TestCreateLimit:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("api.example.com", "api.example.com"),
            ("API.Example.COM.", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("10.0.0.1", "10.0.0.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:0DB8:0:0::1]", "2001:db8::1"),
            (" Bücher.example ", "xn--bcher-kva.example"),
        ],
    )
    def test_keeps_the_host_in_the_one_form_that_is_compared(self, given, kept):
        assert created(host=given, per_minute=1).host == kept

    @pytest.mark.parametrize(
        ("values", "paths"),
        [
            ({"per_minute": 1}, ["/host"]),
            ({"host": "h", "secret_name": "S", "per_minute": 1}, ["/host"]),
            ({"host": "https://h/", "per_minute": 1}, ["/host"]),
            ({"host": "*", "per_minute": 1}, ["/host"]),
            ({"host": "h:80", "per_minute": 1}, ["/host"]),
            ({"secret_name": "token", "per_minute": 1}, ["/secret_name"]),
            ({"host": "h"}, ["/per_minute"]),
            ({"host": "h", "at_once": 1, "burst": 2}, ["/burst"]),
            ({"host": "h", "per_minute": 0, "at_once": 10_001}, ["/per_minute", "/at_once"]),
        ],
    )
    def test_says_everything_that_is_wrong(self, values, paths):
        with pytest.raises(InvalidOutgoingLimit) as caught:
            created(**values)

        assert [problem["path"] for problem in caught.value.problems] == paths

    def test_there_is_one_for_the_same_calls(self):
        project = ProjectFactory()
        created(project, host="h", per_minute=1)
        created(host="h", per_minute=1)

        with pytest.raises(OutgoingLimitExists, match="for h already"):
            created(project, host="H", at_once=1)

    def test_a_project_has_not_any_number_of_them(self, monkeypatch):
        monkeypatch.setattr(services, "MOST_LIMITS", 1)
        project = ProjectFactory()
        created(project, host="h", per_minute=1)

        with pytest.raises(InvalidOutgoingLimit, match="at most 1 limits"):
            created(project, host="i", per_minute=1)

    def test_is_written_down(self):
        limit = created(secret_name="TOKEN", per_minute=5)

        entry = AuditEntry.objects.get(action="outgoing_limit.created")
        assert (entry.target_id, entry.project_id) == (str(limit.pk), limit.project_id)
        assert entry.details == {"host": "", "secret_name": "TOKEN", "per_minute": 5, "burst": None, "at_once": None}


class TestChangeLimit:
    def test_what_was_spoken_for_at_the_former_pace_is_not_at_the_new_one(self):
        limit = OutgoingLimitFactory(per_minute=1, paced_until_us=2**60)

        services.change_limit(limit, per_minute=100, by=None)

        limit.refresh_from_db()
        assert (limit.per_minute, limit.paced_until_us) == (100, 0)
        assert AuditEntry.objects.filter(action="outgoing_limit.changed").exists()

    def test_what_somebody_has_changed_meanwhile_stays_so(self):
        limit = OutgoingLimitFactory(per_minute=1, at_once=None)
        OutgoingLimit.objects.update(at_once=3)

        changed = services.change_limit(limit, per_minute=100, by=None)

        assert (changed.per_minute, changed.at_once) == (100, 3)

    def test_one_that_somebody_has_deleted_meanwhile_stays_deleted(self):
        limit = OutgoingLimitFactory()
        OutgoingLimit.objects.all().delete()

        with pytest.raises(NotFound, match="no such outgoing limit any more"):
            services.change_limit(limit, per_minute=100, by=None)

        assert not OutgoingLimit.objects.exists()

    def test_is_checked_as_a_whole(self):
        with pytest.raises(InvalidOutgoingLimit, match="limits nothing"):
            services.change_limit(OutgoingLimitFactory(), per_minute=None, by=None)


class TestRemoving:
    def test_a_limit_is_removed_and_that_is_written_down(self):
        services.delete_limit(OutgoingLimitFactory(), by=None)

        assert not OutgoingLimit.objects.exists()
        assert AuditEntry.objects.filter(action="outgoing_limit.deleted").exists()

    def test_a_hold_is_lifted_and_that_is_written_down(self):
        services.lift_hold(OutgoingHoldFactory(host="h"), by=None)

        assert not OutgoingHold.objects.exists()
        assert AuditEntry.objects.get(action="outgoing_hold.lifted").details == {"host": "h"}
