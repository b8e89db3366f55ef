"""Events as the API takes and shows them."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from projects.models import Project
from projects.rest import ScopedRelatedField, StrictSerializer
from triggers.models import Event, EventMatch
from triggers.services.events import MAX_ID, MAX_SOURCE
from workflows.nodes.trigger.event import MAX_NAME

MAX_BATCH = 100


class OneEventInput(StrictSerializer):
    """Something that happened."""

    name = serializers.CharField(max_length=MAX_NAME, help_text="Parts with dots between them: `order.created`.")
    data = serializers.JSONField(  # type: ignore[assignment]  # a field, which the metaclass takes away
        required=False, default=None, allow_null=True, help_text="What expressions see as `trigger.data`."
    )
    id = serializers.CharField(
        required=False,
        default=None,
        allow_null=True,
        max_length=MAX_ID,
        trim_whitespace=False,
        help_text="Your id of it: sent again, it answers with the first event. Left out, each is a new one.",
    )
    source = serializers.CharField(  # type: ignore[assignment]  # see above
        required=False,
        default="",
        allow_blank=True,
        max_length=MAX_SOURCE,
        help_text="What it comes from, in your words.",
    )


class EventInput(StrictSerializer):
    """One event, or up to 100 in `events`."""

    project = ScopedRelatedField(queryset=Project.objects.all(), project_path="")
    name = serializers.CharField(
        required=False, max_length=MAX_NAME, help_text="Of a single event: parts with dots between them."
    )
    data = serializers.JSONField(  # type: ignore[assignment]  # see above
        required=False, allow_null=True, help_text="Of a single event: `trigger.data`."
    )
    id = serializers.CharField(
        required=False,
        allow_null=True,
        max_length=MAX_ID,
        trim_whitespace=False,
        help_text="Of a single event: your id of it.",
    )
    source = serializers.CharField(  # type: ignore[assignment]  # see above
        required=False, allow_blank=True, max_length=MAX_SOURCE, help_text="Of a single event: what it comes from."
    )
    events = OneEventInput(  # type: ignore[call-arg]  # of the list that it becomes
        many=True, required=False, allow_empty=False, max_length=MAX_BATCH, help_text="Several events, instead of one."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take one event or several, not both and not none."""
        if "events" in attrs and (both := sorted(attrs.keys() & {"name", "data", "id", "source"})):
            raise serializers.ValidationError(
                dict.fromkeys(both, "This belongs into `events`, beside which it may not stand.")
            )
        if "events" not in attrs and "name" not in attrs:
            raise serializers.ValidationError({"name": "An event has a name; several stand in `events`."})
        return attrs


class MatchSerializer(serializers.ModelSerializer[EventMatch]):
    """What came of an event at one trigger that listens to its name."""

    node_id = serializers.CharField(source="trigger.node_id", read_only=True)
    workflow = serializers.UUIDField(source="trigger.workflow_id", read_only=True)
    workflow_name = serializers.CharField(source="trigger.workflow.name", read_only=True)

    class Meta:
        model = EventMatch
        fields: ClassVar[list[str]] = [
            "trigger",
            "node_id",
            "workflow",
            "workflow_name",
            "verdict",
            "reason_code",
            "reason",
            "execution",
        ]
        read_only_fields = fields


class EventSerializer(serializers.ModelSerializer[Event]):
    """An event in a list: what it was and how many triggers it started."""

    id_of_sender = serializers.CharField(
        source="dedupe_key", read_only=True, allow_null=True, help_text="The sender's id."
    )

    class Meta:
        model = Event
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "type",
            "name",
            "source",
            "id_of_sender",
            "received_at",
            "sent_by",
            "emitted_by",
            "depth",
            "matched_count",
            "filtered_count",
            "failed_count",
            "refused_count",
            "left_out_count",
        ]
        read_only_fields = fields


class EventDetailSerializer(EventSerializer):
    """One event with its data and what came of it at each trigger."""

    matches = MatchSerializer(many=True, read_only=True)

    class Meta(EventSerializer.Meta):
        fields: ClassVar[list[str]] = [*EventSerializer.Meta.fields, "data", "matches"]
        read_only_fields = fields


class EmittedSerializer(EventDetailSerializer):
    """An event that was just sent."""

    duplicate = serializers.BooleanField(
        source="is_duplicate", read_only=True, help_text="Whether it was here before; this is what came of it then."
    )

    class Meta(EventDetailSerializer.Meta):
        fields: ClassVar[list[str]] = [*EventDetailSerializer.Meta.fields, "duplicate"]
        read_only_fields = fields


class ProblemSerializer(serializers.Serializer[Any]):
    """Why one event of several was refused."""

    code = serializers.CharField()
    message = serializers.CharField()


class ResultSerializer(serializers.Serializer[Any]):
    """What became of one event of several: the event, or why there is none."""

    status = serializers.IntegerField(
        help_text="As if it had been sent alone: 201, 200 for one that was here before, or 4xx."
    )
    event = EmittedSerializer(allow_null=True)
    error = ProblemSerializer(allow_null=True)


class ResultsSerializer(serializers.Serializer[Any]):
    """What became of several events, in their order."""

    results = ResultSerializer(many=True)
