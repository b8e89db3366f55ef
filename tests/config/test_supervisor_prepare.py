from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from projects.models import ApiToken, Project
from templates_app.models import WorkflowTemplate

pytestmark = pytest.mark.django_db


def prepare() -> dict[str, Any]:
    """Run ``manage.py prepare_up`` and return what it hands to the supervisor."""
    output = io.StringIO()
    call_command("prepare_up", stdout=output)
    prepared: dict[str, Any] = json.loads(output.getvalue())
    return prepared


class TestPrepareUp:
    def test_makes_an_administrator_whose_password_it_tells_once(self):
        first, second = prepare(), prepare()

        user = authenticate(username=first["username"], password=first["password"])
        assert user is not None
        assert user.is_superuser
        assert (second["username"], second["password"]) == ("admin", None)

    def test_makes_another_password_everywhere(self):
        first = prepare()
        User.objects.all().delete()

        assert prepare()["password"] != first["password"]

    def test_leaves_administrators_alone(self):
        User.objects.create_superuser("grace", password="x")

        assert prepare()["username"] == "grace"
        assert not User.objects.filter(username="admin").exists()

    def test_takes_no_name_that_is_somebodys(self):
        User.objects.create_user("admin")

        with pytest.raises(CommandError, match="createsuperuser"):
            prepare()

    def test_loads_the_gallery(self):
        prepare()

        assert WorkflowTemplate.objects.filter(slug="order-webhook").exists()

    def test_keeps_one_project_and_one_token_however_often_it_is_called(self):
        first, second = prepare(), prepare()

        assert first["project"] == second["project"] == str(Project.objects.get().pk)
        assert first["token"] != second["token"]
        assert ApiToken.objects.count() == 1

    def test_takes_nobody_elses_project_of_that_name(self):
        stranger = Project.objects.create(name="Demo", created_by=User.objects.create_user("charlie"))

        assert prepare()["project"] != str(stranger.pk)

    def test_hands_over_a_token_that_edits_the_project_for_a_few_minutes(self, client):
        prepared = prepare()

        answer = client.get("/api/projects/", headers={"Authorization": f"Bearer {prepared['token']}"})

        assert [project["id"] for project in answer.json()["results"]] == [prepared["project"]]
        token = ApiToken.objects.get()
        assert token.role == "editor"
        assert (token.expires_at - token.created_at).total_seconds() == 15 * 60
