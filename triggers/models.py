"""Why it happens: triggers, and what lives on webhooks and schedules."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Count, DateTimeField, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from executions.models import WorkflowExecution
from projects.constraints import one_of
from projects.ids import new_id
from triggers.schedules.calendar import Schedule
from workflows.models import TriggerType, Workflow, WorkflowStatus


class Trigger(models.Model):
    """One trigger node of a workflow's published version, known by the node's id from version to version."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="triggers")
    node_id = models.CharField(max_length=64)
    type = models.CharField(max_length=16, choices=TriggerType.choices)
    # The node's settings, as published.
    config = models.JSONField(default=dict)
    # Whether the published version still has the node.
    is_registered = models.BooleanField(default=True)
    # An operator's switch; a new version leaves it alone.
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "triggers"
        constraints = [
            models.UniqueConstraint(fields=["workflow", "node_id"], name="triggers_node_once"),
            one_of("triggers", "type", TriggerType),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="triggers_newest")]

    def __str__(self) -> str:
        return f"{self.node_id} ({self.type}) of {self.workflow}"


class WebhookRegistrationQuerySet(models.QuerySet["WebhookRegistration"]):
    """Names for sets of registrations."""

    def routed(self) -> WebhookRegistrationQuerySet:
        """Those whose path is open: published, not switched off, of a workflow that is not a draft or archived."""
        return self.filter(
            is_active=True,
            trigger__is_active=True,
            trigger__is_registered=True,
            trigger__type=TriggerType.WEBHOOK,
            workflow__status__in=(WorkflowStatus.ACTIVE, WorkflowStatus.PAUSED, WorkflowStatus.DISABLED),
        )

    def with_counts(self) -> WebhookRegistrationQuerySet:
        """Add ``trigger_count`` and ``last_triggered``: how many deliveries were ever accepted, and when the latest one was.

        They are counted when somebody asks, from indexes alone, so that deliveries of one webhook need not take turns on its row.
        """
        deliveries = WebhookDelivery.objects.filter(registration=OuterRef("pk"))
        refused = deliveries.exclude(verdict=DeliveryVerdict.ACCEPTED)
        accepted = deliveries.filter(verdict=DeliveryVerdict.ACCEPTED).order_by("-received_at", "-id")
        return self.annotate(
            trigger_count=F("forgotten_count") + _number_of(deliveries) - _number_of(refused),
            last_triggered=Coalesce(
                Subquery(accepted.values("received_at")[:1]), F("forgotten_latest"), output_field=DateTimeField()
            ),
        )


def _number_of(deliveries: models.QuerySet[WebhookDelivery]) -> Coalesce:
    counted = deliveries.order_by().values("registration").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted), Value(0), output_field=IntegerField())


class WebhookRegistration(models.Model):
    """The route of one webhook trigger: ``/webhooks/<path>`` answers because this row is there.

    ``pattern`` is the path without the names of its parameters; it is what a request is looked up by.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="webhook_registrations")
    trigger = models.OneToOneField(Trigger, on_delete=models.CASCADE, related_name="webhook_registration")
    path = models.CharField(max_length=200)
    pattern = models.CharField(max_length=200, unique=True)
    methods = models.JSONField(default=list)
    # How callers prove themselves: a name from triggers.webhooks.signatures, with its settings.
    auth = models.JSONField(default=dict)
    # An AES-256-GCM envelope around the JSON list of secrets that are valid; empty: none is set, all is refused.
    secret = models.TextField(blank=True, default="", editable=False)
    headers_validation = models.JSONField(default=dict, blank=True)
    body_schema = models.JSONField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=now, editable=False)
    # Accepted deliveries that the inbox does not hold any more: how many, and when the latest of them came.
    forgotten_count = models.PositiveBigIntegerField(default=0, editable=False)
    forgotten_latest = models.DateTimeField(null=True, blank=True, editable=False)
    # The rate limit's memory: by when all deliveries would have come at the allowed pace, in microseconds since 1970.
    paced_until_us = models.BigIntegerField(default=0, editable=False)

    objects = WebhookRegistrationQuerySet.as_manager()

    class Meta:
        db_table = "webhook_registrations"
        indexes = [models.Index(fields=["-created_at", "-id"], name="webhooks_newest")]

    def __str__(self) -> str:
        return f"/webhooks/{self.path}"


class DeliveryVerdict(models.TextChoices):
    ACCEPTED = "accepted"  # It has its execution.
    DUPLICATE = "duplicate"  # It was here before; the first one's execution stands.
    FILTERED = "filtered"  # The webhook's filter wants no execution of it.
    REJECTED = "rejected"  # ``reason`` says why.


class WebhookDelivery(models.Model):
    """One received webhook request, kept before it is answered, also when it is rejected."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    registration = models.ForeignKey(WebhookRegistration, on_delete=models.CASCADE, related_name="deliveries")
    received_at = models.DateTimeField(default=now, editable=False)
    method = models.CharField(max_length=10)
    # The whole path of the request, decoded.
    path = models.CharField(max_length=1100, blank=True, default="")
    query_string = models.TextField(blank=True, default="")
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    # False for one that was rejected before it was read, or that was too long to keep.
    is_body_complete = models.BooleanField(default=True)
    # Whether the sender had proven itself as far as the webhook asks for it.
    is_genuine = models.BooleanField(default=False)
    ip_address = models.GenericIPAddressField(null=True)
    verdict = models.CharField(max_length=16, choices=DeliveryVerdict.choices)
    # For a rejected one: a stable code and a sentence.
    reason_code = models.CharField(max_length=64, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")
    # The sender's id of the delivery, or what the webhook's key expression made of it; unique among the accepted ones of a
    # registration that have not let go of theirs.
    dedupe_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where it is not null
    # The webhook's window is over, and another delivery has taken the key.
    is_released = models.BooleanField(default=False, editable=False)
    execution = models.ForeignKey(
        WorkflowExecution, on_delete=models.SET_NULL, null=True, blank=True, related_name="deliveries"
    )
    redelivery_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="redeliveries"
    )

    class Meta:
        db_table = "webhook_deliveries"
        verbose_name_plural = "webhook deliveries"
        constraints = [
            one_of("webhook_deliveries", "verdict", DeliveryVerdict),
            models.UniqueConstraint(
                fields=["registration", "dedupe_key"],
                condition=Q(dedupe_key__isnull=False, verdict=DeliveryVerdict.ACCEPTED, is_released=False),
                name="webhook_deliveries_once",
            ),
        ]
        indexes = [
            models.Index(fields=["registration", "-received_at", "-id"], name="deliveries_registration_newest"),
            models.Index(fields=["-received_at", "-id"], name="deliveries_newest"),
            # What a hook has turned away, of which only the newest are kept.
            models.Index(
                fields=["registration", "-received_at", "-id"],
                name="deliveries_not_accepted",
                condition=~Q(verdict=DeliveryVerdict.ACCEPTED),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.method} to {self.registration} at {self.received_at:%Y-%m-%d %H:%M:%S}"


class ScheduledJobQuerySet(models.QuerySet["ScheduledJob"]):
    """Names for sets of jobs."""

    def running(self) -> ScheduledJobQuerySet:
        """Those that fire when their time comes: published, not paused or switched off, of an active workflow."""
        return self.filter(
            is_active=True,
            trigger__is_active=True,
            trigger__is_registered=True,
            trigger__type=TriggerType.SCHEDULE,
            workflow__status=WorkflowStatus.ACTIVE,
        )

    def due(self, now: datetime) -> ScheduledJobQuerySet:
        """Those whose slot has come."""
        return self.running().filter(next_run__lte=now)


class ScheduledJob(models.Model):
    """The clock of one schedule trigger. ``next_run`` is the next slot; whoever moves it forward fires the slot."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="scheduled_jobs")
    trigger = models.OneToOneField(Trigger, on_delete=models.CASCADE, related_name="scheduled_job")
    cron_expression = models.CharField(max_length=200)
    timezone = models.CharField(max_length=64, default="UTC")
    start_date = models.DateTimeField(null=True, blank=True)
    end_date = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)
    # Why it is paused, in a sentence.
    paused_reason = models.CharField(max_length=500, blank=True, default="")
    last_run = models.DateTimeField(null=True, blank=True, editable=False)
    next_run = models.DateTimeField(null=True, blank=True, editable=False)
    run_count = models.PositiveBigIntegerField(default=0, editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    # 0: it goes on whatever happens.
    max_consecutive_failures = models.PositiveIntegerField(default=5)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ScheduledJobQuerySet.as_manager()

    class Meta:
        db_table = "scheduled_jobs"
        indexes = [
            models.Index(
                fields=["next_run"],
                name="scheduled_jobs_due",
                condition=Q(is_active=True, next_run__isnull=False),
            ),
            models.Index(fields=["-created_at", "-id"], name="scheduled_jobs_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.cron_expression} ({self.timezone}) for {self.workflow}"

    @property
    def schedule(self) -> Schedule:
        """When it is due.

        :raises ValueError: if the row holds an expression or a zone that means nothing.
        """
        return Schedule(self.cron_expression, self.timezone, start=self.start_date, end=self.end_date)
