"""What should happen: workflows, their published versions, their variables."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from projects.constraints import one_of
from projects.ids import new_id
from projects.models import Project
from workflows.exceptions import IllegalWorkflowTransition


class WorkflowStatus(models.TextChoices):
    DRAFT = "draft"  # Never published.
    ACTIVE = "active"  # Its triggers start executions.
    PAUSED = "paused"  # Held for a while: what comes in is accepted and waits.
    DISABLED = "disabled"  # Switched off, with a reason: what comes in is refused and recorded.
    ARCHIVED = "archived"  # Read-only and hidden from lists; can be brought back.


# From which statuses each one may be reached. What is missing here cannot happen.
REACHED_FROM: dict[WorkflowStatus, tuple[WorkflowStatus, ...]] = {
    WorkflowStatus.DRAFT: (WorkflowStatus.ARCHIVED,),
    WorkflowStatus.ACTIVE: (WorkflowStatus.DRAFT, WorkflowStatus.PAUSED, WorkflowStatus.DISABLED),
    WorkflowStatus.PAUSED: (WorkflowStatus.ACTIVE,),
    WorkflowStatus.DISABLED: (WorkflowStatus.ACTIVE, WorkflowStatus.PAUSED, WorkflowStatus.ARCHIVED),
    WorkflowStatus.ARCHIVED: (
        WorkflowStatus.DRAFT,
        WorkflowStatus.ACTIVE,
        WorkflowStatus.PAUSED,
        WorkflowStatus.DISABLED,
    ),
}


class TriggerType(models.TextChoices):
    """Why an execution starts."""

    WEBHOOK = "webhook"
    SCHEDULE = "schedule"
    EVENT = "event"
    POLLING = "polling"
    MANUAL = "manual"
    WORKFLOW = "workflow"


class NodeType(models.TextChoices):
    """What a node does."""

    TRIGGER = "trigger"
    AGENT = "agent"
    TOOL = "tool"
    CONDITION = "condition"
    LOOP = "loop"
    PARALLEL = "parallel"
    WEBHOOK = "webhook"
    TRANSFORM = "transform"
    DELAY = "delay"
    OUTPUT = "output"


class ConnectionType(models.TextChoices):
    """What an edge means."""

    DATA = "data"
    TOOL = "tool"
    PROCESSED_DATA = "processed_data"
    ACTION = "action"
    CONDITION = "condition"


class Workflow(models.Model):
    """The named thing that people edit. ``definition`` is its draft; what runs are its versions."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="workflows")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    status = models.CharField(max_length=16, choices=WorkflowStatus.choices, default=WorkflowStatus.DRAFT)
    # Why it is paused or disabled, in a sentence.
    status_reason = models.CharField(max_length=500, blank=True, default="")
    # The number of the last published version; 0 before the first.
    version = models.PositiveIntegerField(default=0)
    definition = models.JSONField(default=dict, blank=True)
    # Counts the saves of the draft; the ETag of the API is made from it.
    revision = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "workflows"
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="workflows_name_once_in_project"),
            one_of("workflows", "status", WorkflowStatus),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="workflows_project_newest"),
            models.Index(fields=["project", "status", "-created_at"], name="workflows_project_status"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def etag(self) -> str:
        """The draft's entity tag (RFC 9110), for ``If-Match``."""
        return f'"{self.revision}"'

    def move_to(self, status: WorkflowStatus, **changes: Any) -> None:
        """Change the status and what goes with it, in one statement that only one caller can win.

        :raises IllegalWorkflowTransition: if the row was not, or is no longer, where it could do so.
        """
        changes.setdefault("updated_at", timezone.now())
        rows = Workflow.objects.filter(pk=self.pk, status__in=REACHED_FROM[status])
        if not rows.update(status=status, **changes):
            self.refresh_from_db(fields=["status"])
            raise IllegalWorkflowTransition(
                f"Workflow {self.name!r} is {self.status} and cannot become {status.value}."
            )
        self.refresh_from_db()


class VersionQuerySet(models.QuerySet["WorkflowVersion"]):
    """Names for sets of versions."""

    def published(self) -> VersionQuerySet:
        """Those that have a number; others are drafts as they stood when they were tried."""
        return self.filter(number__isnull=False)


class WorkflowVersion(models.Model):
    """One definition that executions run, immutable (a database trigger sees to it): numbered if it was published, without a
    number if it is a draft as it stood when it was tried."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(null=True)
    definition = models.JSONField()
    # SHA-256 of the canonical definition without ``ui``.
    content_hash = models.CharField(max_length=64)
    # Whether a node of it is an agent: its executions want a worker that has loaded the library for models.
    has_agent = models.BooleanField(default=False, db_default=False, editable=False)
    message = models.CharField(max_length=500, blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = VersionQuerySet.as_manager()

    class Meta:
        db_table = "workflow_versions"
        constraints = [
            models.UniqueConstraint(fields=["workflow", "number"], name="workflow_versions_number_once"),
            models.CheckConstraint(condition=Q(number__gte=1), name="workflow_versions_number_from_one"),
            # A draft that is tried again as it is needs no second row.
            models.UniqueConstraint(
                fields=["workflow", "content_hash"],
                condition=Q(number__isnull=True),
                name="workflow_versions_draft_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow} {self.label}"

    @property
    def label(self) -> str:
        """What people call it: ``v3``, or ``draft``."""
        return f"v{self.number}" if self.number else "draft"


class Variable(models.Model):
    """What variables of workflows and of projects have in common."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=64)
    # Plain variables: JSON text. Secrets: the envelope.
    value = models.TextField(blank=True, default="")
    is_secret = models.BooleanField(default=False)
    # Of a secret: the only hosts that it may be sent to, names or ``*.name``; none means any.
    allowed_hosts = models.JSONField(blank=True, default=list)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class WorkflowVariable(Variable):
    """A named value of one workflow. A secret's ``value`` is an AES-256-GCM envelope bound to this row."""

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="variables")

    class Meta:
        db_table = "workflow_variables"
        constraints = [models.UniqueConstraint(fields=["workflow", "name"], name="workflow_variables_name_once")]


class ProjectVariable(Variable):
    """A named value of all workflows of a project, but of those that have one of this name. Secrets as in workflows."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="variables")

    class Meta:
        db_table = "project_variables"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="project_variables_name_once")]
