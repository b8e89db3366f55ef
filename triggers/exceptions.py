"""What can go wrong with triggers."""

from __future__ import annotations

from projects.exceptions import Conflict, Invalid


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
