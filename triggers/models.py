"""Why it happens: triggers, and what lives on webhooks and schedules."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Count, DateTimeField, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from executions.models import WorkflowExecution
from projects.constraints import one_of
from projects.ids import new_id
from projects.models import Project
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
    HANDSHAKE = "handshake"  # Not a delivery: the sender made sure that the address is meant.


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
    # Which of the webhook's secrets has proven it; empty if none was needed or none did.
    secret_id = models.CharField(max_length=16, blank=True, default="")
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


class Subscription(models.Model):
    """One thing that a trigger listens to: a pattern of event names, or a kind of end of another workflow's executions."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    trigger = models.ForeignKey(Trigger, on_delete=models.CASCADE, related_name="subscriptions", db_index=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    type = models.CharField(max_length=16, choices=TriggerType.choices)
    topic = models.CharField(max_length=220)

    class Meta:
        db_table = "trigger_subscriptions"
        constraints = [
            models.UniqueConstraint(fields=["trigger", "topic"], name="trigger_subscriptions_once"),
            one_of("trigger_subscriptions", "type", TriggerType),
        ]
        indexes = [models.Index(fields=["project", "type", "topic"], name="subscriptions_topic")]

    def __str__(self) -> str:
        return self.topic


class Event(models.Model):
    """Something that happened in a project, kept in the commit that starts what it starts.

    ``type`` tells an event that somebody sent (``event``) from the end of an execution that others wait for (``workflow``).
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="events", db_index=False)
    type = models.CharField(max_length=16, choices=TriggerType.choices, default=TriggerType.EVENT)
    name = models.CharField(max_length=200)
    data = models.JSONField(null=True)
    # What it came from, in the sender's words.
    source = models.CharField(max_length=200, blank=True, default="")
    # The sender's id of it: the same one twice in a project is the same event.
    dedupe_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where it is not null
    received_at = models.DateTimeField(default=now, editable=False)
    sent_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    # The execution that emitted it, or whose end it is, if one did.
    emitted_by = models.ForeignKey(
        WorkflowExecution, on_delete=models.SET_NULL, null=True, blank=True, related_name="emitted_events"
    )
    # How many executions lie above those that it starts, and through how many workflows its request came.
    depth = models.PositiveIntegerField(default=0)
    hops = models.PositiveIntegerField(default=0)
    matched_count = models.PositiveIntegerField(default=0)
    filtered_count = models.PositiveIntegerField(default=0)
    failed_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(default=0)
    # Triggers that listen to it and were not even looked at, because too many do.
    left_out_count = models.PositiveIntegerField(default=0)

    # Whether it was here before. Of an answer, not of the row.
    is_duplicate: bool = False

    class Meta:
        db_table = "events"
        constraints = [
            one_of("events", "type", TriggerType),
            models.UniqueConstraint(
                fields=["project", "dedupe_key"], condition=Q(dedupe_key__isnull=False), name="events_once"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-received_at", "-id"], name="events_project_newest"),
            models.Index(fields=["project", "name", "-received_at", "-id"], name="events_name_newest"),
            models.Index(fields=["-received_at", "-id"], name="events_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} at {self.received_at:%Y-%m-%d %H:%M:%S}"


class MatchVerdict(models.TextChoices):
    MATCHED = "matched"  # It has its execution.
    FILTERED = "filtered"  # The trigger's filter said no.
    FAILED = "failed"  # The filter or the start failed; ``reason`` says how.
    REFUSED = "refused"  # It may not start anything now; ``reason`` says why.


class EventMatch(models.Model):
    """What came of one event at one trigger that listens to its name."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="matches", db_index=False)
    trigger = models.ForeignKey(Trigger, on_delete=models.CASCADE, related_name="matches", db_index=False)
    created_at = models.DateTimeField(default=now, editable=False)
    verdict = models.CharField(max_length=16, choices=MatchVerdict.choices)
    # For all but matched ones: a stable code and a sentence.
    reason_code = models.CharField(max_length=64, blank=True, default="")
    reason = models.CharField(max_length=500, blank=True, default="")
    execution = models.ForeignKey(
        WorkflowExecution, on_delete=models.SET_NULL, null=True, blank=True, related_name="event_matches"
    )

    class Meta:
        db_table = "event_matches"
        verbose_name_plural = "event matches"
        constraints = [
            models.UniqueConstraint(fields=["event", "trigger"], name="event_matches_once"),
            one_of("event_matches", "verdict", MatchVerdict),
        ]
        indexes = [
            models.Index(fields=["trigger", "-created_at", "-id"], name="event_matches_trigger_newest"),
            models.Index(fields=["-created_at", "-id"], name="event_matches_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.event.name} at {self.trigger.node_id}: {self.verdict}"


class PollQuerySet(models.QuerySet["Poll"]):
    """Names for sets of polls."""

    def running(self) -> PollQuerySet:
        """Those that look when their time comes: published, not paused or switched off, of an active workflow."""
        return self.filter(
            is_active=True,
            trigger__is_active=True,
            trigger__is_registered=True,
            trigger__type=TriggerType.POLLING,
            workflow__status=WorkflowStatus.ACTIVE,
        )

    def due(self, now: datetime) -> PollQuerySet:
        """Those whose time has come and that nobody is at; or whoever was has been lost."""
        free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=now)
        return self.running().filter(free, next_run__lte=now)


class Poll(models.Model):
    """The memory of one polling trigger: when it looks next, and what it has dealt with.

    While a process is at it, the lease columns say who and until when, and ``fence`` guards what it writes.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="polls")
    trigger = models.OneToOneField(Trigger, on_delete=models.CASCADE, related_name="poll")
    every_seconds = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    # Why it is paused, in a sentence.
    paused_reason = models.CharField(max_length=500, blank=True, default="")
    next_run = models.DateTimeField(null=True, blank=True, editable=False)
    # How far things have come; null before the first poll, and where keys alone tell what is new.
    cursor = models.JSONField(null=True, blank=True, editable=False)
    # {"call": a hash of what was asked, "etag", "last_modified"}: what the last answer said about how new it is.
    validators = models.JSONField(default=dict, editable=False)
    # Whether it has looked since it was made or reset: the first time is another.
    has_looked = models.BooleanField(default=False, editable=False)
    last_polled_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Of the last poll that succeeded: items in the list, and those that started executions.
    last_items = models.PositiveIntegerField(default=0, editable=False)
    last_new = models.PositiveIntegerField(default=0, editable=False)
    poll_count = models.PositiveBigIntegerField(default=0, editable=False)
    consecutive_errors = models.PositiveIntegerField(default=0, editable=False)
    # 0: it goes on whatever happens.
    max_consecutive_failures = models.PositiveIntegerField(default=10)
    # {"code", "message", "at"} of the last poll, if it failed.
    last_error = models.JSONField(null=True, blank=True, editable=False)
    lease_owner = models.CharField(max_length=120, null=True, blank=True, editable=False)  # noqa: DJ001 - null: nobody
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PollQuerySet.as_manager()

    class Meta:
        db_table = "polls"
        indexes = [
            models.Index(fields=["next_run"], name="polls_due", condition=Q(is_active=True, next_run__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="polls_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.trigger.node_id}, every {self.every_seconds} s, for {self.workflow}"


class PollKey(models.Model):
    """One item that a poll has dealt with, by the hash of its key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    poll = models.ForeignKey(Poll, on_delete=models.CASCADE, related_name="keys", db_index=False)
    key_hash = models.CharField(max_length=64)
    # The number of the poll that saw it last.
    seen_in = models.PositiveBigIntegerField()

    class Meta:
        db_table = "poll_keys"
        constraints = [models.UniqueConstraint(fields=["poll", "key_hash"], name="poll_keys_once")]
        indexes = [models.Index(fields=["poll", "seen_in", "id"], name="poll_keys_oldest")]

    def __str__(self) -> str:
        return self.key_hash
