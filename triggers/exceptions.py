"""What can go wrong with triggers."""

from __future__ import annotations

from projects.exceptions import Conflict, Invalid, NotFound, Unprocessable


class PathTaken(Conflict):
    """Another workflow's webhook has the path."""

    code = "path_taken"


class InvalidSecret(Invalid):
    """The text can't be a secret of the webhook's signature scheme."""

    code = "invalid_secret"


class NotRedeliverable(Conflict):
    """The delivery can't be delivered again: not proven, not whole, or a copy."""

    code = "not_redeliverable"


class InvalidDelivery(Invalid):
    """The delivery does not fit the webhook as it is now."""

    code = "invalid_delivery"


class NoSuchSecret(NotFound):
    """The webhook has no live secret of this id."""

    code = "no_such_secret"


class ProofBroken(Conflict):
    """With these settings, the signature scheme would let strangers in. The webhook is not opened."""

    code = "proof_broken"


class NoWebhookNode(Invalid):
    """The draft has no such webhook trigger, or several and none is named."""

    code = "no_webhook_node"


class InvalidEvent(Invalid):
    """The event has no name, a name that is none, or an id that is none."""

    code = "invalid_event"


class EventMismatch(Unprocessable):
    """An event with this id was here before, with another name or other data."""

    code = "idempotency_mismatch"


class NotPolling(Conflict):
    """The poll does not look at all now."""

    code = "not_polling"


class TriggerGone(Conflict):
    """The published version has not the trigger node any more."""

    code = "trigger_gone"


class InvalidSchedule(Invalid):
    """The settings are no schedule's; ``problems`` lists why."""

    code = "invalid_schedule"


class InvalidBackfill(Invalid):
    """The range can't be backfilled: it lies in the future, is empty, or holds too many slots."""

    code = "invalid_backfill"


class BackfillRunning(Conflict):
    """The job has a backfill that has not come to its end."""

    code = "backfill_running"


class BackfillEnded(Conflict):
    """The backfill has come to its end already."""

    code = "backfill_ended"
