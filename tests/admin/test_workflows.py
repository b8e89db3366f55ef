"""A workflow's page: saving, publishing, switching; its versions; running it by hand."""

from __future__ import annotations

import json

import pytest

from executions.models import WorkflowExecution
from projects.models import AuditEntry
from tests.admin.pages import choose, messages_of, offered, open_page, press
from tests.admin.rows import url
from tests.factories import (
    DEFINITION,
    ExecutionFactory,
    ProjectFactory,
    TriggerFactory,
    VersionFactory,
    WebhookTestDeliveryFactory,
    WorkflowFactory,
)
from tests.triggers.stories import started_by, webhook
from triggers.models import WebhookTest
from triggers.services import url_of
from workflows import services
from workflows.models import Workflow, WorkflowStatus

pytestmark = pytest.mark.django_db

OTHER = {**DEFINITION, "nodes": [*DEFINITION["nodes"][:1], {"id": "end", "type": "output", "name": "The end"}]}


def save(browser, workflow: Workflow, **changes):
    data = {
        "name": workflow.name,
        "description": workflow.description,
        "draft": json.dumps(workflow.definition),
        "etag": workflow.etag,
        **changes,
    }
    return browser.post(url("change", Workflow, workflow.pk), data)


class TestSaving:
    def test_makes_a_draft_that_knows_who_made_it(self, browser, superuser):
        project = ProjectFactory()

        response = browser.post(
            url("add", Workflow),
            {"project": project.pk, "name": "Parcels", "description": "", "draft": json.dumps(DEFINITION), "etag": ""},
        )

        workflow = Workflow.objects.get()
        assert response.status_code == 302
        assert (workflow.name, workflow.status, workflow.created_by) == ("Parcels", WorkflowStatus.DRAFT, superuser)
        assert workflow.definition == DEFINITION
        assert AuditEntry.objects.filter(action="workflow.created", target_id=str(workflow.pk)).exists()

    def test_a_new_one_begins_with_a_draft_that_can_be_published(self, browser):
        response = browser.get(url("add", Workflow))

        draft = response.context["adminform"].form.initial["draft"]
        assert services.validate(WorkflowFactory(), definition=draft) == []

    def test_changes_name_and_draft(self, browser):
        workflow = WorkflowFactory()

        assert save(browser, workflow, name="Other", draft=json.dumps(OTHER)).status_code == 302

        workflow.refresh_from_db()
        assert (workflow.name, workflow.definition, workflow.revision) == ("Other", OTHER, 2)

    def test_keeps_what_somebody_else_saved_meanwhile(self, browser):
        workflow = WorkflowFactory()
        Workflow.objects.filter(pk=workflow.pk).update(revision=2)

        response = save(browser, workflow, draft=json.dumps(OTHER))

        workflow.refresh_from_db()
        assert workflow.definition == DEFINITION
        assert "Somebody saved the draft" in messages_of(response)[0]

    @pytest.mark.parametrize("draft", ["", "{", "[1, 2]", "NaN", '{"a": 1e999}', "[" * 300 + "]" * 300, "7", "null"])
    def test_refuses_what_is_no_definition(self, browser, draft):
        workflow = WorkflowFactory()

        assert save(browser, workflow, draft=draft).status_code in (200, 302)

        workflow.refresh_from_db()
        assert workflow.definition == DEFINITION

    def test_shows_a_draft_that_was_refused_as_it_was_written(self, browser):
        response = save(browser, WorkflowFactory(), draft='{"nodes": <oops>')

        assert "{&quot;nodes&quot;: &lt;oops&gt;" in response.content.decode()

    def test_refuses_a_name_that_another_workflow_of_the_project_has(self, browser):
        workflow = WorkflowFactory()
        WorkflowFactory(project=workflow.project, name="Taken")

        response = save(browser, workflow, name="Taken")

        assert "Taken" in messages_of(response)[0]
        workflow.refresh_from_db()
        assert workflow.name != "Taken"

    def test_cannot_set_status_or_version(self, browser):
        workflow = WorkflowFactory()

        save(browser, workflow, status="active", version="7", revision="9")

        workflow.refresh_from_db()
        assert (workflow.status, workflow.version) == (WorkflowStatus.DRAFT, 0)

    def test_an_archived_workflow_is_read_only(self, browser):
        workflow = WorkflowFactory(archived=True)

        assert save(browser, workflow, name="Other").status_code == 403


class TestPage:
    def test_draws_draft_and_published_version_where_they_differ(self, browser):
        workflow = WorkflowFactory(published=True)

        assert open_page(browser, workflow).count('class="segue-graph"') == 1
        save(browser, workflow, draft=json.dumps(OTHER))
        assert open_page(browser, workflow).count('class="segue-graph"') == 2

    def test_lists_what_keeps_the_draft_from_being_published(self, browser):
        workflow = WorkflowFactory(definition={**DEFINITION, "edges": [{"source": "start", "target": "nowhere"}]})

        page = open_page(browser, workflow)

        assert "The draft cannot be published yet" in page
        assert "/edges/0/target" in page

    def test_shows_its_latest_executions_its_statistics_and_its_triggers(self, browser):
        trigger = TriggerFactory()
        execution = ExecutionFactory(
            ended=True, workflow_version=trigger.workflow.versions.get(), created_at=trigger.created_at
        )

        page = open_page(browser, trigger.workflow)

        assert url("change", WorkflowExecution, execution.pk) in page
        assert 'aria-label="Executions by day"' in page
        assert "1 completed" in page
        assert url("change", type(trigger), trigger.pk) in page

    def test_hides_what_one_may_not_see(self, staff):
        trigger = TriggerFactory()
        ExecutionFactory(ended=True, workflow_version=trigger.workflow.versions.get())

        page = open_page(staff("workflows.view_workflow"), trigger.workflow)

        assert "Latest executions" not in page
        assert url("change", type(trigger), trigger.pk) not in page

    def test_shows_the_draft_as_text_to_whoever_may_only_look(self, staff):
        page = open_page(staff("workflows.view_workflow"), WorkflowFactory())

        assert "&quot;schema&quot;: 1" in page
        assert "<textarea" not in page


class TestSwitches:
    @pytest.mark.parametrize(
        ("trait", "name", "status"),
        [
            ("published", "pause", "paused"),
            ("paused", "resume", "active"),
            ("published", "disable", "disabled"),
            ("paused", "disable", "disabled"),
            ("disabled", "enable", "active"),
            ("published", "archive", "archived"),
            ("archived", "unarchive", "disabled"),
        ],
    )
    def test_move_a_workflow_and_are_written_down(self, browser, superuser, trait, name, status):
        workflow = WorkflowFactory(**{trait: True})

        (told,) = press(browser, workflow, name)

        workflow.refresh_from_db()
        assert workflow.status == status
        assert told.startswith(f"{workflow.name}: ")
        assert AuditEntry.objects.filter(target_id=str(workflow.pk), actor=superuser).exists()

    def test_say_who_switched_it_off(self, browser):
        workflow = WorkflowFactory(published=True)

        press(browser, workflow, "disable")

        workflow.refresh_from_db()
        assert workflow.status_reason == "Switched off by sam in the admin."

    def test_tell_what_cannot_be_done(self, browser):
        paused, active = WorkflowFactory(paused=True), WorkflowFactory(published=True)

        told = choose(browser, "pause", paused, active)

        assert f"{active.name}: paused; what comes in waits." in told
        assert any("is paused and cannot be paused" in text for text in told)

    @pytest.mark.parametrize(
        ("trait", "names"),
        [
            ({}, ["try_draft", "publish", "archive", "make_test_urls"]),
            ({"published": True}, ["run", "try_draft", "publish", "pause", "disable", "archive", "make_test_urls"]),
            ({"paused": True}, ["run", "try_draft", "publish", "resume", "disable", "archive", "make_test_urls"]),
            ({"disabled": True}, ["try_draft", "publish", "enable", "archive", "make_test_urls"]),
            ({"archived": True}, ["unarchive"]),
        ],
    )
    def test_are_offered_where_they_make_sense(self, browser, trait, names):
        assert offered(open_page(browser, WorkflowFactory(**trait))) == names


class TestPublishing:
    def test_makes_the_next_version(self, browser):
        workflow = WorkflowFactory()

        assert press(browser, workflow, "publish") == [f"{workflow.name}: version 1 is published."]
        assert workflow.versions.get().number == 1

    def test_tells_every_problem(self, browser):
        workflow = WorkflowFactory(definition={"schema": 1, "nodes": [], "edges": []})

        (told,) = press(browser, workflow, "publish")

        assert "cannot be published" in told
        assert "/nodes" in told

    def test_a_version_becomes_the_draft_again(self, browser):
        workflow = WorkflowFactory(published=True)
        Workflow.objects.filter(pk=workflow.pk).update(definition=OTHER)

        press(browser, workflow.versions.get(), "restore")

        workflow.refresh_from_db()
        assert workflow.definition == DEFINITION


class TestTryingTheDraft:
    def test_runs_it_though_it_was_never_published(self, browser, superuser):
        workflow = WorkflowFactory()

        (told,) = press(browser, workflow, "try_draft", confirmed="1", input='{"order": 17}', trigger="")

        execution = WorkflowExecution.objects.get()
        assert (execution.is_test, execution.started_by) == (True, superuser)
        assert url("change", WorkflowExecution, execution.pk) in told

    def test_gives_its_webhooks_test_urls_that_the_page_shows(self, browser):
        workflow = WorkflowFactory(definition=started_by(hook=webhook()))

        (told,) = press(browser, workflow, "make_test_urls")

        address = url_of(WebhookTest.objects.get())
        assert address in told
        assert address in open_page(browser, workflow)

    def test_shows_what_came_to_a_test_url(self, browser):
        delivery = WebhookTestDeliveryFactory(verdict="rejected", reason="The draft has problems.")

        assert "The draft has problems." in open_page(browser, delivery.test)


class TestRunningByHand:
    def test_asks_for_the_input_first(self, browser):
        workflow = WorkflowFactory(published=True)

        response = browser.post(url("act", Workflow, workflow.pk, "run"))

        assert response.status_code == 200
        assert 'name="input"' in response.content.decode()
        assert not WorkflowExecution.objects.exists()

    def test_starts_it_and_leads_to_the_execution(self, browser, superuser):
        workflow = WorkflowFactory(published=True)

        (told,) = press(browser, workflow, "run", confirmed="1", input='{"order": 17}', trigger="")

        execution = WorkflowExecution.objects.get()
        assert execution.execution_context == {"trigger": {"order": 17}, "node_id": "start"}
        assert (execution.started_by, execution.triggered_by) == (superuser, "manual")
        assert url("change", WorkflowExecution, execution.pk) in told

    def test_starts_several_from_the_list_and_says_why_one_did_not(self, browser):
        active, draft = WorkflowFactory(published=True), WorkflowFactory()

        asked = browser.post(
            url("changelist", Workflow), {"action": "run", "_selected_action": [str(active.pk), str(draft.pk)]}
        )
        assert str(draft.pk) in asked.content.decode()
        told = choose(browser, "run", active, draft, confirmed="1", input="{}", trigger="")

        assert WorkflowExecution.objects.get().workflow == active
        assert any("was never published" in text for text in told)

    @pytest.mark.parametrize("text", ["", "{", "nonsense"])
    def test_shows_the_form_again_when_the_input_is_no_json(self, browser, text):
        workflow = WorkflowFactory(published=True)

        response = browser.post(url("act", Workflow, workflow.pk, "run"), {"confirmed": "1", "input": text})

        assert response.status_code == 200
        assert not WorkflowExecution.objects.exists()

    def test_tells_how_the_input_does_not_fit(self, browser):
        inputs = {"type": "object", "required": ["order"]}
        workflow = WorkflowFactory(published=True, definition={**DEFINITION, "inputs": inputs})

        (told,) = press(browser, workflow, "run", confirmed="1", input="{}", trigger="")

        assert "does not fit" in told
        assert "order" in told

    def test_is_refused_to_whoever_may_only_look(self, staff):
        workflow = WorkflowFactory(published=True)
        client = staff("workflows.view_workflow")

        assert client.post(url("act", Workflow, workflow.pk, "run"), {"confirmed": "1"}).status_code == 403


class TestVersionPage:
    def test_draws_it_and_shows_its_text(self, browser):
        page = open_page(browser, VersionFactory())

        assert 'class="segue-graph"' in page
        assert "&quot;schema&quot;: 1" in page
