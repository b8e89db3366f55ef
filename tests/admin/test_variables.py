"""Variables: a secret is written and never read."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from projects.models import AuditEntry
from tests.admin.pages import messages_of, open_page
from tests.admin.rows import url
from tests.factories import VersionFactory, WorkflowFactory
from workflows import services
from workflows.models import ProjectVariable, Workflow, WorkflowVariable

pytestmark = pytest.mark.django_db

SECRET = "hunter2-and-some-more"


def variable(
    workflow: Workflow, *, name: str = "TOKEN", value: Any = SECRET, is_secret: bool = True, **more: Any
) -> Any:
    return services.set_variable(workflow, name, value=value, is_secret=is_secret, by=None, now=timezone.now(), **more)


def secret_of(workflow: Workflow) -> str:
    return services.secrets_of(workflow, ["TOKEN"])["TOKEN"].value


@pytest.fixture
def workflow(db: None) -> Workflow:
    return WorkflowFactory()


class TestSecrets:
    def test_are_encrypted_and_never_on_a_page(self, browser, workflow):
        browser.post(
            url("add", WorkflowVariable),
            {"workflow": workflow.pk, "name": "TOKEN", "is_secret": "on", "new_value": "", "new_secret": SECRET},
        )

        row = WorkflowVariable.objects.get()
        assert secret_of(workflow) == SECRET
        pages = open_page(browser, row) + browser.get(url("changelist", WorkflowVariable)).content.decode()
        assert SECRET not in pages
        assert row.value not in pages
        assert "••••••" in pages

    def test_are_not_shown_again_beside_an_error(self, browser, workflow):
        response = browser.post(
            url("add", WorkflowVariable),
            {"workflow": "", "name": "", "is_secret": "on", "new_value": "", "new_secret": SECRET},
        )

        assert response.status_code == 200
        assert SECRET not in response.content.decode()

    def test_stay_what_they_are_when_nothing_is_written(self, browser, workflow):
        row = variable(workflow)

        browser.post(url("change", WorkflowVariable, row.pk), {"is_secret": "on", "new_value": "", "new_secret": ""})

        assert secret_of(workflow) == SECRET

    def test_are_replaced_by_what_is_written(self, browser, workflow):
        row = variable(workflow)

        browser.post(url("change", WorkflowVariable, row.pk), {"is_secret": "on", "new_secret": " line 1\n line 2"})

        assert secret_of(workflow).split() == ["line", "1", "line", "2"]
        assert secret_of(workflow).startswith(" ")

    def test_need_a_value(self, browser, workflow):
        browser.post(
            url("add", WorkflowVariable),
            {"workflow": workflow.pk, "name": "TOKEN", "is_secret": "on", "new_value": "7", "new_secret": ""},
        )

        assert not WorkflowVariable.objects.exists()

    def test_become_plain_only_with_a_new_value(self, browser, workflow):
        row = variable(workflow)

        assert browser.post(url("change", WorkflowVariable, row.pk), {"new_value": ""}).status_code == 200
        assert secret_of(workflow) == SECRET
        browser.post(url("change", WorkflowVariable, row.pk), {"new_value": '"public"'})

        assert services.variables_of(workflow) == {"TOKEN": "public"}

    def test_are_not_in_the_audit_log(self, browser, workflow):
        row = variable(workflow)

        browser.post(url("change", WorkflowVariable, row.pk), {"is_secret": "on", "new_secret": "another-secret"})

        assert not [
            entry for entry in AuditEntry.objects.values_list("details", flat=True) if "secret" in str(entry.values())
        ]


class TestPlainVariables:
    @pytest.mark.parametrize(("text", "value"), [("42", 42), ('"a"', "a"), ("null", None), ('{"a": [1]}', {"a": [1]})])
    def test_hold_json(self, browser, workflow, text, value):
        browser.post(url("add", WorkflowVariable), {"workflow": workflow.pk, "name": "LIMIT", "new_value": text})

        assert services.variables_of(workflow) == {"LIMIT": value}

    def test_show_their_value(self, browser, workflow):
        row = variable(workflow, name="LIMIT", value={"most": 17}, is_secret=False)

        assert "&quot;most&quot;: 17" in open_page(browser, row)

    @pytest.mark.parametrize("text", ["", "{", "a text"])
    def test_need_json(self, browser, workflow, text):
        row = variable(workflow, name="LIMIT", value=1, is_secret=False)

        assert browser.post(url("change", WorkflowVariable, row.pk), {"new_value": text}).status_code == 200
        assert services.variables_of(workflow) == {"LIMIT": 1}

    def test_become_secret_with_a_new_value(self, browser, workflow):
        row = variable(workflow, value="plain", is_secret=False)

        browser.post(
            url("change", WorkflowVariable, row.pk), {"is_secret": "on", "new_value": "", "new_secret": SECRET}
        )

        assert secret_of(workflow) == SECRET


class TestNamesAndPlaces:
    def test_a_bad_name_is_told(self, browser, workflow):
        response = browser.post(
            url("add", WorkflowVariable), {"workflow": workflow.pk, "name": "lower case", "new_value": "1"}
        )

        assert "cannot be the name of a variable" in messages_of(response)[0]
        assert not WorkflowVariable.objects.exists()

    def test_name_and_workflow_stay(self, browser, workflow):
        row = variable(workflow, name="LIMIT", value=1, is_secret=False)

        browser.post(
            url("change", WorkflowVariable, row.pk),
            {"name": "OTHER", "workflow": WorkflowFactory().pk, "new_value": "2"},
        )

        row.refresh_from_db()
        assert (row.name, row.workflow, row.value) == ("LIMIT", workflow, "2")

    def test_are_removed_by_their_service(self, browser, workflow):
        row = variable(workflow)

        browser.post(url("delete", WorkflowVariable, row.pk), {"post": "yes"})

        assert not WorkflowVariable.objects.exists()
        assert AuditEntry.objects.filter(action="workflow.variable_deleted").exists()

    def test_of_an_archived_workflow_stay_what_they_are(self, browser):
        workflow = WorkflowFactory()
        row = variable(workflow, name="LIMIT", value=1, is_secret=False)
        Workflow.objects.filter(pk=workflow.pk).update(status="archived")

        response = browser.post(url("change", WorkflowVariable, row.pk), {"new_value": "2"})

        assert "archived" in messages_of(response)[0]
        assert services.variables_of(workflow) == {"LIMIT": 1}


class TestAllowedHosts:
    """[S-SEC-5]"""

    def change(self, browser, row, **fields):
        return browser.post(url("change", type(row), row.pk), {"is_secret": "on", **fields})

    def test_are_given_with_the_secret(self, browser, workflow):
        body = {"workflow": workflow.pk, "name": "TOKEN", "is_secret": "on", "new_secret": SECRET}

        browser.post(url("add", WorkflowVariable), body | {"hosts": "api.example.com\n*.example.org\n"})

        row = WorkflowVariable.objects.get()
        assert row.allowed_hosts == ["api.example.com", "*.example.org"]
        assert "*.example.org" in open_page(browser, row)

    def test_become_fewer_without_the_secret(self, browser, workflow):
        row = variable(workflow, allowed_hosts=["a.example", "b.example"])

        self.change(browser, row, hosts="b.example")

        row.refresh_from_db()
        assert row.allowed_hosts == ["b.example"]
        assert secret_of(workflow) == SECRET

    def test_become_more_only_with_the_secret(self, browser, workflow):
        row = variable(workflow, allowed_hosts=["a.example"])

        refused = self.change(browser, row, hosts="a.example\nevil.example")

        row.refresh_from_db()
        assert row.allowed_hosts == ["a.example"]
        assert any("takes its value" in message for message in messages_of(refused))
        self.change(browser, row, hosts="a.example\nb.example", new_secret=SECRET)
        row.refresh_from_db()
        assert row.allowed_hosts == ["a.example", "b.example"]


class TestVariablesOfProjects:
    def test_are_made_encrypted_and_seen_by_workflows(self, browser, workflow):
        body = {"project": workflow.project_id, "name": "TOKEN", "is_secret": "on", "new_secret": SECRET}

        browser.post(url("add", ProjectVariable), body)

        row = ProjectVariable.objects.get()
        assert secret_of(workflow) == SECRET
        assert SECRET not in open_page(browser, row)

    def test_tell_who_uses_them(self, browser, workflow):
        row = services.set_variable(workflow.project, "LIMIT", value=1, by=None, now=timezone.now())
        end = {"id": "end", "type": "output", "config": {"value": "{{ vars.LIMIT }}"}}
        Workflow.objects.update(name="Orders", definition={"schema": 1, "nodes": [end], "edges": []})

        assert "Orders: its draft" in open_page(browser, row)

    def test_one_in_use_is_not_removed(self, browser, workflow):
        row = services.set_variable(workflow.project, "LIMIT", value=1, by=None, now=timezone.now())
        end = {"id": "end", "type": "output", "config": {"value": "{{ vars.LIMIT }}"}}
        VersionFactory(workflow=workflow, definition={"schema": 1, "nodes": [end], "edges": []})
        Workflow.objects.update(version=1, status="active")

        refused = browser.post(url("delete", ProjectVariable, row.pk), {"post": "yes"})

        assert ProjectVariable.objects.exists()
        assert any("is used by what runs of" in message for message in messages_of(refused))
