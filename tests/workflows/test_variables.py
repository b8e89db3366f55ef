"""Variables of projects beside those of workflows, where secrets may go, and who uses what."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from projects.exceptions import NotFound
from projects.models import AuditEntry, Project
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import (
    ProjectFactory,
    ProjectVariableFactory,
    VariableFactory,
    VersionFactory,
    WorkflowFactory,
)
from workflows import services
from workflows.exceptions import InvalidVariable, VariableInUse
from workflows.models import ProjectVariable, Workflow

pytestmark = pytest.mark.django_db


def give(owner: Workflow | Project, name: str, value: Any, **more: Any) -> Any:
    return services.set_variable(owner, name, value=value, by=None, now=NOON, **more)


def secret(owner: Workflow | Project, name: str = "KEY", value: str = "hunter2-hunter2", **more: Any) -> Any:
    return give(owner, name, value, is_secret=True, **more)


def using(*expressions: str) -> dict[str, Any]:
    """Return a definition whose output takes some expressions, and whose tool takes secrets."""
    return definition("start > end", end=node("output", {"value": [f"{{{{ {each} }}}}" for each in expressions]}))


def telling(name: str) -> dict[str, Any]:
    arguments = {"url": "https://api.example.com/", "headers": {"X-Key": f"{{{{ secret('{name}') }}}}"}}
    return definition("start > tell", tell=node("tool", {"tool": "http.request", "with": arguments}))


class TestProjectVariables:
    def test_are_seen_by_every_workflow_of_the_project(self):
        workflow = WorkflowFactory()
        give(workflow.project, "LIMIT", 3)
        give(ProjectFactory(), "FOREIGN", 3)

        assert services.variables_of(workflow) == {"LIMIT": 3}

    def test_a_workflows_own_comes_first(self):
        workflow = WorkflowFactory()
        give(workflow.project, "LIMIT", 3)
        give(workflow, "LIMIT", 4)

        assert services.variables_of(workflow) == {"LIMIT": 4}

    def test_a_workflows_own_hides_one_of_another_kind(self):
        """Else a plain variable could be read as the secret that it hides, or the other way round."""
        workflow = WorkflowFactory()
        secret(workflow.project, "KEY")
        give(workflow, "KEY", "plain")
        give(workflow.project, "TOKEN", "plain")
        secret(workflow, "TOKEN", value="own-secret")

        assert services.variables_of(workflow) == {"KEY": "plain"}
        found = services.secrets_of(workflow, ["KEY", "TOKEN"])
        assert {name: each.value for name, each in found.items()} == {"TOKEN": "own-secret"}

    def test_secrets_are_shared_as_well(self):
        workflow = WorkflowFactory()
        secret(workflow.project, allowed_hosts=["api.example.com"])

        found = services.secrets_of(workflow, ["KEY"])["KEY"]

        assert (found.value, found.allowed_hosts) == ("hunter2-hunter2", ("api.example.com",))
        assert "hunter2" not in ProjectVariable.objects.get().value

    def test_are_known_to_validation(self):
        workflow = WorkflowFactory(definition=using("vars.LIMIT", "vars.LIMITS", "vars.KEY"))
        give(workflow.project, "LIMIT", 3)
        secret(workflow.project)

        problems = services.validate(workflow)

        assert [problem.code for problem in problems] == ["unknown_variable", "variable_is_secret"]
        assert "neither the workflow nor its project" in problems[0].message

    def test_are_read_in_one_query_whatever_their_number(self):
        workflow = WorkflowFactory()
        for number in range(10):
            give(workflow.project, f"SHARED_{number}", number)
            give(workflow, f"OWN_{number}", number)

        with CaptureQueriesContext(connection) as queries:
            assert len(services.variables_of(workflow)) == 20

        assert len(queries) == 1

    def test_are_so_many_at_most(self):
        project = ProjectFactory()
        ProjectVariable.objects.bulk_create(
            ProjectVariable(project=project, name=f"V{number}", value="1") for number in range(services.MAX_VARIABLES)
        )

        with pytest.raises(InvalidVariable, match="A project has at most 200"):
            give(project, "ONE_MORE", 1)

    def test_are_in_the_audit_log_without_their_value(self):
        project = ProjectFactory()

        secret(project, allowed_hosts=["api.example.com"])

        entry = AuditEntry.objects.get(action="project.variable_set")
        assert entry.details == {"name": "KEY", "is_secret": True, "allowed_hosts": ["api.example.com"]}


class TestAllowedHosts:
    """[S-SEC-5]"""

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("API.Example.com", "api.example.com"),
            (" api.example.com. ", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("127.0.0.1", "127.0.0.1"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
        ],
    )
    def test_are_kept_in_the_form_in_which_they_are_compared(self, written, kept):
        assert secret(WorkflowFactory(), allowed_hosts=[written]).allowed_hosts == [kept]

    @pytest.mark.parametrize(
        "host",
        [
            "",
            "*",
            "*.",
            "https://a.example",
            "a.example:443",
            "a.example:80",
            "[::1]:80",
            "a.example#b",
            "a.example/path",
            "u@a.example",
            "a b",
            "*.*.a",
            "a*.example",
            "a?b",
            "*.::1",
        ],
    )
    def test_what_is_no_host_is_refused(self, host):
        with pytest.raises(InvalidVariable, match="is no host") as caught:
            secret(WorkflowFactory(), allowed_hosts=["fine.example", host])

        assert caught.value.path == "/allowed_hosts/1"

    def test_are_for_secrets_alone(self):
        with pytest.raises(InvalidVariable, match="Only a secret"):
            give(WorkflowFactory(), "LIMIT", 1, allowed_hosts=["a.example"])

    def test_end_when_a_secret_becomes_plain(self):
        workflow = WorkflowFactory()
        secret(workflow, allowed_hosts=["a.example"])

        assert give(workflow, "KEY", "public", is_secret=False).allowed_hosts == []

    def test_stay_with_another_value(self):
        workflow = WorkflowFactory()
        secret(workflow, allowed_hosts=["a.example"])

        assert secret(workflow, value="another").allowed_hosts == ["a.example"]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ([], ["a.example"]),
            (["a.example", "b.example"], ["b.example"]),
            (["*.example"], ["a.example", "*.b.example"]),
        ],
    )
    def test_can_become_fewer_without_the_value(self, before, after):
        workflow = WorkflowFactory()
        secret(workflow, allowed_hosts=before)

        services.restrict_secret(workflow, "KEY", allowed_hosts=after, by=None)

        assert services.secrets_of(workflow, ["KEY"])["KEY"].allowed_hosts == tuple(after)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (["a.example"], []),
            (["a.example"], ["a.example", "evil.example"]),
            (["a.example"], ["*.a.example"]),
            (["*.a.example"], ["a.example"]),
            (["*.a.example"], ["*.example"]),
        ],
    )
    def test_cannot_become_more_without_the_value(self, before, after):
        workflow = WorkflowFactory()
        secret(workflow, allowed_hosts=before)

        with pytest.raises(InvalidVariable, match="takes its value"):
            services.restrict_secret(workflow, "KEY", allowed_hosts=after, by=None)

        assert services.secrets_of(workflow, ["KEY"])["KEY"].allowed_hosts == tuple(before)


def seen(variable: Any) -> list[tuple[str, bool, bool, list[int], bool]]:
    return [
        (usage.workflow_name, usage.in_draft, usage.in_latest, usage.versions, usage.is_certain)
        for usage in services.usages_of(variable)
    ]


class TestUsages:
    def workflow(
        self, project: Project, name: str, *, draft: Any = None, versions: list[Any] | None = None
    ) -> Workflow:
        versions = versions or []
        workflow = WorkflowFactory(project=project, name=name, definition=draft or {}, version=len(versions))
        for number, each in enumerate(versions, start=1):
            VersionFactory(workflow=workflow, number=number, definition=each)
        return workflow

    def test_tell_drafts_and_versions(self):
        variable = ProjectVariableFactory(name="LIMIT")
        project, uses, does_not = variable.project, using("vars.LIMIT + 1"), using("1")
        self.workflow(project, "draft", draft=uses, versions=[does_not])
        self.workflow(project, "earlier", draft=does_not, versions=[uses, uses, does_not])
        self.workflow(project, "latest", draft=uses, versions=[does_not, uses])
        self.workflow(project, "none", draft=does_not, versions=[does_not])
        self.workflow(ProjectFactory(), "foreign", draft=uses)

        assert seen(variable) == [
            ("draft", True, False, [], True),
            ("earlier", False, False, [2, 1], True),
            ("latest", True, True, [2], True),
        ]

    def test_read_scripts_too(self):
        variable = ProjectVariableFactory(name="LIMIT")
        script = {"operation": "script", "code": "return items.slice(0, vars.LIMIT)"}
        self.workflow(
            variable.project, "script", draft=definition("start > a", a=node("transform", {"steps": [script]}))
        )

        assert seen(variable) == [("script", True, False, [], True)]

    def test_a_longer_name_is_another_variable(self):
        variable = ProjectVariableFactory(name="LIMIT")
        self.workflow(variable.project, "other", draft=using("vars.LIMIT_2", "'LIMIT'"))

        assert seen(variable) == []

    def test_secrets_are_used_by_secret_alone(self):
        project = ProjectFactory()
        variable = secret(project)
        self.workflow(project, "tells", draft=telling("KEY"))
        self.workflow(project, "mistaken", draft=using("vars.KEY"))

        assert [name for name, *_ in seen(variable)] == ["tells"]

    def test_a_workflow_that_has_one_of_the_name_does_not_use_the_projects(self):
        variable = ProjectVariableFactory(name="LIMIT")
        workflow = self.workflow(variable.project, "own", draft=using("vars.LIMIT"))
        own = VariableFactory(workflow=workflow, name="LIMIT")

        assert seen(variable) == []
        assert seen(own) == [("own", True, False, [], True)]

    @pytest.mark.parametrize("expression", ["vars[input.name]", "Object.keys(vars)", r"vars['\u004cIMIT']"])
    def test_a_name_known_only_when_it_runs_is_told_as_such(self, expression):
        variable = ProjectVariableFactory(name="LIMIT")
        self.workflow(variable.project, "dynamic", draft=using(expression), versions=[using(expression)])

        assert seen(variable) == [("dynamic", True, False, [1], False)]

    @pytest.mark.parametrize("draft", [{"nodes": 7}, {"nodes": ["{{ vars.LIMIT"]}, {"edges": None, "nodes": [None]}])
    def test_a_draft_may_be_anything(self, draft):
        variable = ProjectVariableFactory(name="LIMIT")
        self.workflow(variable.project, "broken", draft=draft)

        assert seen(variable) == []

    def test_cost_the_same_for_one_workflow_and_for_many(self):
        variable = ProjectVariableFactory(name="LIMIT")
        costs = []
        for upto in (1, 10):
            for number in range(upto):
                self.workflow(
                    variable.project, f"{upto}-{number}", draft=using("vars.LIMIT"), versions=[using("vars.LIMIT")]
                )
            with CaptureQueriesContext(connection) as queries:
                services.usages_of(variable)
            costs.append(len(queries))

        assert costs[0] == costs[1]


class TestDeleteVariable:
    def test_one_that_new_executions_ask_for_stays(self):
        workflow = WorkflowFactory(name="Orders", version=1)
        VersionFactory(workflow=workflow, definition=using("vars.LIMIT"))
        give(workflow.project, "LIMIT", 3)

        with pytest.raises(VariableInUse, match="LIMIT is used by what runs of 'Orders'"):
            services.delete_variable(workflow.project, "LIMIT", by=None)

        assert services.variables_of(workflow) == {"LIMIT": 3}

    def test_is_removed_all_the_same_when_forced(self):
        workflow = WorkflowFactory(version=1)
        VersionFactory(workflow=workflow, definition=using("vars.LIMIT"))
        give(workflow, "LIMIT", 3)

        services.delete_variable(workflow, "LIMIT", by=None, force=True)

        assert services.variables_of(workflow) == {}

    @pytest.mark.parametrize("archived", [False, True])
    def test_one_of_drafts_earlier_versions_and_archived_workflows_goes(self, archived):
        uses = using("vars.LIMIT")
        workflow = WorkflowFactory(definition=uses, version=1 if archived else 2)
        Workflow.objects.update(status="archived" if archived else "active")
        VersionFactory(workflow=workflow, number=1, definition=uses)
        if not archived:
            VersionFactory(workflow=workflow, number=2, definition=using("1"))
        give(workflow.project, "LIMIT", 3)

        services.delete_variable(workflow.project, "LIMIT", by=None)

        assert not ProjectVariable.objects.exists()

    def test_a_workflows_own_goes_where_its_project_has_another(self):
        workflow = WorkflowFactory(version=1)
        VersionFactory(workflow=workflow, definition=using("vars.LIMIT"))
        give(workflow, "LIMIT", 3)
        give(workflow.project, "LIMIT", 4)

        services.delete_variable(workflow, "LIMIT", by=None)

        assert services.variables_of(workflow) == {"LIMIT": 4}

    def test_of_a_project_that_has_none_says_so(self):
        with pytest.raises(NotFound, match="has no variable 'LIMIT'"):
            services.delete_variable(ProjectFactory(), "LIMIT", by=None)
