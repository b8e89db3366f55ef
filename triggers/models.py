"""Why it happens: triggers, and what lives on webhooks and schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db import models
from django.db.models import Count, DateTimeField, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from executions.models import WorkflowExecution
from projects.constraints import one_of
from projects.ids import new_id
from projects.models import Project
from triggers.schedules.jitter import jitter_of
from triggers.schedules.misfires import Misfire, MisfirePolicy
from workflows.models import TriggerType, Workflow, WorkflowStatus
from workflows.schedules.calendar import RepeatedTimes, Schedule, SkippedTimes


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


class ReceivedRequest(models.Model):
    """What is kept of a request, and what became of it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
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
    execution = models.ForeignKey(WorkflowExecution, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        abstract = True


class WebhookDelivery(ReceivedRequest):
    """One received webhook request, kept before it is answered, also when it is rejected."""

    registration = models.ForeignKey(WebhookRegistration, on_delete=models.CASCADE, related_name="deliveries")
    # The sender's id of the delivery, or what the webhook's key expression made of it; unique among the accepted ones of a
    # registration that have not let go of theirs.
    dedupe_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where it is not null
    # The webhook's window is over, and another delivery has taken the key.
    is_released = models.BooleanField(default=False, editable=False)
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


class WebhookTestQuerySet(models.QuerySet["WebhookTest"]):
    """Names for sets of tests."""

    def open(self, now: datetime) -> WebhookTestQuerySet:
        """Those whose URL answers."""
        return self.filter(expires_at__gt=now)

    def with_production_paths(self) -> WebhookTestQuerySet:
        """Add ``production_path``: at which the same trigger of the published version answers, if it has it."""
        published = WebhookRegistration.objects.filter(
            trigger__workflow=OuterRef("workflow"), trigger__node_id=OuterRef("node_id"), trigger__is_registered=True
        )
        return self.annotate(production_path=Subquery(published.values("path")[:1]))


class WebhookTest(models.Model):
    """A URL for a while, ``/webhooks-test/<token>``, at which a webhook trigger of the draft answers."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="webhook_tests")
    node_id = models.CharField(max_length=64)
    # Nobody can guess it: whoever knows it may try the draft.
    token = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WebhookTestQuerySet.as_manager()

    class Meta:
        db_table = "webhook_tests"
        constraints = [models.UniqueConstraint(fields=["workflow", "node_id"], name="webhook_tests_node_once")]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="webhook_tests_newest"),
            models.Index(fields=["expires_at"], name="webhook_tests_expired"),
        ]

    def __str__(self) -> str:
        return f"Test URL of {self.node_id} of {self.workflow}"


class WebhookTestDelivery(ReceivedRequest):
    """One request to a test URL."""

    test = models.ForeignKey(WebhookTest, on_delete=models.CASCADE, related_name="deliveries")

    class Meta:
        db_table = "webhook_test_deliveries"
        verbose_name_plural = "webhook test deliveries"
        constraints = [one_of("webhook_test_deliveries", "verdict", DeliveryVerdict)]
        indexes = [models.Index(fields=["test", "-received_at", "-id"], name="test_deliveries_newest")]

    def __str__(self) -> str:
        return f"{self.method} to {self.test} at {self.received_at:%Y-%m-%d %H:%M:%S}"


# Where a schedule says nothing.
MAX_CONSECUTIVE_FAILURES = 5
# Slots that wait for an execution to end (overlap ``queue``); of more, the oldest are skipped.
MOST_QUEUED = 100


def choices_of(values: type[StrEnum]) -> list[tuple[str, str]]:
    """Return the values of an enum that knows no Django, as choices of a column."""
    return [(value.value, value.value) for value in values]


MISFIRE_POLICIES = choices_of(MisfirePolicy)


class Overlap(models.TextChoices):
    """What a slot does while an execution of its trigger has not ended."""

    ALLOW = "allow"  # It starts one beside it.
    SKIP = "skip"  # It does not fire.
    QUEUE = "queue"  # It waits for the end.
    CANCEL = "cancel"  # It ends what the clock has started before, and fires.


# When a job fires: at its slot, or later by its jitter.
DUE_AT = Coalesce("delayed_until", "next_run")


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
        """Those whose slot has come, and waits for nothing. The condition is that of the index ``scheduled_jobs_due``."""
        waiting = self.running().filter(next_run__isnull=False, waits_for__isnull=True)
        return waiting.alias(due_at=DUE_AT).filter(due_at__lte=now)

    def longest_due_first(self) -> ScheduledJobQuerySet:
        """In the order in which slots fire. Goes with :meth:`due`."""
        return self.order_by(DUE_AT, "id")


class ScheduledJob(models.Model):
    """The clock of one schedule trigger. ``next_run`` is the next slot; whoever moves it forward fires the slot."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="scheduled_jobs")
    trigger = models.OneToOneField(Trigger, on_delete=models.CASCADE, related_name="scheduled_job")
    # Either an expression, or an interval that is counted from its anchor.
    cron_expression = models.CharField(max_length=200, blank=True, default="")
    every_seconds = models.PositiveIntegerField(null=True, blank=True)
    anchor = models.DateTimeField(null=True, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    start_date = models.DateTimeField(null=True, blank=True)
    end_date = models.DateTimeField(null=True, blank=True)
    # For times that clocks skip or show twice; empty: as the kind of expression has it.
    skipped_times = models.CharField(max_length=16, choices=choices_of(SkippedTimes), blank=True, default="")
    repeated_times = models.CharField(max_length=16, choices=choices_of(RepeatedTimes), blank=True, default="")
    misfire_policy = models.CharField(max_length=16, choices=MISFIRE_POLICIES, default=MisfirePolicy.LAST.value)
    misfire_max = models.PositiveSmallIntegerField(default=10)
    misfire_grace_seconds = models.PositiveIntegerField(default=60)
    overlap = models.CharField(max_length=16, choices=Overlap.choices, default=Overlap.ALLOW)
    jitter_seconds = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)
    # Why it is paused, in a sentence.
    paused_reason = models.CharField(max_length=500, blank=True, default="")
    last_run = models.DateTimeField(null=True, blank=True, editable=False)
    next_run = models.DateTimeField(null=True, blank=True, editable=False)
    # When the next slot fires, if its jitter makes it later.
    delayed_until = models.DateTimeField(null=True, blank=True, editable=False)
    # The execution whose end the next slot waits for (overlap ``queue``). No foreign key: executions are cleaned up.
    waits_for = models.UUIDField(null=True, blank=True, editable=False)
    # Whether the slots from ``next_run`` on have waited like that: they were not missed.
    is_queued = models.BooleanField(default=False, editable=False)
    # What whoever resumed it wants to be done with the slots that passed meanwhile, once; empty: nothing special.
    catch_up = models.CharField(max_length=16, choices=MISFIRE_POLICIES, blank=True, default="", editable=False)
    run_count = models.PositiveBigIntegerField(default=0, editable=False)
    consecutive_failures = models.PositiveIntegerField(default=0, editable=False)
    # 0: it goes on whatever happens.
    max_consecutive_failures = models.PositiveIntegerField(default=MAX_CONSECUTIVE_FAILURES)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ScheduledJobQuerySet.as_manager()

    class Meta:
        db_table = "scheduled_jobs"
        constraints = [
            one_of("scheduled_jobs", "overlap", Overlap),
            models.CheckConstraint(
                condition=Q(misfire_policy__in=[policy.value for policy in MisfirePolicy]),
                name="scheduled_jobs_misfire_policy_check",
            ),
        ]
        indexes = [
            models.Index(
                DUE_AT,
                models.F("id"),
                name="scheduled_jobs_due",
                condition=Q(is_active=True, next_run__isnull=False, waits_for__isnull=True),
            ),
            models.Index(fields=["id"], name="scheduled_jobs_waiting", condition=Q(waits_for__isnull=False)),
            models.Index(fields=["-created_at", "-id"], name="scheduled_jobs_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.rhythm} ({self.timezone}) for {self.workflow}"

    @property
    def rhythm(self) -> str:
        """Its expression or its interval, for people."""
        return self.cron_expression if self.every_seconds is None else f"every {self.every_seconds} s"

    @property
    def schedule(self) -> Schedule:
        """When it is due.

        :raises ValueError: if the row holds an expression or a zone that means nothing.
        """
        return Schedule(
            self.cron_expression,
            self.timezone,
            start=self.start_date,
            end=self.end_date,
            every=None if self.every_seconds is None else timedelta(seconds=self.every_seconds),
            anchor=self.anchor if self.every_seconds is not None else None,
            skipped=SkippedTimes(self.skipped_times) if self.skipped_times else None,
            repeated=RepeatedTimes(self.repeated_times) if self.repeated_times else None,
        )

    @property
    def jitter(self) -> timedelta:
        """How much later than their slots it fires at most."""
        return timedelta(seconds=self.jitter_seconds)

    @property
    def misfire(self) -> Misfire:
        """What becomes of slots that passed: as somebody who resumed it wants it this once, else as it is published."""
        if self.catch_up:
            return Misfire(MisfirePolicy(self.catch_up), max=self.misfire_max, grace=timedelta(0))
        if self.is_queued:
            return Misfire(MisfirePolicy.ALL, max=MOST_QUEUED, grace=timedelta(0))
        # With jitter a slot is late only when it could have fired.
        grace = timedelta(seconds=self.misfire_grace_seconds) + self.jitter
        return Misfire(MisfirePolicy(self.misfire_policy), max=self.misfire_max, grace=grace)

    def delay_of(self, slot: datetime) -> timedelta:
        """Return how much later than its slot it fires."""
        return jitter_of(self.pk, slot, at_most=self.jitter)

    def clock_at(self, slot: datetime | None) -> dict[str, datetime | None]:
        """Return the columns of a clock whose next slot this is."""
        delay = self.delay_of(slot) if slot else None
        return {"next_run": slot, "delayed_until": slot + delay if slot and delay else None}


class SkipReason(models.TextChoices):
    MISSED = "missed"  # Nobody could fire it in time, and its misfire rule makes up for it not.
    OVERLAP = "overlap"  # An execution of the trigger had not ended.
    RESUMED = "resumed"  # The job was paused, and whoever resumed it did not want it.


class SkippedSlots(models.Model):
    """Slots of a job, one after another, that did not fire, and why. Without a firing between, the next ones join the row."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(ScheduledJob, on_delete=models.CASCADE, related_name="skipped_slots", db_index=False)
    first_slot = models.DateTimeField()
    last_slot = models.DateTimeField()
    # At most MOST_COUNTED for each time that some were skipped at once.
    count = models.PositiveIntegerField()
    reason = models.CharField(max_length=16, choices=SkipReason.choices)
    detail = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        db_table = "schedule_skipped_slots"
        verbose_name_plural = "skipped slots"
        constraints = [one_of("schedule_skipped_slots", "reason", SkipReason)]
        indexes = [
            models.Index(fields=["job", "-created_at", "-id"], name="skipped_slots_job_newest"),
            models.Index(fields=["updated_at"], name="skipped_slots_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.count} of {self.job} from {self.first_slot:%Y-%m-%d %H:%M:%S}"


class BackfillMode(models.TextChoices):
    MISSING = "missing"  # Slots that have no execution.
    FAILED = "failed"  # Slots whose latest execution failed or timed out.
    ALL = "all"  # All of them, but those whose execution has not ended.


class BackfillStatus(models.TextChoices):
    RUNNING = "running"  # There are slots that it has not come to.
    COMPLETED = "completed"  # It has come to all. Their executions may still be under way.
    CANCELLED = "cancelled"  # Somebody stopped it.


class ScheduleBackfill(models.Model):
    """One run through a range of a job's slots in the past. ``cursor`` is the last slot that it has dealt with."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(ScheduledJob, on_delete=models.CASCADE, related_name="backfills", db_index=False)
    start = models.DateTimeField()
    end = models.DateTimeField()
    slots = models.CharField(max_length=16, choices=BackfillMode.choices)
    # How many of its executions may be under way at once.
    max_running = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=16, choices=BackfillStatus.choices, default=BackfillStatus.RUNNING)
    cursor = models.DateTimeField(null=True, blank=True, editable=False)
    # Slots in the range, and what became of those up to the cursor.
    slot_count = models.PositiveIntegerField()
    started_count = models.PositiveIntegerField(default=0, editable=False)
    passed_count = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Why Segue stopped it, if it did.
    reason = models.CharField(max_length=500, blank=True, default="", editable=False)

    class Meta:
        db_table = "schedule_backfills"
        constraints = [
            one_of("schedule_backfills", "slots", BackfillMode),
            one_of("schedule_backfills", "status", BackfillStatus),
            models.UniqueConstraint(
                fields=["job"], condition=Q(ended_at__isnull=True), name="schedule_backfills_one_at_once"
            ),
            models.CheckConstraint(
                condition=Q(status=BackfillStatus.RUNNING, ended_at__isnull=True)
                | Q(~Q(status=BackfillStatus.RUNNING), ended_at__isnull=False),
                name="schedule_backfills_ended_check",
            ),
        ]
        indexes = [
            models.Index(fields=["job", "-created_at", "-id"], name="backfills_job_newest"),
            models.Index(fields=["-created_at", "-id"], name="backfills_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.slots} slots of {self.job} from {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


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
