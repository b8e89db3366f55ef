"""Loading the gallery and installing templates."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from projects.access import Actor
from projects.models import AuditEntry
from templates_app.exceptions import BrokenTemplateFile, InvalidVariables, MissingRequirements
from templates_app.files import GALLERY
from templates_app.models import WorkflowTemplate
from templates_app.services import free_name, install_template, load_gallery
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import ProjectFactory, TemplateFactory, WorkflowFactory
from tests.threads import at_once
from triggers.models import WebhookRegistration
from triggers.services.webhook_secrets import live_secrets
from workflows.exceptions import InvalidDefinition, NameTaken
from workflows.models import Workflow
from workflows.services import secrets_of, variables_of

pytestmark = pytest.mark.django_db

HOOK = definition("hook > end", hook=node("trigger", {"kind": "webhook", "auth": {"scheme": "bearer"}}))
OPEN_HOOK = definition("hook > end", hook=node("trigger", {"kind": "webhook"}))
VARIABLES = [
    {"name": "URL", "description": "Where to call.", "schema": {"type": "string"}},
    {"name": "KEY", "description": "Its key.", "is_secret": True},
    {"name": "DAYS", "description": "How long.", "default": 3},
]
IN_GALLERY = len(list(GALLERY.glob("*.json")))
VALUES = {"URL": "https://example.com", "KEY": "hunter2-hunter2"}


@pytest.fixture
def folder(tmp_path):
    """A gallery of one file; ``write(...)`` changes it."""
    return tmp_path


@pytest.fixture
def write(folder):
    def write_file(**changes):
        file = {
            "slug": "hello",
            "name": "Hello",
            "description": "Says hello.",
            "category": "examples",
            "version": "1.0.0",
            "is_featured": True,
            "workflow_definition": definition("start > end"),
        }
        (folder / "hello.json").write_text(json.dumps({**file, **changes}))

    return write_file


def install(template, project=None, *, variables=None, **more):
    return install_template(
        template,
        project=project or ProjectFactory(),
        variables=variables or {},
        by=more.pop("by", None),
        now=NOON,
        **more,
    )


class TestLoadGallery:
    def test_makes_each_file_a_template(self, write, folder):
        write(tags=["a"], required_variables=VARIABLES)

        loaded = load_gallery(now=NOON, folder=folder)

        template = WorkflowTemplate.objects.get()
        assert (loaded.created, loaded.updated, loaded.unchanged) == (1, 0, 0)
        assert (template.slug, template.name, template.tags, template.created_at) == ("hello", "Hello", ["a"], NOON)
        assert template.is_featured
        assert template.preview_image.startswith("<svg")

    def test_changes_nothing_the_second_time(self, write, folder):
        write(required_variables=VARIABLES)
        load_gallery(now=NOON, folder=folder)
        before = WorkflowTemplate.objects.values().get()

        loaded = load_gallery(now=NOON + timedelta(days=1), folder=folder)

        assert (loaded.created, loaded.updated, loaded.unchanged) == (0, 0, 1)
        assert WorkflowTemplate.objects.values().get() == before

    def test_brings_a_template_to_what_its_file_says_now(self, write, folder):
        write()
        load_gallery(now=NOON, folder=folder)
        write(version="1.1.0", workflow_definition=definition("start > middle > end"))

        loaded = load_gallery(now=NOON + timedelta(days=1), folder=folder)

        template = WorkflowTemplate.objects.get()
        assert (loaded.created, loaded.updated, loaded.unchanged) == (0, 1, 0)
        assert template.version == "1.1.0"
        assert "middle" in template.preview_image
        assert (template.created_at, template.updated_at) == (NOON, NOON + timedelta(days=1))

    def test_leaves_what_people_decided(self, write, folder):
        write()
        load_gallery(now=NOON, folder=folder)
        decided = {"usage_count": 7, "rating": 4, "is_featured": False, "is_verified": True}
        WorkflowTemplate.objects.update(**decided)
        write(version="1.1.0")

        load_gallery(now=NOON, folder=folder)

        assert WorkflowTemplate.objects.values(*decided).get() == decided

    def test_leaves_templates_without_a_file(self, write, folder):
        write()
        other = TemplateFactory()

        load_gallery(now=NOON, folder=folder)

        assert set(WorkflowTemplate.objects.values_list("slug", flat=True)) == {"hello", other.slug}

    def test_loads_nothing_if_one_file_is_broken(self, write, folder):
        write()
        (folder / "zebra.json").write_text("{}")

        with pytest.raises(BrokenTemplateFile, match=r"zebra\.json"):
            load_gallery(now=NOON, folder=folder)

        assert not WorkflowTemplate.objects.exists()


class TestLoadGalleryCommand:
    def test_loads_what_comes_with_segue(self, capsys):
        call_command("load_gallery")
        call_command("load_gallery")

        assert capsys.readouterr().out.splitlines() == [
            f"Gallery: {IN_GALLERY} new, 0 updated, 0 unchanged.",
            f"Gallery: 0 new, 0 updated, {IN_GALLERY} unchanged.",
        ]

    def test_loads_a_folder_of_ones_own(self, write, folder, capsys):
        write()

        call_command("load_gallery", folder)

        assert capsys.readouterr().out == "Gallery: 1 new, 0 updated, 0 unchanged.\n"

    def test_says_which_file_is_broken(self, folder):
        (folder / "hello.json").write_text("[]")

        with pytest.raises(CommandError, match=r"hello\.json is no template"):
            call_command("load_gallery", folder)

    def test_says_that_there_is_no_such_folder(self, folder):
        with pytest.raises(CommandError, match="There is no folder"):
            call_command("load_gallery", folder / "nowhere")


class TestInstallTemplate:
    def test_makes_an_active_workflow(self, alice, project):
        template = TemplateFactory(name="Hello", description="Says hello.", version="1.2.3")

        installation = install(template, project, by=Actor(alice))

        workflow = Workflow.objects.get()
        assert installation.workflow == workflow
        assert (workflow.project, workflow.name, workflow.description) == (project, "Hello", "Says hello.")
        assert (workflow.status, workflow.version, workflow.created_by) == ("active", 1, alice)
        assert workflow.versions.get().definition == template.workflow_definition
        assert workflow.versions.get().message == "Installed from the template Hello 1.2.3."

    def test_gives_it_its_variables_with_the_secrets_encrypted(self):
        """S-SEC-1"""
        template = TemplateFactory(required_variables=VARIABLES)

        workflow = install(template, variables=VALUES).workflow

        assert variables_of(workflow) == {"URL": "https://example.com", "DAYS": 3}
        assert secrets_of(workflow, ["KEY"])["KEY"].value == "hunter2-hunter2"
        assert "hunter2" not in workflow.variables.get(name="KEY").value

    def test_writes_down_who_did_it(self, alice, project):
        template = TemplateFactory(slug="hello", version="1.0.0")

        workflow = install(template, project, by=Actor(alice)).workflow

        entry = AuditEntry.objects.get(action="template.installed")
        assert (entry.actor, entry.project, entry.target_id) == (alice, project, str(workflow.pk))
        assert entry.details == {"template": "hello", "version": "1.0.0", "workflow": str(workflow.pk)}

    def test_counts_the_use_and_nothing_else(self):
        template = TemplateFactory(usage_count=2)
        updated_at = template.updated_at

        install(template)

        template.refresh_from_db()
        assert (template.usage_count, template.updated_at) == (3, updated_at)

    def test_leaves_a_draft_where_that_is_asked_for(self):
        installation = install(TemplateFactory(workflow_definition=HOOK), publish=False)

        assert (installation.workflow.status, installation.workflow.version) == ("draft", 0)
        assert installation.webhooks == ()
        assert not WebhookRegistration.objects.exists()

    def test_gives_a_webhook_that_asks_for_a_proof_its_secret(self):
        installation = install(TemplateFactory(workflow_definition=HOOK))

        (webhook,) = installation.webhooks
        assert webhook.secret
        assert [each.text for each in live_secrets(WebhookRegistration.objects.get(), NOON)] == [webhook.secret]

    def test_gives_an_open_webhook_none(self):
        (webhook,) = install(TemplateFactory(workflow_definition=OPEN_HOOK)).webhooks

        assert webhook.secret is None
        assert WebhookRegistration.objects.get().secret == ""

    def test_refuses_variables_that_do_not_fit_and_leaves_nothing_behind(self):
        template = TemplateFactory(required_variables=VARIABLES)

        with pytest.raises(InvalidVariables, match="The variables have 2 problems"):
            install(template, variables={"URL": 5})

        assert_untouched(template)

    @pytest.mark.parametrize("value", ["", 5, None, "x" * 70_000])
    def test_refuses_a_value_that_no_secret_can_have(self, value):
        """What only storing finds out is said in the same way."""
        template = TemplateFactory(required_variables=VARIABLES)

        with pytest.raises(InvalidVariables) as raised:
            install(template, variables={"URL": "https://example.com", "KEY": value})

        assert [problem["path"] for problem in raised.value.problems] == ["/variables/KEY"]
        assert value == "x" * 70_000 or raised.value.problems[0]["hint"] == "Write numbers and objects as text."
        assert_untouched(template)

    def test_refuses_what_this_installation_does_not_have(self):
        raw = definition("start > think > call", think=node("oracle"), call=node("tool", {"tool": "fax.send"}))
        template = TemplateFactory(name="Think", workflow_definition=raw)

        with pytest.raises(MissingRequirements, match=r"'Think' needs .*: node type oracle, tool fax\.send"):
            install(template)

        assert_untouched(template)

    def test_leaves_nothing_behind_if_it_cannot_be_published(self):
        template = TemplateFactory(
            workflow_definition=definition("start > end", end=node("output", {"value": "{{ vars.X }}"}))
        )

        with pytest.raises(InvalidDefinition):
            install(template)

        assert_untouched(template)


def assert_untouched(template):
    template.refresh_from_db()
    assert template.usage_count == 0
    assert not Workflow.objects.exists()
    assert not AuditEntry.objects.exists()


class TestName:
    def test_is_the_one_that_is_asked_for(self):
        assert install(TemplateFactory(name="Hello"), name="Mine").workflow.name == "Mine"

    def test_gets_a_number_where_the_templates_own_is_taken(self, project):
        template = TemplateFactory(name="Hello")

        names = [install(template, project).workflow.name for _ in range(3)]

        assert names == ["Hello", "Hello 2", "Hello 3"]

    def test_is_not_taken_by_other_projects(self):
        template = TemplateFactory(name="Hello")

        assert {install(template).workflow.name for _ in range(2)} == {"Hello"}

    def test_that_is_taken_is_refused_with_one_that_is_free(self, project):
        WorkflowFactory(project=project, name="Mine")

        with pytest.raises(NameTaken, match="called 'Mine' already") as raised:
            install(TemplateFactory(), project, name="Mine")

        assert (raised.value.path, raised.value.hint) == ("/name", "'Mine 2' is free.")
        assert Workflow.objects.count() == 1

    def test_fits_however_long_the_wanted_one_is(self, project):
        wanted = "x" * 200
        WorkflowFactory(project=project, name=wanted)

        assert free_name(project, wanted) == f"{'x' * 192} 2"


@pytest.mark.django_db(transaction=True)
def test_two_at_once_are_both_counted(db):
    template, projects = TemplateFactory(), [ProjectFactory(), ProjectFactory()]

    at_once(*(lambda project=project: install(template, project) for project in projects))

    template.refresh_from_db()
    assert template.usage_count == 2
    assert Workflow.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_gallery_loaded_twice_at_once_is_there_once(db):
    at_once(lambda: load_gallery(now=NOON), lambda: load_gallery(now=NOON))

    assert WorkflowTemplate.objects.count() == IN_GALLERY
