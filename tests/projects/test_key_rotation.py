"""S-SEC-2: keys are exchanged while everything runs, in any order of deaths and doubles."""

from __future__ import annotations

import base64
import re
import threading
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import JSONField, TextField

from projects import crypto, envelopes, key_rotation
from projects.failpoints import failpoint
from projects.key_rotation import rotate
from projects.models import AuditEntry, Project
from tests.clock import NOON
from tests.factories import ProjectFactory, WebhookFactory, WorkflowFactory
from triggers.services import webhook_secrets
from workflows import services

OLD = "old:" + base64.b64encode(b"o" * 16 + bytes(range(16))).decode()
NEW = "new:" + base64.b64encode(b"n" * 16 + bytes(range(16))).decode()

pytestmark = pytest.mark.django_db(transaction=True)


class World:
    """A project with a secret in every column that holds one."""

    def __init__(self) -> None:
        self.workflow = WorkflowFactory()
        self.project = self.workflow.project
        self.registration = WebhookFactory(trigger__workflow=self.workflow, auth={"scheme": "github"})
        services.set_variable(self.workflow, "OWN", value="own-secret", is_secret=True, by=None, now=NOON)
        services.set_variable(self.project, "SHARED", value="shared-secret", is_secret=True, by=None, now=NOON)
        webhook_secrets.set_secret(self.registration, secret="webhook-secret-of-16", by=None, now=NOON)

    def secrets(self) -> dict[str, str]:
        """Read all of them anew."""
        workflow = type(self.workflow).objects.get(pk=self.workflow.pk)
        registration = type(self.registration).objects.get(pk=self.registration.pk)
        found = {name: secret.value for name, secret in services.secrets_of(workflow, ["OWN", "SHARED"]).items()}
        return found | {"webhook": webhook_secrets.live_secrets(registration, NOON)[0].text}

    @property
    def data_key(self) -> str:
        return Project.objects.get(pk=self.project.pk).data_key


SECRETS = {"OWN": "own-secret", "SHARED": "shared-secret", "webhook": "webhook-secret-of-16"}


@pytest.fixture
def world(settings) -> World:
    settings.SEGUE_ENCRYPTION_KEYS = [OLD]
    world = World()
    settings.SEGUE_ENCRYPTION_KEYS = [NEW, OLD]
    return world


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_keys", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def kinds_of_data_keys(world: World) -> list[str]:
    return [wrapped.split(":")[1] for wrapped in crypto.wrapped_keys(world.data_key)]


class TestRewrapping:
    def test_needs_the_old_key_no_more(self, world, settings):
        run()

        settings.SEGUE_ENCRYPTION_KEYS = [NEW]
        assert world.secrets() == SECRETS

    def test_leaves_the_data_key_and_the_envelopes_alone(self, world):
        before = crypto.wrapped_key_id(world.data_key)

        run()

        assert crypto.wrapped_key_id(world.data_key) == before

    def test_says_what_it_did_and_which_key_can_go(self, world):
        assert run() == (
            "1 projects: 1 data keys wrapped anew, 0 replaced, 0 secrets encrypted anew.\n"
            "Key old is not needed any more: take it out of SEGUE_ENCRYPTION_KEYS.\n"
        )
        assert run().startswith("1 projects: 0 data keys wrapped anew")

    def test_is_in_the_audit_log_without_any_key(self, world):
        run()

        entry = AuditEntry.objects.get(action="project.data_key_wrapped")
        assert entry.details["wrapped_by"] == ["new"]
        assert set(entry.details) == {"data_keys", "wrapped_by"}

    def test_a_project_whose_key_is_gone_does_not_stop_the_others(self, world, settings):
        lost = ProjectFactory(data_key="v1:gone:abcdef01:AAAA", name="a lost one")

        with pytest.raises(CommandError, match="1 could not be read"):
            run()

        settings.SEGUE_ENCRYPTION_KEYS = [NEW]
        assert world.secrets() == SECRETS
        assert Project.objects.get(pk=lost.pk).data_key == "v1:gone:abcdef01:AAAA"


class TestNewDataKeys:
    def test_encrypt_all_secrets_anew(self, world, settings):
        before = world.data_key

        assert "1 replaced, 3 secrets encrypted anew" in run("--data-keys")

        settings.SEGUE_ENCRYPTION_KEYS = [NEW]
        assert world.secrets() == SECRETS
        assert crypto.wrapped_key_id(world.data_key) != crypto.wrapped_key_id(before)
        for column in envelopes.columns().values():
            for row in column.rows_of(world.project):
                assert crypto.key_id_of(getattr(row, column.column)) == crypto.wrapped_key_id(world.data_key)

    def test_are_made_once_for_one_new_key(self, world):
        run("--data-keys")
        after = world.data_key

        assert "0 replaced, 0 secrets" in run("--data-keys")
        assert world.data_key == after

    @pytest.mark.parametrize("point", ["rotation.encrypt", "rotation.drop"])
    def test_what_was_killed_is_finished_by_the_next_run(self, world, settings, monkeypatch, point):
        class Killed(BaseException):
            pass

        def die(name: str) -> None:
            if name == point:
                raise Killed

        monkeypatch.setattr(key_rotation, "failpoint", die)
        with pytest.raises(Killed):
            run("--data-keys")
        assert world.secrets() == SECRETS
        assert len(kinds_of_data_keys(world)) == 2
        monkeypatch.setattr(key_rotation, "failpoint", failpoint)

        run()

        settings.SEGUE_ENCRYPTION_KEYS = [NEW]
        assert world.secrets() == SECRETS
        assert kinds_of_data_keys(world) == ["new"]

    def test_what_is_set_meanwhile_is_encrypted_with_the_new_key(self, world, settings, monkeypatch):
        stale = type(world.workflow).objects.select_related("project").get(pk=world.workflow.pk)

        def set_meanwhile(name: str) -> None:
            if name == "rotation.drop":
                services.set_variable(stale, "LATE", value="late-secret", is_secret=True, by=None, now=NOON)

        monkeypatch.setattr(key_rotation, "failpoint", set_meanwhile)
        run("--data-keys")

        settings.SEGUE_ENCRYPTION_KEYS = [NEW]
        workflow = type(world.workflow).objects.get(pk=world.workflow.pk)
        assert services.secrets_of(workflow, ["LATE"])["LATE"].value == "late-secret"

    def test_what_was_read_before_is_readable_after(self, world):
        workflow = type(world.workflow).objects.select_related("project").get(pk=world.workflow.pk)
        (variable,) = workflow.variables.filter(name="OWN")

        run("--data-keys")

        column = envelopes.columns()["workflow_variables.value"]
        assert column.open(variable) == "own-secret"

    def test_the_old_data_key_stays_while_anything_needs_it(self, world):
        variable = world.workflow.variables.get(name="OWN")
        type(variable).objects.filter(pk=variable.pk).update(value=variable.value[:-8] + "AAAAAAA=")

        with pytest.raises(CommandError, match="1 could not be read"):
            run("--data-keys")

        assert len(kinds_of_data_keys(world)) == 2

    @pytest.mark.skipif("connection.vendor == 'sqlite'")
    def test_two_runs_at_once_do_no_harm(self, world, settings):
        errors: list[BaseException] = []

        def rotate_all() -> None:
            try:
                list(rotate(with_data_keys=True))
            except BaseException as error:
                errors.append(error)
            finally:
                connections.close_all()

        for number in range(20):
            services.set_variable(
                world.workflow, f"S{number}", value=f"secret-{number}", is_secret=True, by=None, now=NOON
            )
        threads = [threading.Thread(target=rotate_all) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert errors == []
        settings.SEGUE_ENCRYPTION_KEYS = [NEW]
        assert world.secrets() == SECRETS
        names = [f"S{number}" for number in range(20)]
        workflow = type(world.workflow).objects.get(pk=world.workflow.pk)
        assert {secret.value for secret in services.secrets_of(workflow, names).values()} == {
            f"secret-{number}" for number in range(20)
        }


class TestEnvelopeColumns:
    def test_every_envelope_in_the_database_is_in_a_registered_column(self, world):
        """Looks through all text and JSON of every table, so that a new column cannot be forgotten."""
        holding = set(columns_with_envelopes())

        assert holding == set(envelopes.columns())

    def test_nothing_but_them_encrypts(self):
        """A column that is not registered would be left out by the rotation."""
        import pathlib

        callers = {
            str(path)
            for app in ("projects", "workflows", "executions", "triggers", "templates_app", "config")
            for path in pathlib.Path(app).rglob("*.py")
            if re.search(r"\bcrypto\.(encrypt|decrypt)\(|import (encrypt|decrypt)\b", path.read_text())
        }
        assert callers == {"projects/envelopes.py"}


def columns_with_envelopes() -> list[str]:
    found = []
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            if isinstance(field, TextField | JSONField) and any(map(is_envelope, values_of(model, field.column))):
                found.append(f"{model._meta.db_table}.{field.column}")
    return found


def values_of(model: Any, column: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT "{column}" FROM "{model._meta.db_table}"')
        return [value for (value,) in cursor.fetchall()]


def is_envelope(value: Any) -> bool:
    return re.search(r"\bv1:[0-9a-f]{8}:[A-Za-z0-9_-]{20}", str(value)) is not None
