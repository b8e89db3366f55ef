"""What can be done with workflows, and what cannot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.dispatch import Signal

from projects.access import Actor
from projects.exceptions import NotFound
from projects.models import AuditEntry
from tests import builders
from tests.clock import NOON
from tests.factories import (
    DEFINITION,
    ExecutionFactory,
    ProjectFactory,
    UserFactory,
    VariableFactory,
    VersionFactory,
    WorkflowFactory,
)
from tests.threads import at_once
from workflows import services
from workflows.definition.shape import MAX_BYTES
from workflows.exceptions import (
    DraftChanged,
    IllegalWorkflowTransition,
    InvalidDefinition,
    InvalidVariable,
    NameTaken,
    UnknownVersion,
    WorkflowArchived,
)
from workflows.expressions import InProcessSandbox, share, shared_evaluator
from workflows.models import Workflow, WorkflowStatus, WorkflowVariable, WorkflowVersion
from workflows.signals import status_changed, version_published

pytestmark = pytest.mark.django_db

two_connections = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("config.getoption('--sqlite')", reason="SQLite in memory has one connection"),
]

BROKEN: dict[str, Any] = {"schema": 1, "nodes": [], "edges": [{"source": "nowhere", "target": "here"}]}


@pytest.fixture
def by() -> Actor:
    return Actor(user=UserFactory())


def renamed(node_id: str, name: str) -> dict[str, Any]:
    """Return the smallest definition with one node under another name."""
    definition = deepcopy(DEFINITION)
    next(node for node in definition["nodes"] if node["id"] == node_id)["name"] = name
    return definition


def definition_of_size(size: int) -> dict[str, Any]:
    definition = {**DEFINITION, "ui": {"note": ""}}
    room = size - len(json.dumps(definition, separators=(",", ":")))
    return {**definition, "ui": {"note": "x" * room}}


@contextmanager
def heard(signal: Signal) -> Iterator[list[dict[str, Any]]]:
    """Collect what a signal says."""
    calls: list[dict[str, Any]] = []

    def listen(**said: Any) -> None:
        calls.append(said)

    signal.connect(listen)
    try:
        yield calls
    finally:
        signal.disconnect(listen)


def refusing(**_: Any) -> None:
    raise RuntimeError("The listener cannot do its part.")


def outcome(do: Callable[[], Any]) -> Any:
    """Return what a call gives, or what it raises."""
    try:
        return do()
    except Exception as error:
        return type(error)


class TestCreateWorkflow:
    def test_makes_a_draft(self, by):
        project = ProjectFactory()

        workflow = services.create_workflow(project, name="Orders", definition=DEFINITION, by=by, now=NOON)

        workflow.refresh_from_db()
        assert (workflow.status, workflow.version, workflow.revision) == (WorkflowStatus.DRAFT, 0, 1)
        assert workflow.definition == DEFINITION
        assert (workflow.created_by, workflow.created_at) == (by.user, NOON)
        assert AuditEntry.objects.get().action == "workflow.created"

    def test_takes_a_draft_with_problems(self, by):
        assert services.create_workflow(ProjectFactory(), name="Orders", definition=BROKEN, by=by, now=NOON).pk

    def test_a_name_is_taken_once_in_a_project(self, by):
        project = ProjectFactory()
        WorkflowFactory(project=project, name="Orders", archived=True)

        with pytest.raises(NameTaken, match="called 'Orders' already"):
            services.create_workflow(project, name="Orders", definition=DEFINITION, by=by, now=NOON)
        assert services.create_workflow(ProjectFactory(), name="Orders", definition=DEFINITION, by=by, now=NOON).pk

    def test_takes_a_definition_of_just_one_mebibyte(self, by):
        """S-DOS-1"""
        definition = definition_of_size(MAX_BYTES)

        assert services.create_workflow(ProjectFactory(), name="Large", definition=definition, by=by, now=NOON).pk

    @pytest.mark.parametrize(
        ("definition", "code"),
        [
            (definition_of_size(MAX_BYTES + 1), "definition_too_large"),
            ({"nodes": "a\x00b"}, "invalid_text"),
            ({"nodes": "\ud800"}, "invalid_text"),
            ({"nodes": float("nan")}, "invalid_number"),
            ({"nodes": {1: 2}}, "wrong_type"),
        ],
    )
    def test_refuses_what_cannot_be_kept(self, by, definition, code):
        with pytest.raises(InvalidDefinition) as refused:
            services.create_workflow(ProjectFactory(), name="Orders", definition=definition, by=by, now=NOON)

        assert [problem["code"] for problem in refused.value.problems] == [code]
        assert not Workflow.objects.exists()


class TestSaveDraft:
    def test_changes_what_is_given_and_counts_the_save(self, by):
        workflow = WorkflowFactory(name="Orders", description="Old")

        services.save_draft(workflow, definition=BROKEN, by=by, now=NOON)

        saved = Workflow.objects.get()
        assert (saved.definition, saved.revision, saved.updated_at) == (BROKEN, 2, NOON)
        assert (saved.name, saved.description) == ("Orders", "Old")
        assert workflow.etag == '"2"'

    def test_writes_down_who_changed_what(self, by):
        services.save_draft(WorkflowFactory(), name="New", description="", by=by, now=NOON)

        entry = AuditEntry.objects.get()
        assert (entry.action, entry.actor_id) == ("workflow.saved", by.user.pk)
        assert entry.details == {"revision": 2, "changed": ["description", "name"]}

    @pytest.mark.parametrize("if_match", [None, "*", '"1"', 'W/"1"', '"7", "1"', ' "1" '])
    def test_saves_when_the_tag_fits(self, by, if_match):
        assert services.save_draft(WorkflowFactory(), name="New", if_match=if_match, by=by, now=NOON).revision == 2

    @pytest.mark.parametrize(
        "if_match", ['"2"', '"0"', "1", "", '""', '"1', '"one"', '"1000000000000000"', "''", '"²"']
    )
    def test_refuses_when_somebody_saved_meanwhile(self, by, if_match):
        workflow = WorkflowFactory(name="Old")

        with pytest.raises(DraftChanged, match='its entity tag is "1" now'):
            services.save_draft(workflow, name="New", if_match=if_match, by=by, now=NOON)

        assert Workflow.objects.get().name == "Old"
        assert not AuditEntry.objects.exists()

    def test_an_archived_one_is_read_only(self, by):
        with pytest.raises(WorkflowArchived):
            services.save_draft(WorkflowFactory(archived=True), name="New", by=by, now=NOON)

    def test_a_taken_name_leaves_all_as_it_was(self, by):
        workflow = WorkflowFactory(name="Mine")
        WorkflowFactory(project=workflow.project, name="Theirs")

        with pytest.raises(NameTaken):
            services.save_draft(workflow, name="Theirs", definition=BROKEN, by=by, now=NOON)

        assert Workflow.objects.get(name="Mine").definition == DEFINITION

    def test_refuses_what_is_no_object(self, by):
        with pytest.raises(InvalidDefinition, match="JSON object"):
            services.save_draft(WorkflowFactory(), definition=[], by=by, now=NOON)  # type: ignore[arg-type]


class TestSaveDraftAtOnce:
    pytestmark = two_connections

    def test_one_of_many_who_read_the_same_draft_saves(self, by):
        workflow = WorkflowFactory()

        def save(name: str) -> Any:
            mine = Workflow.objects.get(pk=workflow.pk)
            return services.save_draft(mine, name=name, if_match='"1"', by=by, now=NOON).name

        outcomes = at_once(*(partial(outcome, partial(save, f"Writer {number}")) for number in range(6)))

        saved = Workflow.objects.get()
        assert sorted(map(str, outcomes)) == sorted([saved.name, *[str(DraftChanged)] * 5])
        assert saved.revision == 2

    def test_all_of_many_who_do_not_ask_save_one_after_another(self, by):
        workflow = WorkflowFactory()

        at_once(*(
            partial(services.save_draft, Workflow.objects.get(), description=str(number), by=by, now=NOON) for number in range(5)
        ))  # fmt: skip

        assert Workflow.objects.get(pk=workflow.pk).revision == 6


class TestValidate:
    def test_finds_nothing_wrong_with_what_can_be_published(self):
        assert services.validate(WorkflowFactory()) == []

    def test_tells_all_problems_of_the_draft(self):
        assert services.validate(WorkflowFactory(definition=BROKEN))

    def test_looks_at_another_definition_when_given_one(self):
        assert services.validate(WorkflowFactory(), definition=BROKEN)
        assert services.validate(WorkflowFactory(definition=BROKEN), definition=DEFINITION) == []

    def test_knows_the_variables_of_the_workflow(self):
        definition = deepcopy(DEFINITION)
        definition["nodes"][1]["config"] = {"value": "{{ vars.LIMIT }}"}
        workflow = WorkflowFactory(definition=definition)
        assert services.validate(workflow)

        VariableFactory(workflow=workflow, name="LIMIT", value="3")

        assert services.validate(workflow) == []

    @pytest.mark.parametrize("named", ["Bill", "id", "Me"])
    def test_finds_the_workflows_of_the_project_by_name_and_id(self, named):
        me = WorkflowFactory(name="Me")
        bill = WorkflowFactory(project=me.project, name="Bill")

        assert services.validate(me, definition=running(str(bill.pk) if named == "id" else named)) == []

    def test_finds_no_workflow_of_another_project(self):
        elsewhere = WorkflowFactory(name="Bill")

        for named in ("Bill", str(elsewhere.pk)):
            (problem,) = services.validate(WorkflowFactory(), definition=running(named))
            assert (problem.code, problem.path) == ("unknown_workflow", "/nodes/1/config/with/workflow")

    def test_a_workflow_is_not_its_own_error_workflow(self):
        me = WorkflowFactory(name="Me")

        for named in ("Me", str(me.pk)):
            raw = builders.definition("start > end", settings={"on_failure": {"workflow": named}})
            assert [problem.code for problem in services.validate(me, definition=raw)] == ["own_error_workflow"]


def running(workflow):
    run = builders.node("tool", {"tool": "workflow.run", "with": {"workflow": workflow}})
    return builders.definition("start > run", run=run)


class TestPublish:
    def test_the_first_version_makes_a_draft_active(self, by):
        workflow = WorkflowFactory()

        version = services.publish(workflow, message="The first", by=by, now=NOON)

        assert (version.number, version.message, version.created_by, version.created_at) == (
            1,
            "The first",
            by.user,
            NOON,
        )
        assert version.definition == DEFINITION
        assert len(version.content_hash) == 64
        saved = Workflow.objects.get()
        assert (saved.status, saved.version) == (WorkflowStatus.ACTIVE, 1)
        assert (workflow.status, workflow.version) == (WorkflowStatus.ACTIVE, 1)

    def test_numbers_versions_in_a_row(self, by):
        workflow = WorkflowFactory()
        for name in ("One", "Two", "Three"):
            services.save_draft(workflow, definition=renamed("end", name), by=by, now=NOON)
            services.publish(workflow, by=by, now=NOON)

        assert list(workflow.versions.order_by("number").values_list("number", flat=True)) == [1, 2, 3]
        assert workflow.version == 3

    def test_a_version_keeps_what_was_published(self, by):
        workflow = WorkflowFactory()
        version = services.publish(workflow, by=by, now=NOON)

        services.save_draft(workflow, definition=BROKEN, by=by, now=NOON)

        assert WorkflowVersion.objects.get(pk=version.pk).definition == DEFINITION

    def test_the_same_again_is_no_new_version(self, by):
        workflow = WorkflowFactory()
        first = services.publish(workflow, by=by, now=NOON)
        services.save_draft(workflow, definition={**DEFINITION, "ui": {"positions": {}}}, by=by, now=NOON)

        with heard(version_published) as announced:
            second = services.publish(workflow, by=by, now=NOON)

        assert second == first
        assert not announced
        assert workflow.versions.count() == 1

    def test_what_was_before_the_latest_version_is_a_new_version(self, by):
        workflow = WorkflowFactory()
        for definition in (DEFINITION, renamed("end", "Other"), DEFINITION):
            services.save_draft(workflow, definition=definition, by=by, now=NOON)
            services.publish(workflow, by=by, now=NOON)

        assert workflow.version == 3

    def test_a_draft_with_problems_is_refused_with_all_of_them(self, by):
        workflow = WorkflowFactory(definition=BROKEN)

        with pytest.raises(InvalidDefinition) as refused:
            services.publish(workflow, by=by, now=NOON)

        assert refused.value.problems == [problem.to_json() for problem in services.validate(workflow)]
        assert len(refused.value.problems) > 1
        assert Workflow.objects.get().status == WorkflowStatus.DRAFT
        assert not WorkflowVersion.objects.exists()

    @pytest.mark.parametrize("status", ["paused", "disabled"])
    def test_leaves_a_held_workflow_held(self, by, status):
        workflow = WorkflowFactory(definition=renamed("end", "Other"), **{status: True})

        with heard(status_changed) as announced:
            version = services.publish(workflow, by=by, now=NOON)

        assert (workflow.status, workflow.version, version.number) == (status, 1 + 1, 2)
        assert not announced

    def test_an_archived_one_is_refused(self, by):
        with pytest.raises(WorkflowArchived):
            services.publish(WorkflowFactory(archived=True), by=by, now=NOON)

    def test_publishes_only_what_was_read(self, by):
        workflow = WorkflowFactory()
        services.save_draft(workflow, definition=renamed("end", "Somebody else's"), by=by, now=NOON)

        with pytest.raises(DraftChanged):
            services.publish(workflow, if_match='"1"', by=by, now=NOON)

        assert services.publish(workflow, if_match='"2"', by=by, now=NOON).number == 1

    def test_never_publishes_what_was_not_checked(self, by):
        definition = deepcopy(DEFINITION)
        definition["nodes"][1]["config"] = {"value": "{{ input }}"}
        workflow = WorkflowFactory(definition=definition)

        class SomebodySaves(InProcessSandbox):
            def check(self, sources: Any) -> Any:
                services.save_draft(Workflow.objects.get(), definition=BROKEN, by=by, now=NOON)
                return super().check(sources)

        usual = shared_evaluator()
        share(SomebodySaves())
        try:
            with pytest.raises(DraftChanged):
                services.publish(workflow, by=by, now=NOON)
        finally:
            share(usual)

        assert not WorkflowVersion.objects.exists()

    def test_announces_the_version_and_the_status(self, by):
        workflow = WorkflowFactory()

        with heard(version_published) as versions, heard(status_changed) as statuses:
            version = services.publish(workflow, by=by, now=NOON)

        assert [(said["version"], said["by"], said["now"]) for said in versions] == [(version, by, NOON)]
        assert [(said["workflow"].status, said["previous"]) for said in statuses] == [
            (WorkflowStatus.ACTIVE, WorkflowStatus.DRAFT)
        ]

    def test_a_listener_that_fails_undoes_it_all(self, by):
        workflow = WorkflowFactory()
        version_published.connect(refusing)
        try:
            with pytest.raises(RuntimeError):
                services.publish(workflow, by=by, now=NOON)
        finally:
            version_published.disconnect(refusing)

        assert not WorkflowVersion.objects.exists()
        assert Workflow.objects.get().status == WorkflowStatus.DRAFT

    def test_writes_down_who_published_what(self, by):
        services.publish(WorkflowFactory(), message="The first", by=by, now=NOON)

        entry = AuditEntry.objects.get(action="workflow.published")
        assert (entry.actor, entry.details) == (by.user, {"version": 1, "message": "The first"})


class TestPublishAtOnce:
    pytestmark = two_connections

    def test_many_who_publish_the_same_draft_get_the_same_version(self, by):
        workflow = WorkflowFactory()

        versions = at_once(*(
            partial(services.publish, Workflow.objects.get(), by=by, now=NOON) for _ in range(5)
        ))  # fmt: skip

        assert {version.number for version in versions} == {1}
        assert workflow.versions.count() == 1

    def test_a_draft_that_is_saved_meanwhile_is_published_whole_or_not_at_all(self, by):
        workflow = WorkflowFactory()

        def save() -> Any:
            return services.save_draft(Workflow.objects.get(), definition=renamed("end", "New"), by=by, now=NOON)

        def publish() -> Any:
            return services.publish(Workflow.objects.get(), if_match='"1"', by=by, now=NOON)

        at_once(partial(outcome, save), partial(outcome, publish))

        workflow.refresh_from_db()
        published = [version.definition for version in workflow.versions.all()]
        assert workflow.definition == renamed("end", "New")
        assert published in ([], [DEFINITION])

    def test_executions_are_accepted_meanwhile(self, by):
        """R-1: publishing holds the workflow's row, and executions refer to it."""
        workflow = WorkflowFactory(published=True, definition=renamed("end", "New"))
        version = workflow.versions.get()

        def accept() -> Any:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            return ExecutionFactory(workflow_version=version)

        def accept_beside(**_: Any) -> None:
            at_once(accept)

        version_published.connect(accept_beside)
        try:
            services.publish(workflow, by=by, now=NOON)
        finally:
            version_published.disconnect(accept_beside)

        assert workflow.executions.count() == 1

    def test_of_two_who_pause_one_does(self, by):
        WorkflowFactory(published=True)

        outcomes = at_once(*(
            partial(outcome, partial(services.pause, Workflow.objects.get(), by=by, now=NOON)) for _ in range(2)
        ))  # fmt: skip

        assert IllegalWorkflowTransition in outcomes
        assert AuditEntry.objects.filter(action="workflow.paused").count() == 1

    def test_variables_set_at_once_are_all_there(self, by):
        workflow = WorkflowFactory()

        at_once(*(
            partial(services.set_variable, Workflow.objects.get(), "SAME", value=number, by=by, now=NOON) for number in range(4)
        ))  # fmt: skip

        assert workflow.variables.count() == 1


class TestRestoreVersion:
    def test_makes_a_version_the_draft_again(self, by):
        workflow = WorkflowFactory()
        services.publish(workflow, by=by, now=NOON)
        services.save_draft(workflow, definition=BROKEN, by=by, now=NOON)

        services.restore_version(workflow, 1, by=by, now=NOON)

        assert (workflow.definition, workflow.revision, workflow.version) == (DEFINITION, 3, 1)

    def test_does_not_overwrite_what_somebody_saved(self, by):
        workflow = WorkflowFactory(published=True)

        with pytest.raises(DraftChanged):
            services.restore_version(workflow, 1, if_match='"9"', by=by, now=NOON)

    @pytest.mark.parametrize("number", [0, 2, 10**30])
    def test_knows_which_versions_there_are(self, by, number):
        with pytest.raises(UnknownVersion, match="its latest is 1"):
            services.restore_version(WorkflowFactory(published=True), number, by=by, now=NOON)


class TestCompareVersions:
    def test_tells_what_changed_since_a_version(self):
        workflow = WorkflowFactory(published=True, definition=DEFINITION)
        VersionFactory(workflow=workflow, number=2, definition=renamed("end", "Other"))

        changes = services.compare_versions(workflow, 1, with_number=2)

        assert [(change.kind, change.path) for change in changes] == [("changed", "/nodes/end/name")]

    def test_compares_with_the_draft(self, by):
        workflow = WorkflowFactory(published=True)
        assert services.compare_versions(workflow, 1, with_number=None) == []

        services.save_draft(workflow, definition=renamed("end", "Other"), by=by, now=NOON)

        assert services.compare_versions(workflow, 1, with_number=None)

    @pytest.mark.parametrize("draft", [{}, {"nodes": 3}, {"schema": 1, "nodes": [{}]}])
    def test_says_so_when_there_is_nothing_to_compare(self, by, draft):
        workflow = WorkflowFactory(published=True)
        services.save_draft(workflow, definition=draft, by=by, now=NOON)

        with pytest.raises(InvalidDefinition) as refused:
            services.compare_versions(workflow, 1, with_number=None)
        assert refused.value.problems


VERBS: dict[str, Callable[..., Workflow]] = {
    "pause": services.pause,
    "resume": services.resume,
    "disable": partial(services.disable, reason="It ran wild."),
    "enable": services.enable,
    "archive": services.archive,
    "unarchive": services.unarchive,
}
# What becomes of a published workflow; everything that is not here is refused.
MOVES = {
    ("active", "pause"): "paused",
    ("paused", "resume"): "active",
    ("active", "disable"): "disabled",
    ("paused", "disable"): "disabled",
    ("disabled", "enable"): "active",
    ("draft", "archive"): "archived",
    ("active", "archive"): "archived",
    ("paused", "archive"): "archived",
    ("disabled", "archive"): "archived",
    ("archived", "unarchive"): "disabled",
}


class TestStatusChanges:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("status", WorkflowStatus.values)
    def test_follow_the_table(self, by, status, verb):
        workflow = WorkflowFactory(published=True, status=status)

        with heard(status_changed) as announced:
            result = outcome(partial(VERBS[verb], workflow, by=by, now=NOON))

        expected = MOVES.get((status, verb))
        saved = Workflow.objects.get()
        if expected is None:
            assert result is IllegalWorkflowTransition
            assert saved.status == status
            assert not announced
            assert not AuditEntry.objects.exists()
        else:
            assert (saved.status, saved.updated_at) == (expected, NOON)
            assert [(said["workflow"].status, said["previous"], said["now"]) for said in announced] == [
                (expected, status, NOON)
            ]
            assert AuditEntry.objects.get().action.startswith("workflow.")

    def test_the_reason_is_kept_until_the_next_change(self, by):
        workflow = WorkflowFactory(published=True)

        services.pause(workflow, reason="The shop moves.", by=by, now=NOON)
        assert workflow.status_reason == "The shop moves."
        assert AuditEntry.objects.get().details == {"reason": "The shop moves."}

        services.resume(workflow, by=by, now=NOON)
        assert workflow.status_reason == ""

    def test_segue_itself_can_disable_one(self):
        workflow = services.disable(WorkflowFactory(published=True), reason="x" * 900, by=None, now=NOON)

        assert len(workflow.status_reason) == services.MAX_REASON
        assert AuditEntry.objects.get().actor is None

    def test_one_that_was_never_published_comes_back_as_a_draft(self, by):
        workflow = WorkflowFactory(status=WorkflowStatus.ARCHIVED)

        assert services.unarchive(workflow, by=by, now=NOON).status == WorkflowStatus.DRAFT

    def test_says_what_it_is_and_what_it_cannot_be(self, by):
        with pytest.raises(IllegalWorkflowTransition, match="'Orders' is draft and cannot be resumed"):
            services.resume(WorkflowFactory(name="Orders"), by=by, now=NOON)

    def test_a_listener_that_fails_undoes_it(self, by):
        workflow = WorkflowFactory(published=True)
        status_changed.connect(refusing)
        try:
            with pytest.raises(RuntimeError):
                services.pause(workflow, by=by, now=NOON)
        finally:
            status_changed.disconnect(refusing)

        assert Workflow.objects.get().status == WorkflowStatus.ACTIVE


def clear(workflow: Workflow, names: list[str]) -> dict[str, str]:
    """Return secrets in clear by name."""
    return {name: secret.value for name, secret in services.secrets_of(workflow, names).items()}


class TestSetVariable:
    @pytest.mark.parametrize("value", [None, True, 0, 1.5, "", "text", ["a", {"b": None}], {"a": [1]}])
    def test_keeps_any_json(self, by, value):
        workflow = WorkflowFactory()

        services.set_variable(workflow, "LIMIT", value=value, by=by, now=NOON)

        assert services.variables_of(workflow) == {"LIMIT": value}

    def test_replaces_the_value_of_one_that_is_there(self, by):
        workflow = WorkflowFactory()
        services.set_variable(workflow, "LIMIT", value=1, by=by, now=NOON)

        services.set_variable(workflow, "LIMIT", value=2, by=by, now=NOON)

        assert services.variables_of(workflow) == {"LIMIT": 2}

    @pytest.mark.parametrize("name", ["A", "A1", "API_KEY", "A" * 64])
    def test_takes_names_in_capitals(self, by, name):
        assert services.set_variable(WorkflowFactory(), name, value=1, by=by, now=NOON).name == name

    @pytest.mark.parametrize(
        "name", ["", "a", "_A", "1A", "A-B", "A B", "A" * 65, "ÄA", "A\n", "A\x00", "__proto__", "constructor", "A';--"]
    )
    def test_refuses_every_other_name(self, by, name):
        with pytest.raises(InvalidVariable, match="cannot be the name"):
            services.set_variable(WorkflowFactory(), name, value=1, by=by, now=NOON)

    def test_takes_64_kib_and_not_a_byte_more(self, by):
        """S-DOS-1"""
        workflow = WorkflowFactory()
        room = services.MAX_VARIABLE_BYTES - len('""')
        services.set_variable(workflow, "LONG", value="x" * room, by=by, now=NOON)
        services.set_variable(
            workflow, "SECRET", value="x" * services.MAX_VARIABLE_BYTES, is_secret=True, by=by, now=NOON
        )

        for value, is_secret in [("x" * (room + 1), False), ("ä" * (services.MAX_VARIABLE_BYTES // 2 + 1), True)]:
            with pytest.raises(InvalidVariable, match="at most 65536"):
                services.set_variable(workflow, "LONGER", value=value, is_secret=is_secret, by=by, now=NOON)

    def test_takes_so_many_and_no_more(self, by):
        workflow = WorkflowFactory()
        WorkflowVariable.objects.bulk_create(
            WorkflowVariable(workflow=workflow, name=f"V{number}", value="1")
            for number in range(services.MAX_VARIABLES)
        )

        with pytest.raises(InvalidVariable, match="at most 200"):
            services.set_variable(workflow, "ONE_MORE", value=1, by=by, now=NOON)
        assert services.set_variable(workflow, "V7", value=2, by=by, now=NOON)

    def test_an_archived_workflow_is_read_only(self, by):
        with pytest.raises(WorkflowArchived):
            services.set_variable(WorkflowFactory(archived=True), "LIMIT", value=1, by=by, now=NOON)

    def test_writes_down_the_name_and_never_the_value(self, by):
        services.set_variable(WorkflowFactory(), "API_KEY", value="hunter2hunter2", is_secret=True, by=by, now=NOON)

        entry = AuditEntry.objects.get()
        assert entry.details == {"name": "API_KEY", "is_secret": True}


class TestSecrets:
    """S-SEC-1, S-SEC-3"""

    def test_are_stored_encrypted_and_read_back_by_the_engine(self, by):
        workflow = WorkflowFactory()

        services.set_variable(workflow, "API_KEY", value="hunter2 ☂", is_secret=True, by=by, now=NOON)

        assert "hunter2" not in WorkflowVariable.objects.get().value
        assert clear(workflow, ["API_KEY", "UNKNOWN"]) == {"API_KEY": "hunter2 ☂"}

    def test_are_not_among_the_variables_that_expressions_see(self, by):
        workflow = WorkflowFactory()
        services.set_variable(workflow, "API_KEY", value="hunter2", is_secret=True, by=by, now=NOON)
        services.set_variable(workflow, "LIMIT", value=3, by=by, now=NOON)

        assert services.variables_of(workflow) == {"LIMIT": 3}
        assert clear(workflow, ["LIMIT"]) == {}

    def test_show_no_value(self, by):
        secret = services.set_variable(WorkflowFactory(), "KEY", value="hunter2", is_secret=True, by=by, now=NOON)

        assert services.value_of(secret) is None

    def test_stay_secret_when_only_their_value_changes(self, by):
        workflow = WorkflowFactory()
        services.set_variable(workflow, "KEY", value="old", is_secret=True, by=by, now=NOON)

        services.set_variable(workflow, "KEY", value="new", by=by, now=NOON)

        assert services.variables_of(workflow) == {}
        assert clear(workflow, ["KEY"]) == {"KEY": "new"}

    def test_become_plain_only_with_another_value(self, by):
        workflow = WorkflowFactory()
        services.set_variable(workflow, "KEY", value="old", is_secret=True, by=by, now=NOON)

        services.set_variable(workflow, "KEY", value="public", is_secret=False, by=by, now=NOON)

        assert services.variables_of(workflow) == {"KEY": "public"}

    def test_are_worth_nothing_in_another_row(self, by):
        workflow = WorkflowFactory()
        services.set_variable(workflow, "KEY", value="hunter2", is_secret=True, by=by, now=NOON)
        services.set_variable(workflow, "OTHER", value="other", is_secret=True, by=by, now=NOON)
        stolen = WorkflowVariable.objects.get(name="KEY").value
        WorkflowVariable.objects.filter(name="OTHER").update(value=stolen)

        found = services.secrets_of(workflow, ["OTHER"])["OTHER"]

        assert (found.value, "changed, or copied" in found.problem) == ("", True)

    @pytest.mark.parametrize("value", ["", None, 7, ["a"], {"a": "b"}, "\ud800"])
    def test_are_texts(self, by, value):
        with pytest.raises(InvalidVariable):
            services.set_variable(WorkflowFactory(), "KEY", value=value, is_secret=True, by=by, now=NOON)


class TestDeleteVariable:
    def test_removes_it(self, by):
        workflow = VariableFactory(name="LIMIT").workflow

        services.delete_variable(workflow, "LIMIT", by=by)

        assert not workflow.variables.exists()
        assert AuditEntry.objects.get().details == {"name": "LIMIT"}

    def test_says_when_there_is_none(self, by):
        VariableFactory(name="LIMIT")

        with pytest.raises(NotFound, match="no variable 'LIMIT'"):
            services.delete_variable(WorkflowFactory(), "LIMIT", by=by)

    def test_an_archived_workflow_is_read_only(self, by):
        variable = VariableFactory(workflow=WorkflowFactory(archived=True))

        with pytest.raises(WorkflowArchived):
            services.delete_variable(variable.workflow, variable.name, by=by)
