"""What can go wrong with executions."""

from __future__ import annotations

from projects.exceptions import Conflict, Gone, Invalid, TooLarge, TooMany, Unavailable, Unprocessable


class IllegalTransition(Conflict):
    """The execution is not in a status that allows this."""

    code = "illegal_transition"


class NotRunnable(Conflict):
    """The workflow can't start executions now: never published, disabled, archived."""

    code = "not_runnable"


class InvalidInput(Invalid):
    """The input does not fit the workflow's ``inputs``; ``problems`` lists why."""

    code = "invalid_input"


class TooManyStarts(TooMany):
    """The project starts executions more often than it may."""

    code = "too_many_starts"


class TooManyLive(TooMany):
    """The project has as many executions that have not ended as it may have."""

    code = "too_many_live"


class IdempotencyMismatch(Unprocessable):
    """The idempotency key was used before with another input."""

    code = "idempotency_mismatch"


class InvalidRerun(Invalid):
    """The execution can't be run again like this; ``problems`` lists why."""

    code = "invalid_rerun"


class ExecutionTooLarge(TooLarge):
    """What a rerun would take over is more than one execution may hold."""

    code = "execution_too_large"


class InvalidOutgoingLimit(Invalid):
    """The limit for calls to the outside makes no sense; ``problems`` lists why."""

    code = "invalid_outgoing_limit"


class OutgoingLimitExists(Conflict):
    """The project has a limit for the same calls."""

    code = "outgoing_limit_exists"


class InvalidBudget(Invalid):
    """The budget makes no sense; ``problems`` lists why."""

    code = "invalid_budget"


class BudgetExists(Conflict):
    """There is a budget for the same workflows and the same period."""

    code = "budget_exists"


class InvalidPrice(Invalid):
    """The price makes no sense; ``problems`` lists why."""

    code = "invalid_price"


class PriceExists(Conflict):
    """An operator has set a price for the same model from the same moment on."""

    code = "price_exists"


class PriceIsPublished(Conflict):
    """The price comes with Segue, and is not changed by hand."""

    code = "price_is_published"


class WouldWrite(Conflict):
    """A node that is tried would change something outside, and nobody has allowed that."""

    code = "would_write"


class LinkUsed(Conflict):
    """Another call has come over the one-time link before."""

    code = "link_used"


class LinkGone(Gone):
    """Nobody waits for the one-time link any more."""

    code = "link_gone"


class ApprovalEnded(Conflict):
    """It was decided already, or nobody needs the decision any more."""

    code = "approval_ended"


class AlreadyDecided(Conflict):
    """The person has decided before, and otherwise."""

    code = "already_decided"


class InvalidForm(Invalid):
    """What was filled in is not what the form asks for; ``problems`` lists why."""

    code = "invalid_form"


class OutputUnreadable(Gone):
    """The file in which a large output lies is not there, or does not hold what was written."""

    code = "output_lost"


class OutputNotKept(Unavailable):
    """The storage does not take a large output."""

    code = "output_not_kept"


class StorageDown(Unavailable):
    """The storage cannot be read now."""

    code = "storage_failed"
