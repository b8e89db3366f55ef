"""S-API-1, S-API-3, S-AUTH-1: how callers say who they are."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from projects import keys
from projects.models import ApiToken
from tests.clock import NOON
from tests.factories import MemberFactory, UserFactory, token_and_key


def get(key: str, *, scheme: str = "Bearer", client: APIClient | None = None):
    return (client or APIClient()).get("/api/projects/", headers={"Authorization": f"{scheme} {key}"})


@pytest.mark.django_db
class TestToken:
    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_opens_its_project(self, scheme):
        token, key = token_and_key()

        response = get(key, scheme=scheme)

        assert response.status_code == 200
        assert [row["id"] for row in response.json()["results"]] == [str(token.project_id)]

    def test_opens_no_other_project_of_its_owner(self):
        member = MemberFactory()
        MemberFactory(user=member.user)
        _, key = token_and_key(member=member)

        assert [row["id"] for row in get(key).json()["results"]] == [str(member.project_id)]

    @pytest.mark.parametrize("state", ["expired", "revoked"])
    def test_opens_nothing_when_it_is_over(self, state):
        _, key = token_and_key(**{state: True})

        response = get(key)

        assert response.status_code == 401
        assert response.json()["code"] == "unauthenticated"
        assert response["WWW-Authenticate"] == 'Bearer realm="segue"'

    def test_expires_at_its_moment(self, noon):
        _, key = token_and_key(expires_at=noon)
        _, later = token_and_key(expires_at=noon + timedelta(seconds=1))

        assert get(key).status_code == 401
        assert get(later).status_code == 200

    def test_opens_nothing_when_its_owner_is_inactive(self):
        token, key = token_and_key()
        token.user.is_active = False
        token.user.save()

        assert get(key).status_code == 401

    def test_sees_nothing_when_its_owner_is_no_member_any_more(self):
        token, key = token_and_key()
        token.user.memberships.all().delete()

        response = get(key)

        assert response.status_code == 200
        assert response.json()["results"] == []

    def test_is_refused_when_its_prefix_is_right_but_not_its_secret(self):
        token, _ = token_and_key()
        forged = f"segue_{token.prefix}_" + "0" * keys.SECRET_LENGTH
        forged += "_" + keys._checksum(forged)

        assert keys.prefix_of(forged) == token.prefix
        assert get(forged).status_code == 401

    @pytest.mark.parametrize("key", ["", "nonsense", "segue_x_y_z", "ü", "segue_" + "0" * 5000])
    def test_is_refused_when_it_is_none(self, key):
        assert get(key).status_code == 401

    def test_is_not_asked_of_the_database_when_it_is_mistyped(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            get("segue_nonsense")

    def test_is_stored_as_a_digest(self):
        token, key = token_and_key()

        assert len(token.digest) == 64
        assert key.split("_")[2] not in str(vars(token))


@pytest.mark.django_db
class TestLastUse:
    def test_is_noted(self, noon):
        token, key = token_and_key()

        get(key)

        token.refresh_from_db()
        assert token.last_used_at == noon

    @pytest.mark.parametrize(("seconds", "is_noted"), [(59, False), (60, True)])
    def test_is_noted_once_a_minute(self, time_machine, seconds, is_noted):
        token, key = token_and_key(last_used_at=NOON)
        time_machine.move_to(NOON + timedelta(seconds=seconds), tick=False)

        get(key)

        token.refresh_from_db()
        assert (token.last_used_at != NOON) == is_noted


@pytest.mark.django_db
class TestSession:
    def test_needs_csrf(self):
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(UserFactory())

        response = client.post("/api/projects/", {"name": "A project"})

        assert response.status_code == 403
        assert response.json()["message"].startswith("CSRF Failed")

    def test_is_enough_with_csrf(self):
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(UserFactory())
        client.get("/api/auth/login/")
        csrf = client.cookies["csrftoken"].value

        response = client.post("/api/projects/", {"name": "A project"}, headers={"X-CSRFToken": csrf})

        assert response.status_code == 201


@pytest.mark.django_db
class TestTokenAndSessionTogether:
    def test_the_token_counts_and_needs_no_csrf(self):
        owner = MemberFactory(role="owner")
        _, key = token_and_key(member=owner, role="admin")
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(UserFactory(superuser=True))

        response = client.patch(
            f"/api/projects/{owner.project_id}/", {"name": "Renamed"}, headers={"Authorization": f"Bearer {key}"}
        )

        assert response.status_code == 200
        assert response.json()["role"] == "admin"

    def test_a_bad_token_is_not_forgiven_for_the_session(self):
        client = APIClient()
        client.force_login(UserFactory(superuser=True))

        assert get("segue_nonsense", client=client).status_code == 401


@pytest.mark.django_db
class TestNobody:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YWxpY2U6cGFzcw=="}, {"Authorization": ""}])
    def test_is_asked_who_it_is(self, headers):
        response = APIClient().get("/api/projects/", headers=headers)

        assert response.status_code == 401
        assert response.json()["code"] == "unauthenticated"
        assert response["WWW-Authenticate"] == 'Bearer realm="segue"'


@pytest.mark.django_db
def test_a_token_costs_one_query_and_its_user_none(django_assert_num_queries):
    _token, key = token_and_key()
    ApiToken.objects.update(last_used_at=NOON + timedelta(days=36500))

    with django_assert_num_queries(3):  # The token with its user; the projects that it may see; the page of them.
        get(key)
