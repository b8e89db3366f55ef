from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from executions.models import OutgoingHold, OutgoingLimit
from tests.factories import MemberFactory, OutgoingHoldFactory, OutgoingLimitFactory

pytestmark = pytest.mark.django_db
LIMITS = "/api/outgoing-limits/"
HOLDS = "/api/outgoing-holds/"


@pytest.fixture
def member():
    return MemberFactory(role="operator")


@pytest.fixture
def api(member):
    client = APIClient()
    client.force_login(member.user)
    return client


class TestLimits:
    def test_an_operator_makes_changes_and_removes_one(self, api, member):
        body = {"project": str(member.project_id), "host": "API.example.com", "per_minute": 60, "burst": 5}

        made = api.post(LIMITS, body, format="json")
        changed = api.patch(f"{LIMITS}{made.data['id']}/", {"at_once": 2}, format="json")
        removed = api.delete(f"{LIMITS}{made.data['id']}/")

        assert (made.status_code, changed.status_code, removed.status_code) == (201, 200, 204)
        assert made.data["host"] == "api.example.com"
        assert (changed.data["per_minute"], changed.data["burst"], changed.data["at_once"]) == (60, 5, 2)
        assert not OutgoingLimit.objects.exists()

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            ({"per_minute": 1}, 400, "for a host or for a secret"),
            ({"host": "a b", "per_minute": 1}, 400, "no host"),
            ({"host": "h"}, 400, "limits nothing"),
            ({"host": "h", "per_minute": 0}, 400, "/per_minute"),
            ({"host": "h", "per_minute": "many"}, 400, "/per_minute"),
            ({"host": "h", "per_hour": 1}, 400, "per_hour"),
            ({"host": "h\x00", "per_minute": 1}, 400, "/host"),
            ({"host": "taken.example.com", "per_minute": 1}, 409, "already"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, api, member, body, status, said):
        OutgoingLimitFactory(project=member.project, host="taken.example.com")

        answer = api.post(LIMITS, {"project": str(member.project_id), **body}, format="json")

        assert answer.status_code == status
        assert said in answer.content.decode()

    def test_lists_are_narrowed_by_project_and_host(self, api, member):
        OutgoingLimitFactory(project=member.project, host="a")
        OutgoingLimitFactory(project=member.project, host="b")

        answer = api.get(LIMITS, {"project": str(member.project_id), "host": "b"})

        assert [limit["host"] for limit in answer.data["results"]] == ["b"]


class TestHolds:
    def test_say_which_hosts_are_not_called_and_until_when(self, api, member):
        hold = OutgoingHoldFactory(project=member.project, host="h")

        (shown,) = api.get(HOLDS).data["results"]

        assert (shown["host"], shown["project"], shown["id"]) == ("h", member.project_id, str(hold.pk))

    def test_an_operator_lifts_one(self, api, member):
        hold = OutgoingHoldFactory(project=member.project)

        assert api.delete(f"{HOLDS}{hold.pk}/").status_code == 204
        assert not OutgoingHold.objects.exists()
