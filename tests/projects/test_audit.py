"""S-AUD-1: the audit log is append-only, whoever asks."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, transaction

from projects import audit
from projects.access import Actor
from projects.models import AuditEntry
from tests.factories import AuditEntryFactory, ProjectFactory, TokenFactory, UserFactory


@pytest.mark.django_db
class TestRecord:
    def test_keeps_who_what_and_from_where(self):
        token = TokenFactory()
        actor = Actor(token.user, token, "192.0.2.7")

        entry = audit.record("project.renamed", token.project, project=token.project, by=actor, details={"from": "Old"})

        entry.refresh_from_db()
        assert (entry.actor, entry.actor_name, entry.token) == (token.user, token.user.username, token)
        assert (entry.action, entry.ip_address, entry.details) == ("project.renamed", "192.0.2.7", {"from": "Old"})
        assert (entry.target_type, entry.target_id, entry.target_name) == (
            "project",
            str(token.project_id),
            token.project.name,
        )

    def test_takes_a_person(self):
        person, project = UserFactory(), ProjectFactory()

        assert audit.record("project.renamed", project, project=project, by=person).actor == person

    @pytest.mark.parametrize("nobody", [None, AnonymousUser()])
    def test_takes_nobody_for_segue_itself(self, nobody):
        project = ProjectFactory()

        entry = audit.record("project.renamed", project, project=project, by=nobody)

        assert (entry.actor, entry.actor_name) == (None, "")
        assert str(entry).startswith("Segue project.renamed project")

    def test_stores_any_details(self):
        project = ProjectFactory(name="x" * 200)

        entry = audit.record("project.renamed", project, project=project, by=None, details={"from": "a\x00b"})

        assert entry.details == {"from": r"a\u0000b"}


@pytest.mark.django_db
class TestAppendOnly:
    @pytest.mark.parametrize(
        "tamper",
        [
            lambda entry: AuditEntry.objects.filter(pk=entry.pk).update(action="nothing.happened"),
            lambda entry: AuditEntry.objects.all().delete(),
            lambda entry: entry.save(),
        ],
        ids=["update", "delete", "save"],
    )
    def test_refuses_change_and_removal(self, tamper):
        entry = AuditEntryFactory()

        with pytest.raises(DatabaseError, match="audit_log is append-only"), transaction.atomic():
            tamper(entry)

        assert AuditEntry.objects.get().action == entry.action

    def test_outlives_what_it_speaks_of(self):
        token = TokenFactory()
        entry = audit.record("token.issued", token, project=token.project, by=Actor(token.user, token))

        project, user = token.project, token.user
        project.delete()
        user.delete()

        entry = AuditEntry.objects.get(pk=entry.pk)
        assert entry.project_id is not None
        assert entry.actor_name == user.username


@pytest.mark.django_db
class TestRecordSetting:
    def test_is_written_down_when_it_has_changed_and_then_alone(self):
        for value in ([], ["10.0.0.0/8"], ["10.0.0.0/8"], []):
            audit.record_setting("SEGUE_ALLOWED_PRIVATE_NETWORKS", value, default=[])

        entries = AuditEntry.objects.order_by("created_at", "id")
        assert [entry.details for entry in entries] == [
            {"value": ["10.0.0.0/8"], "before": []},
            {"value": [], "before": ["10.0.0.0/8"]},
        ]
        assert {(entry.action, entry.target_id, entry.project) for entry in entries} == {
            ("setting.changed", "SEGUE_ALLOWED_PRIVATE_NETWORKS", None)
        }
