"""Schedules as the API shows them, and what it is asked about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from rest_framework import serializers

from projects.rest import StrictSerializer
from triggers.models import MISFIRE_POLICIES, BackfillMode, ScheduleBackfill, ScheduledJob, SkippedSlots, choices_of
from triggers.schedules.misfires import MisfirePolicy
from triggers.serializers import NoteInput, OfTrigger
from triggers.services.schedules.backfills import MAX_RUNNING, Backfill, Deed

MAX_PREVIEW = 100
# Slots that a dry run shows; it counts all.
MOST_SHOWN = 1000


class ScheduledJobSerializer(OfTrigger, serializers.ModelSerializer[ScheduledJob]):
    """The clock of a schedule trigger."""

    waits_for = serializers.UUIDField(
        read_only=True, allow_null=True, help_text="The execution whose end the next slot waits for (overlap `queue`)."
    )
    delayed_until = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When the next slot fires, if jitter makes it later."
    )

    class Meta:
        model = ScheduledJob
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "workflow_name",
            "trigger",
            "node_id",
            "cron_expression",
            "every_seconds",
            "anchor",
            "timezone",
            "start_date",
            "end_date",
            "skipped_times",
            "repeated_times",
            "misfire_policy",
            "misfire_max",
            "misfire_grace_seconds",
            "overlap",
            "jitter_seconds",
            "is_registered",
            "is_active",
            "paused_reason",
            "last_run",
            "next_run",
            "delayed_until",
            "waits_for",
            "run_count",
            "consecutive_failures",
            "max_consecutive_failures",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class ChangeInput(StrictSerializer):
    """What can be set without a new version."""

    max_consecutive_failures = serializers.IntegerField(
        min_value=0, max_value=1000, help_text="After so many failures in a row it pauses itself; 0: never."
    )


class ResumeInput(NoteInput):
    """Why it goes on, and what becomes of what it missed."""

    missed = serializers.ChoiceField(
        choices=MISFIRE_POLICIES,
        required=False,
        default=MisfirePolicy.SKIP.value,
        help_text="What becomes of the slots that passed meanwhile: fire none, the last, or the last `misfire_max`.",
    )


class FiredSerializer(serializers.Serializer[Any]):
    """What firing by hand has started."""

    execution_id = serializers.UUIDField()


class PreviewInput(StrictSerializer):
    """How far to look ahead."""

    count = serializers.IntegerField(required=False, default=20, min_value=1, max_value=MAX_PREVIEW)


class ConfigPreviewInput(PreviewInput):
    """The settings of a schedule that need not be saved yet."""

    config = serializers.JSONField(help_text="A schedule trigger's `config`; `kind` may be left out.")
    timezone = serializers.CharField(
        required=False, default="UTC", max_length=64, help_text="The workflow's, for a config that names none."
    )


class SlotSerializer(serializers.Serializer[Any]):
    """One due time: as a moment, and as clocks in the schedule's zone show it."""

    utc = serializers.DateTimeField()
    local = serializers.CharField(help_text="With its offset from UTC.")
    abbreviation = serializers.CharField(help_text="Of the zone at that moment: CET, CEST.")


class PreviewSerializer(serializers.Serializer[Any]):
    """The next slots of a schedule."""

    timezone = serializers.CharField()
    slots = SlotSerializer(many=True)

    @classmethod
    def of(cls, zone: str, slots: list[datetime]) -> dict[str, Any]:
        """Return the slots as they are shown."""
        return {"timezone": zone, "slots": [shown_slot(slot, zone) for slot in slots]}


class SkippedSlotsSerializer(serializers.ModelSerializer[SkippedSlots]):
    """Slots, one after another, that did not fire, and why."""

    class Meta:
        model = SkippedSlots
        fields: ClassVar[list[str]] = [
            "id",
            "job",
            "first_slot",
            "last_slot",
            "count",
            "reason",
            "detail",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class BackfillSerializer(serializers.ModelSerializer[ScheduleBackfill]):
    """A run through a range of past slots."""

    class Meta:
        model = ScheduleBackfill
        fields: ClassVar[list[str]] = [
            "id",
            "job",
            "start",
            "end",
            "slots",
            "max_running",
            "status",
            "cursor",
            "slot_count",
            "started_count",
            "passed_count",
            "created_by",
            "created_at",
            "ended_at",
            "reason",
        ]
        read_only_fields = fields


class BackfillInput(StrictSerializer):
    """Which slots to run."""

    start = serializers.DateTimeField(help_text="The first moment of the range.")
    end = serializers.DateTimeField(help_text="The last moment of the range, which must have passed.")
    slots = serializers.ChoiceField(
        choices=BackfillMode.choices,
        help_text="`missing`: without an execution; `failed`: whose latest one failed or timed out; `all`.",
    )
    max_running = serializers.IntegerField(
        required=False,
        default=10,
        min_value=1,
        max_value=MAX_RUNNING,
        help_text="Executions of the range that may be under way at once; one, where the schedule's may not overlap.",
    )
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Only tell what would be done.")


class PlannedSlotSerializer(SlotSerializer):
    """One slot of a range, and what a backfill would do about it."""

    action = serializers.ChoiceField(choices=choices_of(Deed))
    execution_id = serializers.UUIDField(allow_null=True, help_text="Its latest execution.")
    status = serializers.CharField(allow_null=True, help_text="That execution's.")


class PlanSerializer(serializers.Serializer[Any]):
    """What a backfill would do."""

    timezone = serializers.CharField()
    slot_count = serializers.IntegerField()
    start_count = serializers.IntegerField()
    rerun_count = serializers.IntegerField()
    leave_count = serializers.IntegerField()
    slots = PlannedSlotSerializer(many=True, help_text=f"The first {MOST_SHOWN:,} of them.")

    @classmethod
    def of(cls, zone: str, plan: Backfill) -> dict[str, Any]:
        """Return a plan as it is shown."""
        return {
            "timezone": zone,
            "slot_count": len(plan.slots),
            "start_count": plan.count(Deed.START),
            "rerun_count": plan.count(Deed.RERUN),
            "leave_count": plan.count(Deed.LEAVE),
            "slots": [
                {
                    **shown_slot(planned.slot, zone),
                    "action": planned.deed.value,
                    "execution_id": planned.latest.execution_id if planned.latest else None,
                    "status": planned.latest.status if planned.latest else None,
                }
                for planned in plan.slots[:MOST_SHOWN]
            ],
        }


def shown_slot(slot: datetime, zone: str) -> dict[str, Any]:
    """Return a slot as a moment and as clocks in a zone show it."""
    local = slot.astimezone(ZoneInfo(zone))
    return {"utc": slot.astimezone(UTC), "local": local.isoformat(), "abbreviation": local.strftime("%Z")}
