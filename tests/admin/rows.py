"""A row of every model that the admin shows: an ordinary one, and one that wants to do harm."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model

import config.urls  # noqa: F401 - it finds the admin's pages
from executions.conversations.models import Conversation, ConversationMessage
from executions.models import (
    Approval,
    ApprovalDecision,
    GoneEndpoint,
    Link,
    LiveText,
    OutgoingCall,
    OutgoingHold,
    OutgoingLimit,
    WorkerProcess,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from executions.spending.models import Budget, ModelCall, ModelPrice
from projects.models import ApiToken, AuditEntry, Project, ProjectMember
from templates_app.models import WorkflowTemplate
from tests.factories import (
    ApprovalFactory,
    AuditEntryFactory,
    BackfillFactory,
    BudgetFactory,
    ConversationFactory,
    DecisionFactory,
    DeliveryFactory,
    EventFactory,
    EventMatchFactory,
    ExecutionFactory,
    GoneEndpointFactory,
    LinkFactory,
    LiveTextFactory,
    MemberFactory,
    MessageFactory,
    ModelCallFactory,
    ModelPriceFactory,
    NodeRunFactory,
    OutgoingCallFactory,
    OutgoingHoldFactory,
    OutgoingLimitFactory,
    PollFactory,
    PollKeyFactory,
    ProjectFactory,
    ProjectVariableFactory,
    RowFactory,
    ScheduledJobFactory,
    SkippedSlotsFactory,
    SubscriptionFactory,
    TemplateFactory,
    TokenFactory,
    TriggerFactory,
    UserFactory,
    VariableFactory,
    VersionFactory,
    WebhookFactory,
    WebhookTestDeliveryFactory,
    WebhookTestFactory,
    WorkerProcessFactory,
    WorkflowFactory,
)
from triggers.models import (
    Event,
    EventMatch,
    Poll,
    PollKey,
    ScheduleBackfill,
    ScheduledJob,
    SkippedSlots,
    Subscription,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
    WebhookTest,
    WebhookTestDelivery,
)
from workflows.models import ProjectVariable, Workflow, WorkflowVariable, WorkflowVersion

OUR_APPS = ("projects", "workflows", "executions", "triggers", "templates_app")
OUR_MODELS: list[type[Model]] = [model for model in admin.site._registry if model._meta.app_label in OUR_APPS]

SCRIPT = "<script>alert('segue')</script>\"'>{{ 7*7 }}"
# Megabytes, deep, and with what breaks a page that pastes it into a script or an attribute.
HUGE = {SCRIPT: [{"text": SCRIPT, "number": number} for number in range(3_000)], "close": "</pre></script>"}
HARMFUL_DEFINITION = {
    "schema": 1,
    "nodes": [
        {"id": SCRIPT, "type": SCRIPT, "name": SCRIPT, "config": {"kind": SCRIPT}},
        {"id": "end", "type": "output", "name": SCRIPT},
        "no node",
        None,
    ],
    "edges": [{"source": SCRIPT, "target": "end", "source_port": SCRIPT}, {"source": "end", "target": SCRIPT}, 7],
    "ui": {"positions": {SCRIPT: SCRIPT}},
}

FACTORIES: dict[type[Model], type[RowFactory[Any]]] = {
    Project: ProjectFactory,
    ProjectMember: MemberFactory,
    ApiToken: TokenFactory,
    AuditEntry: AuditEntryFactory,
    Workflow: WorkflowFactory,
    WebhookTest: WebhookTestFactory,
    WebhookTestDelivery: WebhookTestDeliveryFactory,
    WorkflowVersion: VersionFactory,
    WorkflowVariable: VariableFactory,
    ProjectVariable: ProjectVariableFactory,
    WorkflowExecution: ExecutionFactory,
    WorkflowExecutionLog: NodeRunFactory,
    OutgoingLimit: OutgoingLimitFactory,
    LiveText: LiveTextFactory,
    OutgoingCall: OutgoingCallFactory,
    OutgoingHold: OutgoingHoldFactory,
    ModelPrice: ModelPriceFactory,
    ModelCall: ModelCallFactory,
    Budget: BudgetFactory,
    WorkerProcess: WorkerProcessFactory,
    Conversation: ConversationFactory,
    ConversationMessage: MessageFactory,
    Approval: ApprovalFactory,
    ApprovalDecision: DecisionFactory,
    Link: LinkFactory,
    GoneEndpoint: GoneEndpointFactory,
    Trigger: TriggerFactory,
    WebhookRegistration: WebhookFactory,
    WebhookDelivery: DeliveryFactory,
    ScheduledJob: ScheduledJobFactory,
    Subscription: SubscriptionFactory,
    Event: EventFactory,
    EventMatch: EventMatchFactory,
    Poll: PollFactory,
    PollKey: PollKeyFactory,
    SkippedSlots: SkippedSlotsFactory,
    ScheduleBackfill: BackfillFactory,
    WorkflowTemplate: TemplateFactory,
}


def ordinary(model: type[Model]) -> Any:
    """Return a new row with everything that its list shows: people, links, numbers."""
    extra: dict[type[Model], dict[str, Any]] = {
        Project: {"created_by": UserFactory()},
        Workflow: {"created_by": UserFactory(), "published": True},
        WorkflowVersion: {"created_by": UserFactory()},
        WorkflowExecution: {"failed": True, "started_by": UserFactory()},
        AuditEntry: {"actor": UserFactory(), "token": TokenFactory(), "details": {"reason": "why not"}},
        ScheduleBackfill: {"created_by": UserFactory()},
        ModelPrice: {"created_by": UserFactory()},
        Budget: {"workflow": (workflow := WorkflowFactory()), "project": workflow.project},
    }
    row = FACTORIES[model](**extra.get(model, {}))
    if model is Project:
        MemberFactory(project=row)
    if model is WorkflowExecution:
        for attempt in (1, 2):
            NodeRunFactory(execution=row, attempt=attempt, status="failed", ports=[], error={"message": "No."})
        ExecutionFactory(rerun_of=row, workflow_version=row.workflow_version)
    return row


def harmful(model: type[Model]) -> Any:
    """Return a new row whose every text and JSON wants to do harm."""
    user = UserFactory(username=SCRIPT[:150])
    project = ProjectFactory(name=SCRIPT, description=SCRIPT, created_by=user)
    workflow = WorkflowFactory(
        project=project, name=SCRIPT, description=SCRIPT, definition=HARMFUL_DEFINITION, status_reason=SCRIPT, version=1
    )
    if model is Project:
        return project
    if model is Workflow:
        VersionFactory(workflow=workflow, definition={"nodes": SCRIPT, "edges": []})
        return workflow
    version = VersionFactory(workflow=workflow, definition=HARMFUL_DEFINITION, message=SCRIPT, created_by=user)
    trigger = TriggerFactory(workflow=workflow, node_id=SCRIPT[:64], type="webhook", config={"kind": SCRIPT})
    job = ScheduledJobFactory(trigger__workflow=workflow, cron_expression=SCRIPT, timezone=SCRIPT[:64])
    execution = {
        "workflow_version": version,
        "ended": True,
        "status": "failed",
        "execution_context": {"trigger": HUGE, "node_id": SCRIPT},
        "result": HUGE,
        "error": {"code": SCRIPT, "message": SCRIPT},
        "user_agent": SCRIPT,
        "idempotency_key": SCRIPT,
        "started_by": user,
    }
    rows: dict[type[Model], dict[str, Any]] = {
        ProjectMember: {"project": project, "user": user},
        ApiToken: {"project": project, "user": user, "name": SCRIPT},
        AuditEntry: {
            "project": project,
            "actor_name": SCRIPT,
            "action": SCRIPT[:64],
            "target_type": SCRIPT[:64],
            "target_id": SCRIPT[:64],
            "target_name": SCRIPT,
            "details": HUGE,
        },
        WorkflowVersion: {"workflow": workflow, "number": 2, "definition": HARMFUL_DEFINITION, "message": SCRIPT},
        WorkflowVariable: {"workflow": workflow, "name": "SCRIPT", "value": '"' + SCRIPT.replace('"', "") + '"'},
        ProjectVariable: {"project": project, "name": "SCRIPT", "value": '"' + SCRIPT.replace('"', "") + '"'},
        WorkflowExecution: execution,
        WorkflowExecutionLog: {
            "node_id": SCRIPT[:64],
            "node_name": SCRIPT,
            "iteration": SCRIPT,
            "ports": [SCRIPT],
            "input_data": HUGE,
            "output_data": HUGE,
            "error": {"message": SCRIPT},
        },
        OutgoingLimit: {"project": project, "host": SCRIPT},
        LiveText: {"execution__workflow_version__workflow": workflow, "text": SCRIPT},
        OutgoingCall: {"limit__project": project, "limit__host": SCRIPT},
        OutgoingHold: {"project": project, "host": SCRIPT},
        ModelPrice: {"provider": SCRIPT, "model": SCRIPT, "note": SCRIPT},
        ModelCall: {
            "workflow": workflow,
            "node_id": SCRIPT[:64],
            "iteration": SCRIPT,
            "agent_id": SCRIPT[:64],
            "provider": SCRIPT[:64],
            "base_url": SCRIPT,
            "model": SCRIPT,
        },
        Budget: {"project": project, "workflow": workflow},
        WorkerProcess: {"host": SCRIPT[:60], "queues": [SCRIPT]},
        Conversation: {"project": project, "key": SCRIPT},
        ConversationMessage: {
            "conversation__project": project,
            "conversation__key": SCRIPT,
            "content": SCRIPT,
            "node_id": SCRIPT[:64],
        },
        Approval: {
            "node_id": SCRIPT[:64],
            "iteration": SCRIPT,
            "title": SCRIPT,
            "message": SCRIPT,
            "details": HUGE,
            "form": HUGE,
            "users": [SCRIPT],
        },
        ApprovalDecision: {"user": user, "name": SCRIPT, "comment": SCRIPT, "form": HUGE},
        Link: {"node_id": SCRIPT[:64], "iteration": SCRIPT, "early": HUGE},
        GoneEndpoint: {"project": project, "url": SCRIPT},
        Trigger: {"workflow": workflow, "node_id": f"1{SCRIPT}"[:64], "config": HUGE},
        WebhookRegistration: {
            "trigger": trigger,
            "path": SCRIPT,
            "auth": {"scheme": SCRIPT},
            "headers_validation": {SCRIPT: SCRIPT},
            "body_schema": HUGE,
        },
        WebhookDelivery: {
            "query_string": SCRIPT,
            "headers": {SCRIPT: SCRIPT},
            "body": SCRIPT.encode() + bytes(range(256)),
            "reason": SCRIPT,
            "reason_code": SCRIPT[:64],
            "dedupe_key": SCRIPT,
        },
        WebhookTest: {"workflow": workflow, "node_id": SCRIPT[:64], "created_by": user},
        WebhookTestDelivery: {
            "test__workflow": workflow,
            "query_string": SCRIPT,
            "headers": {SCRIPT: SCRIPT},
            "body": SCRIPT.encode() + bytes(range(256)),
            "reason": SCRIPT,
            "reason_code": SCRIPT[:64],
        },
        ScheduledJob: {
            "trigger": trigger,
            "cron_expression": SCRIPT,
            "timezone": SCRIPT[:64],
            "paused_reason": SCRIPT,
        },
        Subscription: {"trigger": trigger, "topic": SCRIPT},
        Event: {"project": project, "name": SCRIPT, "data": HUGE, "source": SCRIPT, "dedupe_key": SCRIPT},
        EventMatch: {"trigger": trigger, "reason_code": SCRIPT[:64], "reason": SCRIPT, "execution": None},
        Poll: {"trigger": trigger, "cursor": HUGE, "paused_reason": SCRIPT, "last_error": HUGE, "lease_owner": SCRIPT},
        PollKey: {"poll__trigger": trigger, "key_hash": SCRIPT},
        SkippedSlots: {"job": job, "detail": SCRIPT},
        ScheduleBackfill: {"job": job, "reason": SCRIPT, "created_by": user},
        WorkflowTemplate: {
            "name": SCRIPT,
            "description": SCRIPT,
            "category": SCRIPT[:64],
            "author": SCRIPT,
            "workflow_definition": HARMFUL_DEFINITION,
            "required_variables": [SCRIPT],
            "tags": [SCRIPT],
        },
    }
    row = FACTORIES[model](**rows[model])
    if model is WorkflowExecution:
        for number in range(3):
            NodeRunFactory(
                execution=row,
                node_id=f"{number}{SCRIPT}"[:64],
                output_data=HUGE,
                status="failed",
                error={"message": SCRIPT},
            )
    return row


def url(name: str, model: type[Model], *args: Any) -> str:
    """Return the URL of a model's page: ``changelist``, ``add``, ``change``, ``delete``, ``act``."""
    from django.urls import reverse

    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)
