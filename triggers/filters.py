"""What lists of triggers can be narrowed by."""

from __future__ import annotations

import django_filters

from projects.filters import MomentFilter, TrueOrFalseFilter
from triggers.models import (
    BackfillStatus,
    DeliveryVerdict,
    Event,
    Poll,
    ScheduleBackfill,
    ScheduledJob,
    SkippedSlots,
    SkipReason,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
    WebhookTest,
    WebhookTestDelivery,
)
from workflows.models import TriggerType


class OfWorkflowFilter(django_filters.FilterSet):
    """By project and workflow, and by the switch."""

    project = django_filters.UUIDFilter(field_name="workflow__project_id")
    workflow = django_filters.UUIDFilter(field_name="workflow_id")
    is_active = TrueOrFalseFilter()


class TriggerFilter(OfWorkflowFilter):
    """By kind as well."""

    type = django_filters.ChoiceFilter(choices=TriggerType.choices)
    is_registered = TrueOrFalseFilter()

    class Meta:
        model = Trigger
        fields: list[str] = []


class WebhookFilter(OfWorkflowFilter):
    """By trigger as well."""

    trigger = django_filters.UUIDFilter(field_name="trigger_id")

    class Meta:
        model = WebhookRegistration
        fields: list[str] = []


class ScheduledJobFilter(OfWorkflowFilter):
    """By trigger as well."""

    trigger = django_filters.UUIDFilter(field_name="trigger_id")

    class Meta:
        model = ScheduledJob
        fields: list[str] = []


class WebhookTestFilter(django_filters.FilterSet):
    """By project and workflow."""

    project = django_filters.UUIDFilter(field_name="workflow__project_id")
    workflow = django_filters.UUIDFilter(field_name="workflow_id")

    class Meta:
        model = WebhookTest
        fields: list[str] = []


class DeliveryFilter(django_filters.FilterSet):
    """By what became of it, and when it came."""

    verdict = django_filters.ChoiceFilter(choices=DeliveryVerdict.choices)
    execution = django_filters.UUIDFilter(field_name="execution_id")
    received_after = MomentFilter(field_name="received_at", lookup_expr="gte")
    received_before = MomentFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = WebhookDelivery
        fields: list[str] = []


class TestDeliveryFilter(DeliveryFilter):
    """As in the inbox."""

    class Meta:
        model = WebhookTestDelivery
        fields: list[str] = []


class PollFilter(OfWorkflowFilter):
    """By trigger as well."""

    trigger = django_filters.UUIDFilter(field_name="trigger_id")

    class Meta:
        model = Poll
        fields: list[str] = []


class EventFilter(django_filters.FilterSet):
    """By project, name and time, and by who listened."""

    project = django_filters.UUIDFilter(field_name="project_id")
    type = django_filters.ChoiceFilter(choices=[(each, each) for each in (TriggerType.EVENT, TriggerType.WORKFLOW)])
    name = django_filters.CharFilter()
    id_of_sender = django_filters.CharFilter(field_name="dedupe_key")
    trigger = django_filters.UUIDFilter(field_name="matches__trigger_id")
    received_after = MomentFilter(field_name="received_at", lookup_expr="gte")
    received_before = MomentFilter(field_name="received_at", lookup_expr="lt")

    class Meta:
        model = Event
        fields: list[str] = []


class BackfillFilter(django_filters.FilterSet):
    """By how far it is."""

    status = django_filters.ChoiceFilter(choices=BackfillStatus.choices)

    class Meta:
        model = ScheduleBackfill
        fields: list[str] = []


class SkippedSlotsFilter(django_filters.FilterSet):
    """By why they did not fire, and when they were due."""

    reason = django_filters.ChoiceFilter(choices=SkipReason.choices)
    due_after = MomentFilter(field_name="last_slot", lookup_expr="gte")
    due_before = MomentFilter(field_name="first_slot", lookup_expr="lt")

    class Meta:
        model = SkippedSlots
        fields: list[str] = []
