"""One factory per model: the smallest valid row. Traits make the rest; a test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import factory
from django.contrib.auth.models import User
from django.db.models import Model
from factory.django import DjangoModelFactory

from executions.conversations.models import Conversation, ConversationMessage
from executions.models import (
    Approval,
    ApprovalDecision,
    BlockedOn,
    ExecutionStatus,
    GoneEndpoint,
    Link,
    LiveText,
    OutgoingCall,
    OutgoingHold,
    OutgoingLimit,
    Verdict,
    WorkerProcess,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from executions.spending.models import Budget, ModelCall, ModelPrice
from projects import keys
from projects.ids import new_id
from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role
from templates_app.models import WorkflowTemplate
from tests.clock import NOON
from triggers.models import (
    BackfillMode,
    DeliveryVerdict,
    Event,
    EventMatch,
    MatchVerdict,
    Poll,
    PollKey,
    ScheduleBackfill,
    ScheduledJob,
    SkippedSlots,
    SkipReason,
    Subscription,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
    WebhookTest,
    WebhookTestDelivery,
)
from workflows.definition.agents import has_agent
from workflows.models import (
    NodeType,
    ProjectVariable,
    TriggerType,
    Workflow,
    WorkflowStatus,
    WorkflowVariable,
    WorkflowVersion,
)
from workflows.nodes.trigger.paths import pattern_of

M = TypeVar("M", bound=Model)

# The smallest definition that can be published.
DEFINITION: dict[str, Any] = {
    "schema": 1,
    "nodes": [
        {"id": "start", "type": "trigger", "name": "Start", "config": {"kind": "manual"}},
        {"id": "end", "type": "output", "name": "End", "config": {}},
    ],
    "edges": [{"source": "start", "target": "end", "type": "data"}],
}


class RowFactory(DjangoModelFactory[M]):
    """A factory that saves a row once, and not again after its traits."""

    class Meta:
        abstract = True
        skip_postgeneration_save = True


class UserFactory(RowFactory[User]):
    class Meta:
        model = User

    class Params:
        superuser = factory.Trait(is_superuser=True, is_staff=True)

    username = factory.Sequence(lambda number: f"person-{number}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    password = "!"  # Nobody can log in with it; tests use force_login.


class ProjectFactory(RowFactory[Project]):
    class Meta:
        model = Project

    name = factory.Sequence(lambda number: f"Project {number}")


class MemberFactory(RowFactory[ProjectMember]):
    class Meta:
        model = ProjectMember

    project = factory.SubFactory(ProjectFactory)
    user = factory.SubFactory(UserFactory)
    role = Role.VIEWER


class TokenFactory(RowFactory[ApiToken]):
    """A live token of a member. :func:`token_and_key` also tells its key."""

    class Meta:
        model = ApiToken

    class Params:
        member = factory.SubFactory(MemberFactory, role=factory.SelfAttribute("..role"))
        key = factory.LazyFunction(lambda: keys.new_key()[0])
        expired = factory.Trait(expires_at=NOON - timedelta(days=3650))
        revoked = factory.Trait(revoked_at=NOON)

    role = Role.EDITOR
    project = factory.LazyAttribute(lambda token: token.member.project)
    user = factory.LazyAttribute(lambda token: token.member.user)
    name = "A program"
    prefix = factory.LazyAttribute(lambda token: keys.prefix_of(token.key))
    digest = factory.LazyAttribute(lambda token: keys.digest_of(token.key))


def token_and_key(**attributes: Any) -> tuple[ApiToken, str]:
    """Return a token with its key."""
    key, _ = keys.new_key()
    return TokenFactory(key=key, **attributes), key


class AuditEntryFactory(RowFactory[AuditEntry]):
    class Meta:
        model = AuditEntry

    project = factory.SubFactory(ProjectFactory)
    action = "project.created"
    target_type = "project"
    target_id = factory.LazyAttribute(lambda entry: str(entry.project.pk))


class WorkflowFactory(RowFactory[Workflow]):
    """A draft; ``published`` gives it a version 1 of its definition, which the engine can run."""

    class Meta:
        model = Workflow

    class Params:
        published = factory.Trait(
            status=WorkflowStatus.ACTIVE,
            version=1,
            version_1=factory.RelatedFactory(
                "tests.factories.VersionFactory", "workflow", definition=factory.SelfAttribute("workflow.definition")
            ),
        )
        paused = factory.Trait(published=True, status=WorkflowStatus.PAUSED)
        disabled = factory.Trait(published=True, status=WorkflowStatus.DISABLED)
        archived = factory.Trait(published=True, status=WorkflowStatus.ARCHIVED)

    project = factory.SubFactory(ProjectFactory)
    name = factory.Sequence(lambda number: f"Workflow {number}")
    definition = factory.LazyFunction(lambda: DEFINITION)


class VersionFactory(RowFactory[WorkflowVersion]):
    class Meta:
        model = WorkflowVersion

    workflow = factory.SubFactory(WorkflowFactory, status=WorkflowStatus.ACTIVE, version=1)
    number = 1
    definition = factory.LazyFunction(lambda: DEFINITION)
    has_agent = factory.LazyAttribute(lambda version: _has_agent(version.definition))
    content_hash = factory.Sequence(lambda number: f"{number:064x}")


def _has_agent(definition: Any) -> bool:
    try:
        return has_agent(definition)
    except (KeyError, TypeError):
        return False  # Some tests want a definition that nobody could have published.


class VariableFactory(RowFactory[WorkflowVariable]):
    """A plain variable. Secret ones are made by ``workflows.services.set_variable``, which encrypts them."""

    class Meta:
        model = WorkflowVariable

    workflow = factory.SubFactory(WorkflowFactory)
    name = factory.Sequence(lambda number: f"VARIABLE_{number}")
    value = '"a value"'


class ProjectVariableFactory(RowFactory[ProjectVariable]):
    """The same of a project."""

    class Meta:
        model = ProjectVariable

    project = factory.SubFactory(ProjectFactory)
    name = factory.Sequence(lambda number: f"SHARED_{number}")
    value = '"a value"'


class ExecutionFactory(RowFactory[WorkflowExecution]):
    """An accepted execution that no worker has taken yet. All that belongs to it follows from ``workflow_version``."""

    class Meta:
        model = WorkflowExecution

    class Params:
        leased = factory.Trait(
            status=ExecutionStatus.RUNNING,
            started_at=factory.SelfAttribute("created_at"),
            wake_at=None,
            blocked_on=None,
            lease_owner="worker",
            lease_expires_at=factory.LazyAttribute(lambda execution: execution.created_at + timedelta(seconds=30)),
            fence=1,
            claims=1,
        )
        waiting = factory.Trait(
            status=ExecutionStatus.RUNNING,
            started_at=factory.SelfAttribute("created_at"),
            wake_at=factory.LazyAttribute(lambda execution: execution.created_at + timedelta(hours=1)),
            blocked_on=BlockedOn.TIMER,
        )
        ended = factory.Trait(
            status=ExecutionStatus.COMPLETED,
            started_at=factory.SelfAttribute("created_at"),
            completed_at=factory.LazyAttribute(lambda execution: execution.created_at + timedelta(seconds=1)),
            duration_seconds=1.0,
            wake_at=None,
            blocked_on=None,
        )
        failed = factory.Trait(
            ended=True,
            status=ExecutionStatus.FAILED,
            error=factory.LazyFunction(
                lambda: {
                    "code": "node_failed",
                    "message": "It failed.",
                    "node_id": "end",
                    "iteration": "",
                    "details": {},
                }
            ),
        )

    workflow_version = factory.SubFactory(VersionFactory)
    workflow = factory.SelfAttribute("workflow_version.workflow")
    project = factory.SelfAttribute("workflow.project")
    workflow_name = factory.SelfAttribute("workflow.name")
    triggered_by = TriggerType.MANUAL
    execution_context = factory.LazyFunction(lambda: {"trigger": {}, "node_id": "start"})
    created_at = NOON
    wake_at = factory.SelfAttribute("created_at")
    blocked_on = BlockedOn.QUEUE


class NodeRunFactory(RowFactory[WorkflowExecutionLog]):
    """A completed run of the first node."""

    class Meta:
        model = WorkflowExecutionLog

    class Params:
        running = factory.Trait(status=ExecutionStatus.RUNNING, ports=[], completed_at=None, duration_ms=None)

    execution = factory.SubFactory(ExecutionFactory)
    node_id = "start"
    node_type = NodeType.TRIGGER
    status = ExecutionStatus.COMPLETED
    ports = factory.LazyFunction(lambda: ["main"])
    started_at = NOON
    completed_at = NOON
    duration_ms = 0


class WorkerProcessFactory(RowFactory[WorkerProcess]):
    """A process that serves all queues."""

    class Meta:
        model = WorkerProcess

    host = "machine"
    pid = factory.Sequence(lambda number: number + 1)
    queues = factory.LazyFunction(lambda: ["default", "agents"])
    seen_at = NOON


class ConversationFactory(RowFactory[Conversation]):
    """A conversation in which nothing was said."""

    class Meta:
        model = Conversation

    project = factory.SubFactory(ProjectFactory)
    key = factory.Sequence(lambda number: f"customer-{number}")


class MessageFactory(RowFactory[ConversationMessage]):
    class Meta:
        model = ConversationMessage

    conversation = factory.SubFactory(ConversationFactory)
    position = factory.Sequence(lambda number: number)
    role = "user"
    content = "Hello"
    execution_id = factory.LazyFunction(new_id)
    node_id = "assistant"
    node_run_id = factory.LazyFunction(new_id)


class LinkFactory(RowFactory[Link]):
    """A link of a node that has not begun to wait."""

    class Meta:
        model = Link

    execution = factory.SubFactory(ExecutionFactory, waiting=True)
    node_id = "ask"
    digest = factory.Sequence(lambda number: f"{number:064x}")


class ApprovalFactory(RowFactory[Approval]):
    """An open approval, for which its node run waits."""

    class Meta:
        model = Approval

    execution = factory.SubFactory(ExecutionFactory, waiting=True, wake_at=None, blocked_on=BlockedOn.APPROVAL)
    project = factory.SelfAttribute("execution.project")
    workflow = factory.SelfAttribute("execution.workflow")
    node_id = "ask"
    node_run_id = factory.LazyAttribute(
        lambda approval: (
            NodeRunFactory(
                execution=approval.execution,
                running=True,
                node_id=approval.node_id,
                node_type=NodeType.WEBHOOK,
                waits_for=BlockedOn.APPROVAL,
            ).pk
        )
    )
    title = "Pay the invoice?"
    role = Role.OPERATOR
    created_at = NOON


class DecisionFactory(RowFactory[ApprovalDecision]):
    class Meta:
        model = ApprovalDecision

    approval = factory.SubFactory(ApprovalFactory, needed=2)
    user = factory.SubFactory(UserFactory)
    name = factory.SelfAttribute("user.username")
    verdict = Verdict.APPROVE


class GoneEndpointFactory(RowFactory[GoneEndpoint]):
    class Meta:
        model = GoneEndpoint

    project = factory.SubFactory(ProjectFactory)
    url = "https://example.com/hooks"
    url_hash = factory.Sequence(lambda number: f"{number:064x}")


class TriggerFactory(RowFactory[Trigger]):
    class Meta:
        model = Trigger

    workflow = factory.SubFactory(WorkflowFactory, published=True)
    node_id = factory.Sequence(lambda number: f"trigger_{number}")
    type = TriggerType.MANUAL
    config = factory.LazyAttribute(lambda trigger: {"kind": str(trigger.type)})


class WebhookFactory(RowFactory[WebhookRegistration]):
    """A webhook without authentication. Secrets are set by ``triggers.services.set_secret``, which encrypts them."""

    class Meta:
        model = WebhookRegistration

    trigger = factory.SubFactory(TriggerFactory, type=TriggerType.WEBHOOK)
    workflow = factory.SelfAttribute("trigger.workflow")
    path = factory.Sequence(lambda number: f"hook-{number:032x}")
    pattern = factory.LazyAttribute(lambda webhook: pattern_of(webhook.path))
    methods = factory.LazyFunction(lambda: ["POST"])
    auth = factory.LazyFunction(lambda: {"scheme": "none"})


class WebhookTestFactory(RowFactory[WebhookTest]):
    """A test URL that answers."""

    class Meta:
        model = WebhookTest

    workflow = factory.SubFactory(WorkflowFactory)
    node_id = "hook"
    token = factory.Sequence(lambda number: f"test-{number:038x}")
    expires_at = NOON.replace(year=2200)
    created_at = NOON


class WebhookTestDeliveryFactory(RowFactory[WebhookTestDelivery]):
    """A request to a test URL."""

    class Meta:
        model = WebhookTestDelivery

    test = factory.SubFactory(WebhookTestFactory)
    method = "POST"
    body = b"{}"
    verdict = DeliveryVerdict.ACCEPTED
    received_at = NOON


class DeliveryFactory(RowFactory[WebhookDelivery]):
    """An accepted delivery with its execution."""

    class Meta:
        model = WebhookDelivery

    class Params:
        rejected = factory.Trait(
            verdict=DeliveryVerdict.REJECTED,
            execution=None,
            reason_code="bad_signature",
            reason="The signature does not fit the body.",
        )
        copy = factory.Trait(verdict=DeliveryVerdict.DUPLICATE, execution=None)

    registration = factory.SubFactory(WebhookFactory)
    method = "POST"
    body = b"{}"
    verdict = DeliveryVerdict.ACCEPTED
    execution = factory.SubFactory(
        ExecutionFactory,
        workflow_version__workflow=factory.SelfAttribute("...registration.workflow"),
        workflow_version__number=2,
        triggered_by=TriggerType.WEBHOOK,
    )
    received_at = NOON


class ScheduledJobFactory(RowFactory[ScheduledJob]):
    class Meta:
        model = ScheduledJob

    trigger = factory.SubFactory(TriggerFactory, type=TriggerType.SCHEDULE)
    workflow = factory.SelfAttribute("trigger.workflow")
    cron_expression = "0 * * * *"
    next_run = NOON + timedelta(hours=1)


class SubscriptionFactory(RowFactory[Subscription]):
    class Meta:
        model = Subscription

    trigger = factory.SubFactory(TriggerFactory, type=TriggerType.EVENT)
    project = factory.SelfAttribute("trigger.workflow.project")
    type = factory.SelfAttribute("trigger.type")
    topic = "order.created"


class EventFactory(RowFactory[Event]):
    """An event that nobody listened to."""

    class Meta:
        model = Event

    project = factory.SubFactory(ProjectFactory)
    name = "order.created"
    data = factory.LazyFunction(lambda: {"total": 42})
    received_at = NOON


class EventMatchFactory(RowFactory[EventMatch]):
    """A trigger that an event has started."""

    class Meta:
        model = EventMatch

    class Params:
        filtered = factory.Trait(
            verdict=MatchVerdict.FILTERED, execution=None, reason_code="filtered", reason="The filter said no."
        )

    event = factory.SubFactory(EventFactory)
    trigger = factory.SubFactory(
        TriggerFactory, type=TriggerType.EVENT, workflow__project=factory.SelfAttribute("...event.project")
    )
    verdict = MatchVerdict.MATCHED
    execution = factory.SubFactory(
        ExecutionFactory,
        workflow_version__workflow=factory.SelfAttribute("...trigger.workflow"),
        workflow_version__number=2,
        triggered_by=TriggerType.EVENT,
    )
    created_at = NOON


class PollFactory(RowFactory[Poll]):
    class Meta:
        model = Poll

    trigger = factory.SubFactory(
        TriggerFactory,
        type=TriggerType.POLLING,
        config={"kind": "polling", "tool": "feed.read", "with": {"url": "http://a"}},
    )
    workflow = factory.SelfAttribute("trigger.workflow")
    every_seconds = 300
    next_run = NOON


class PollKeyFactory(RowFactory[PollKey]):
    class Meta:
        model = PollKey

    poll = factory.SubFactory(PollFactory)
    key_hash = factory.Sequence(lambda number: f"{number:064x}")
    seen_in = 1


class SkippedSlotsFactory(RowFactory[SkippedSlots]):
    class Meta:
        model = SkippedSlots

    job = factory.SubFactory(ScheduledJobFactory)
    first_slot = NOON - timedelta(hours=2)
    last_slot = NOON - timedelta(hours=1)
    count = 2
    reason = SkipReason.MISSED


class BackfillFactory(RowFactory[ScheduleBackfill]):
    """One that has not begun yet."""

    class Meta:
        model = ScheduleBackfill

    job = factory.SubFactory(ScheduledJobFactory)
    start = NOON - timedelta(hours=5)
    end = NOON - timedelta(hours=1)
    slots = BackfillMode.MISSING
    max_running = 10
    slot_count = 5


class TemplateFactory(RowFactory[WorkflowTemplate]):
    class Meta:
        model = WorkflowTemplate

    slug = factory.Sequence(lambda number: f"template-{number}")
    name = factory.Sequence(lambda number: f"Template {number}")
    category = "examples"
    workflow_definition = factory.LazyFunction(lambda: DEFINITION)


class LiveTextFactory(RowFactory[LiveText]):
    class Meta:
        model = LiveText

    execution = factory.SubFactory(ExecutionFactory, leased=True)
    node_run_id = factory.LazyFunction(new_id)
    number = factory.Sequence(lambda number: number + 1)
    text = "It"
    created_at = NOON


class OutgoingLimitFactory(RowFactory[OutgoingLimit]):
    class Meta:
        model = OutgoingLimit

    project = factory.SubFactory(ProjectFactory)
    host = factory.Sequence(lambda number: f"api-{number}.example.com")
    per_minute = 60


class OutgoingCallFactory(RowFactory[OutgoingCall]):
    class Meta:
        model = OutgoingCall

    limit = factory.SubFactory(OutgoingLimitFactory, at_once=1)
    expires_at = NOON + timedelta(days=36500)


class OutgoingHoldFactory(RowFactory[OutgoingHold]):
    class Meta:
        model = OutgoingHold

    project = factory.SubFactory(ProjectFactory)
    host = factory.Sequence(lambda number: f"api-{number}.example.com")
    until = NOON + timedelta(days=36500)


class ModelPriceFactory(RowFactory[ModelPrice]):
    """An operator's: a millionth of a dollar for each token in, ten for each one out."""

    class Meta:
        model = ModelPrice

    provider = "openai"
    model = factory.Sequence(lambda number: f"model-{number}")
    input = Decimal(1)
    output = Decimal(10)


class ModelCallFactory(RowFactory[ModelCall]):
    """One that was answered."""

    class Meta:
        model = ModelCall

    class Params:
        open = factory.Trait(status="reserved", cost=None, settled_at=None, input_tokens=0, output_tokens=0)

    workflow = factory.SubFactory(WorkflowFactory)
    project = factory.SelfAttribute("workflow.project")
    execution_id = factory.LazyFunction(new_id)
    node_id = "agent.model"
    iteration = factory.Sequence(str)
    agent_id = "agent"
    provider = "openai"
    model = "gpt-4o"
    status = "settled"
    reserved = Decimal("0.01")
    cost = Decimal("0.005")
    input_tokens = 100
    output_tokens = 50
    created_at = NOON - timedelta(hours=1)
    settled_at = NOON


class BudgetFactory(RowFactory[Budget]):
    """What a project may spend in a month."""

    class Meta:
        model = Budget

    project = factory.SubFactory(ProjectFactory)
    period = "month"
    amount = Decimal(100)
