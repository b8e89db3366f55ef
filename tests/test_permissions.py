"""S-AUTHZ-1, S-AUTHZ-2, S-API-3, S-API-6: every route, every kind of caller, own and foreign objects.

The routes are found in the URLconf, and what must happen follows from each viewset's own ``permissions``. What is open to
more people is listed here, exactly; a route that is neither fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver, reverse
from rest_framework.test import APIClient

from executions.conversations.models import Conversation, ConversationMessage
from executions.models import (
    Approval,
    GoneEndpoint,
    Link,
    OutgoingHold,
    OutgoingLimit,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from executions.spending.models import Budget, ModelCall
from projects.access import Permission, role_allows
from projects.models import ApiToken, AuditEntry, Project, ProjectMember
from projects.rest import ProjectScopedViewSet
from templates_app.models import WorkflowTemplate
from tests.clock import NOON
from tests.factories import (
    ApprovalFactory,
    AuditEntryFactory,
    BackfillFactory,
    BudgetFactory,
    ConversationFactory,
    DeliveryFactory,
    EventFactory,
    ExecutionFactory,
    GoneEndpointFactory,
    LinkFactory,
    MemberFactory,
    MessageFactory,
    ModelCallFactory,
    NodeRunFactory,
    OutgoingHoldFactory,
    OutgoingLimitFactory,
    PollFactory,
    ProjectFactory,
    ProjectVariableFactory,
    ScheduledJobFactory,
    SkippedSlotsFactory,
    TemplateFactory,
    TokenFactory,
    TriggerFactory,
    UserFactory,
    VariableFactory,
    VersionFactory,
    WebhookFactory,
    WebhookTestDeliveryFactory,
    WebhookTestFactory,
    WorkflowFactory,
    token_and_key,
)
from tests.streaming import hang_up
from triggers.models import (
    Event,
    Poll,
    ScheduleBackfill,
    ScheduledJob,
    SkippedSlots,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
    WebhookTest,
    WebhookTestDelivery,
)
from workflows.models import ProjectVariable, Workflow, WorkflowVariable, WorkflowVersion

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "put", "patch", "delete")

# Routes below /api/ that belong to no project, by name. Everybody, also without login:
PUBLIC = {
    "schema": {"get"},
    "docs": {"get"},
    "template-list": {"get"},
    "template-detail": {"get"},
    "template-preview": {"get"},
    # REST framework's own pages to log in and out.
    "rest_framework:login": {"get", "post", "put"},
    "rest_framework:logout": {"post"},
}
# Everybody who is logged in:
SIGNED_IN = {
    "api-root": {"get"},
    "node-type-list": {"get"},
    "node-type-detail": {"get"},
    "tool-list": {"get"},
    "tool-detail": {"get"},
    "schedule-preview": {"post"},
}
# What they are asked with, where it is not nothing.
BODIES = {"schedule-preview": {"config": {"cron": "@daily"}}}
# The last of the API's URLs, which tells that there is no such path.
NO_SUCH_ROUTE = "no_such_route"
# Everything outside /api/ and the admin, all of it without login. Webhooks, callbacks and the page of an approval check their
# callers themselves.
OUTSIDE = {"home", "health-live", "health-ready", "webhook", "webhook-test", "callback", "approval-page"}

# One row of a project for each model that has an endpoint. Some endpoints show people only what is theirs.
ROWS: dict[type[Model], Callable[[Project, User], Any]] = {
    Project: lambda project, user: project,
    ProjectMember: lambda project, user: MemberFactory(project=project),
    ApiToken: lambda project, user: TokenFactory(project=project, user=user),
    AuditEntry: lambda project, user: AuditEntryFactory(project=project),
    Workflow: lambda project, user: WorkflowFactory(project=project, published=True),
    WorkflowVersion: lambda project, user: VersionFactory(workflow__project=project),
    WorkflowVariable: lambda project, user: VariableFactory(workflow__project=project),
    ProjectVariable: lambda project, user: ProjectVariableFactory(project=project),
    WorkflowExecution: lambda project, user: ExecutionFactory(workflow_version__workflow__project=project),
    WorkflowExecutionLog: lambda project, user: NodeRunFactory(execution__workflow_version__workflow__project=project),
    Conversation: lambda project, user: ConversationFactory(project=project),
    ConversationMessage: lambda project, user: MessageFactory(conversation__project=project),
    OutgoingLimit: lambda project, user: OutgoingLimitFactory(project=project),
    OutgoingHold: lambda project, user: OutgoingHoldFactory(project=project),
    Budget: lambda project, user: BudgetFactory(project=project),
    ModelCall: lambda project, user: ModelCallFactory(workflow__project=project),
    Link: lambda project, user: LinkFactory(execution__workflow_version__workflow__project=project),
    Approval: lambda project, user: ApprovalFactory(execution__workflow_version__workflow__project=project),
    GoneEndpoint: lambda project, user: GoneEndpointFactory(project=project),
    Trigger: lambda project, user: TriggerFactory(workflow__project=project),
    WebhookRegistration: lambda project, user: WebhookFactory(trigger__workflow__project=project),
    WebhookDelivery: lambda project, user: DeliveryFactory(registration__trigger__workflow__project=project),
    WebhookTest: lambda project, user: WebhookTestFactory(workflow__project=project),
    WebhookTestDelivery: lambda project, user: WebhookTestDeliveryFactory(test__workflow__project=project),
    ScheduledJob: lambda project, user: ScheduledJobFactory(trigger__workflow__project=project),
    Event: lambda project, user: EventFactory(project=project),
    Poll: lambda project, user: PollFactory(trigger__workflow__project=project),
    SkippedSlots: lambda project, user: SkippedSlotsFactory(job__trigger__workflow__project=project),
    ScheduleBackfill: lambda project, user: BackfillFactory(job__trigger__workflow__project=project),
    # Belong to nobody; what is made from them belongs to the project that the body names.
    WorkflowTemplate: lambda project, user: TemplateFactory(),
}


@dataclass(frozen=True)
class Route:
    """One method of one URL."""

    name: str
    method: str
    view: Any
    action: str | None
    kwargs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    @property
    def permission(self) -> Permission | None:
        return self.view.permissions[self.action]

    @property
    def is_nested(self) -> bool:
        return self.view.parent is not None

    @property
    def names_a_row(self) -> bool:
        """Whether the URL does so, and not at most the body."""
        return self.is_detail or self.is_nested

    @property
    def is_detail(self) -> bool:
        return bool(set(self.kwargs) - ({self.view.parent.kwarg} if self.is_nested else set()))

    def url(self, row: Any) -> str:
        return reverse(self.name, kwargs={kwarg: self._value(kwarg, row) for kwarg in self.kwargs})

    def _value(self, kwarg: str, row: Any) -> Any:
        if self.is_nested and kwarg == self.view.parent.kwarg:
            return getattr(row, kwarg) if hasattr(row, kwarg) else row.pk
        return getattr(row, self.view.lookup_field)


@dataclass(frozen=True)
class Address:
    """One URL of the URLconf."""

    path: str
    name: str
    callback: Any
    kwargs: tuple[str, ...]

    @property
    def view(self) -> Any:
        return getattr(self.callback, "cls", None)

    @property
    def is_scoped(self) -> bool:
        return isinstance(self.view, type) and issubclass(self.view, ProjectScopedViewSet)


def addresses(resolver: URLResolver, path: str = "", namespace: str = "") -> Iterator[Address]:
    for part in resolver.url_patterns:
        if isinstance(part, URLResolver):
            inner = f"{namespace}{part.namespace}:" if part.namespace else namespace
            yield from addresses(part, path + str(part.pattern), inner)
        else:
            name = namespace + (part.name or part.callback.__name__)
            yield Address(path + str(part.pattern), name, part.callback, tuple(part.pattern.regex.groupindex))


def api_addresses() -> list[Address]:
    return [address for address in addresses(get_resolver()) if address.path.startswith("api/")]


def scoped_routes() -> list[Route]:
    return [
        Route(address.name, method, address.view, action, address.kwargs)
        for address in api_addresses()
        if address.is_scoped
        for method, action in address.callback.actions.items()
        if method in METHODS
    ]


def missing_methods() -> list[tuple[Route, str]]:
    """Each URL with a method that it does not have."""
    routes = scoped_routes()
    known = {(route.name, route.method) for route in routes}
    by_url = {route.name: route for route in routes}
    return [(route, method) for route in by_url.values() for method in METHODS if (route.name, method) not in known]


@dataclass(frozen=True)
class Caller:
    """Who calls: with which role in the project, and whether with an owner's right somewhere else."""

    client: APIClient
    user: User | None
    role: str | None
    owns_another: bool = False


def with_session(user: User) -> APIClient:
    client = APIClient()
    client.force_login(user)
    return client


def with_key(key: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


def member(role: str) -> Callable[[Project], Caller]:
    def make(project: Project) -> Caller:
        user = MemberFactory(project=project, role=role).user
        return Caller(with_session(user), user, role)

    return make


def token(*, role: str, of: str) -> Callable[[Project], Caller]:
    def make(project: Project) -> Caller:
        # Used a moment ago, so that using it is not noted in the midst of a test.
        row, key = token_and_key(
            member=MemberFactory(project=project, role=of), role=role, last_used_at=NOON.replace(year=2200)
        )
        return Caller(
            with_key(key), row.user, min(role, of, key=["viewer", "operator", "editor", "admin", "owner"].index)
        )

    return make


def owner_of_another(project: Project) -> Caller:
    user = MemberFactory(role="owner").user
    return Caller(with_session(user), user, None, owns_another=True)


def viewer_who_owns_another(project: Project) -> Caller:
    user = MemberFactory(role="owner").user
    MemberFactory(project=project, user=user, role="viewer")
    return Caller(with_session(user), user, "viewer", owns_another=True)


def foreign_token(project: Project) -> Caller:
    # Its owner owns this project too; the token is for another one.
    owner = MemberFactory(project=project, role="owner").user
    caller = token(role="owner", of="owner")(ProjectFactory())
    ApiToken.objects.update(user=owner)
    ProjectMember.objects.exclude(project=project).update(user=owner)
    return Caller(caller.client, owner, None, owns_another=True)


def removed_members_token(project: Project) -> Caller:
    caller = token(role="owner", of="owner")(project)
    ProjectMember.objects.filter(user=caller.user).delete()
    return Caller(caller.client, caller.user, None)


def superuser(project: Project) -> Caller:
    user = UserFactory(superuser=True)
    return Caller(with_session(user), user, "owner", owns_another=True)


def nobody(project: Project) -> Caller:
    return Caller(APIClient(), None, None)


CALLERS: dict[str, Callable[[Project], Caller]] = {
    "owner": member("owner"),
    "admin": member("admin"),
    "editor": member("editor"),
    "operator": member("operator"),
    "viewer": member("viewer"),
    "viewer who owns another project": viewer_who_owns_another,
    "owner's viewer token": token(role="viewer", of="owner"),
    "viewer's owner token": token(role="owner", of="viewer"),
    "owner of another project": owner_of_another,
    "token of another project": foreign_token,
    "token of a removed member": removed_members_token,
    "superuser": superuser,
    "nobody": nobody,
}


def row_of(route: Route, project: Project, user: User | None) -> Any:
    return ROWS[route.view.queryset.model](project, user or UserFactory())


def call(caller: Caller, method: str, url: str, project: Project) -> tuple[Any, list[str]]:
    """Return the answer, and what was written on the way to it."""
    body = None if method == "get" else {"project": str(project.pk)}
    with CaptureQueriesContext(connection) as queries:
        response = getattr(caller.client, method)(url, body, format="json" if body else None)
        if response.streaming:
            hang_up(response)  # It would go on for as long as its execution does.
    return response, writes(queries)


def writes(queries: CaptureQueriesContext) -> list[str]:
    harmless = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN")
    return [query["sql"] for query in queries if not query["sql"].lstrip("( ").upper().startswith(harmless)]


def shown(response: Any) -> str:
    return "" if response.streaming else response.content.decode()


@pytest.fixture
def project() -> Project:
    return ProjectFactory()


ROUTES = scoped_routes()


@pytest.mark.parametrize("route", ROUTES, ids=str)
class TestEveryRoute:
    @pytest.mark.parametrize("who", CALLERS)
    def test_does_what_the_role_allows(self, route, who, project):
        caller = CALLERS[who](project)
        row = row_of(route, project, caller.user)

        response, written = call(caller, route.method, route.url(row), project)

        expected = expectation(route, caller)
        assert expected.fits(response.status_code), f"{response.status_code} instead of {expected}: {shown(response)}"
        if response.status_code >= 400 or route.method == "get":
            assert written == []
        if route.method == "get" and not expected.shows_row:
            assert str(row.pk) not in shown(response)

    @pytest.mark.parametrize("who", [who for who in CALLERS if who != "superuser"])
    def test_finds_nothing_of_other_projects(self, route, who, project):
        caller = CALLERS[who](project)
        foreign = ProjectFactory(name="Nobody's business")
        row = row_of(route, foreign, UserFactory())

        response, written = call(caller, route.method, route.url(row), foreign)

        assert written == []
        assert "Nobody's business" not in shown(response)
        if who == "nobody":
            assert response.status_code == 401
        elif route.names_a_row:
            assert response.status_code == 404
        elif route.method == "get":
            assert response.status_code in {200, 403}
        else:
            assert 400 <= response.status_code < 500
        if response.status_code == 200:
            assert str(row.pk) not in shown(response)


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("route", {route.name: route for route in ROUTES}.values(), ids=lambda route: route.name)
class TestEveryUrl:
    """What people click through, and what clients ask about."""

    @pytest.mark.parametrize("who", ["owner", "viewer"])
    def test_describes_itself(self, route, accept, who, project):
        caller = CALLERS[who](project)
        row = row_of(route, project, caller.user)

        response = caller.client.options(route.url(row), headers={"accept": accept})

        assert response.status_code == 200, shown(response)

    def test_describes_itself_where_there_is_nothing(self, route, accept, project):
        foreign = row_of(route, ProjectFactory(), UserFactory())

        response = CALLERS["owner"](project).client.options(route.url(foreign), headers={"accept": accept})

        assert response.status_code in {200, 404}, shown(response)


@dataclass(frozen=True)
class Expectation:
    """The statuses that may come, and whether a GET may show the row."""

    statuses: Callable[[int], bool]
    words: str
    shows_row: bool = False

    def fits(self, status: int) -> bool:
        return self.statuses(status)

    def __str__(self) -> str:
        return self.words


def exactly(status: int) -> Expectation:
    return Expectation(lambda answered: answered == status, str(status))


ALLOWED_TO_LOOK = Expectation(lambda status: status == 200, "200", shows_row=True)
# Allowed, and then perhaps refused for its body or the state of things.
ALLOWED = Expectation(lambda status: status < 300 or status in {400, 409, 412, 422, 428}, "allowed", shows_row=True)
# The object is named in the body, if at all.
REFUSED = Expectation(lambda status: status in {400, 403, 404}, "refused")


def expectation(route: Route, caller: Caller) -> Expectation:
    if caller.user is None:
        return exactly(401)
    if route.permission is None:
        return Expectation(lambda status: status < 500 and status not in {401, 404}, "for everybody", shows_row=True)
    if role_allows(caller.role, route.permission):
        return ALLOWED_TO_LOOK if route.method == "get" else ALLOWED
    if caller.role is None and route.names_a_row:
        return exactly(404)
    if caller.role is not None and (route.names_a_row or not caller.owns_another):
        return exactly(403)
    return exactly(200) if route.method == "get" else REFUSED


@pytest.mark.parametrize(("route", "method"), missing_methods(), ids=str)
@pytest.mark.parametrize(("who", "status"), [("owner", 405), ("nobody", 401)])
def test_a_method_that_a_route_does_not_have_is_refused(route, method, who, status, project):
    caller = CALLERS[who](project)
    row = row_of(route, project, caller.user)

    response, written = call(caller, method, route.url(row), project)

    assert response.status_code == status
    assert written == []


class TestTheListOfRoutes:
    def test_every_route_of_the_api_is_scoped_or_listed_here(self):
        listed = {*PUBLIC, *SIGNED_IN, NO_SUCH_ROUTE}
        unknown = {address.name for address in api_addresses() if not address.is_scoped} - listed

        assert unknown == set(), "Make it a ProjectScopedViewSet, or list it above and say why."

    def test_every_other_route_is_listed_here(self):
        known = ("api/", "admin/", "static/")
        others = {address.name for address in addresses(get_resolver()) if not address.path.startswith(known)}

        assert others == OUTSIDE

    def test_every_model_with_an_endpoint_has_a_row(self):
        assert {route.view.queryset.model for route in ROUTES} <= set(ROWS)

    def test_nothing_is_listed_that_does_not_exist(self):
        assert {*PUBLIC, *SIGNED_IN, NO_SUCH_ROUTE} <= {address.name for address in api_addresses()}


def listed_routes(table: dict[str, set[str]]) -> list[tuple[str, str]]:
    return [(name, method) for name in sorted(table) for method in METHODS]


def listed_url(name: str) -> str:
    (address,) = [address for address in api_addresses() if address.name == name]
    values = {"pk": TemplateFactory().pk, "key": "delay", "name": "http.request"}
    return reverse(name, kwargs={kwarg: values[kwarg] for kwarg in address.kwargs})


class TestListedRoutes:
    @pytest.mark.parametrize(("name", "method"), listed_routes(PUBLIC))
    def test_public_ones_answer_everybody_with_what_is_listed_alone(self, name, method):
        response = getattr(APIClient(), method)(listed_url(name))

        if method in PUBLIC[name]:
            assert response.status_code < 500
            assert response.status_code not in {401, 403, 404}
        else:
            assert response.status_code in {401, 403, 405}

    @pytest.mark.parametrize(("name", "method"), listed_routes(SIGNED_IN))
    def test_others_answer_whoever_is_logged_in(self, name, method):
        url, somebody = listed_url(name), with_session(UserFactory())

        assert getattr(APIClient(), method)(url).status_code == 401
        answer = getattr(somebody, method)(url, BODIES.get(name))
        assert answer.status_code == (200 if method in SIGNED_IN[name] else 405)


class TestTheAdmin:
    @pytest.mark.parametrize("who", ["nobody", "owner"])
    def test_is_for_staff(self, who, project):
        caller = CALLERS[who](project)

        for url in ("/admin/", "/admin/projects/project/", f"/admin/projects/project/{project.pk}/change/"):
            assert caller.client.get(url).status_code == 302

    def test_shows_staff_only_what_they_may_see(self):
        client = Client()
        client.force_login(UserFactory(is_staff=True))

        assert client.get("/admin/projects/project/").status_code == 403
