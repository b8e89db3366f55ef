"""Polls: looking when their time comes, and what people do to them.

A poll is claimed with a lease and a fence; the tool is called outside of every transaction; then memory and executions are
written in one, guarded by the fence. Whoever dies in between has written nothing, and another one looks again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import F

from executions.engine.clock import database_now
from executions.services import newest_version, start_execution
from projects import audit
from projects.access import Actor
from projects.exceptions import SegueError
from projects.failpoints import failpoint
from projects.inserting import insert
from triggers.exceptions import NotPolling
from triggers.models import Poll, PollKey, PollQuerySet
from triggers.polling.asking import CALL_SECONDS, Answer, PollFailed, ask, settings_of
from triggers.polling.selection import Chosen, Unusable, choose
from triggers.services.events import OWN_SOURCE, POLL_PAUSED, emit
from workflows.http import Postponed
from workflows.models import TriggerType, Workflow
from workflows.nodes.trigger.polling import MAX_ITEMS, PollingTrigger

logger = logging.getLogger(__name__)

# Longer than a call may take, and then some for the writing.
LEASE = timedelta(seconds=CALL_SECONDS + 30)
# After errors, the time to the next poll doubles up to this.
LONGEST_BACKOFF = timedelta(hours=1)
# Keys that are remembered beside those of the last list.
MAX_KEYS_KEPT = 10_000
MAX_REASON = 500
WORKER_LOST = PollFailed("worker_lost", "The process that looked was lost.")


# --- Looking ------------------------------------------------------------------------------------------------------------


def claim_polls(owner: str, *, now: datetime, limit: int) -> list[Poll]:
    """Take up to ``limit`` polls whose time has come, the longest due first.

    One whose last process was lost counts that as a failure, so that a poll that kills its workers comes to rest.

    :param now: the database's time.
    """
    if limit <= 0 or not Poll.objects.due(now).exists():
        return []
    with transaction.atomic():
        due = Poll.objects.due(now).order_by("next_run", "id")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(skip_locked=True, of=("self",), no_key=True)
        found = list(due.values_list("pk", "lease_owner")[:limit])
        ids = [pk for pk, _ in found]
        lost = [pk for pk, last_owner in found if last_owner is not None]
        rows = Poll.objects.filter(pk__in=ids)
        rows.update(lease_owner=owner, lease_expires_at=now + LEASE, fence=F("fence") + 1)
        claimed = list(_whole(rows))
    for poll in [poll for poll in claimed if poll.pk in lost]:
        if _note_failure(poll, owner, WORKER_LOST, now=now, release=False):
            claimed.remove(poll)
    return claimed


def carry_out(poll: Poll, owner: str) -> None:
    """Look once, as the holder of a poll: call the tool, and start an execution for each new item.

    What goes wrong is kept on the poll, which then waits longer, and pauses itself in the end.
    """
    failpoint("poll.before")
    try:
        wanted = settings_of(poll)
        answer = ask(poll, wanted, now=database_now())
        chosen = None if answer.is_unchanged else _chosen(poll, wanted, answer)
        _record(poll, owner, answer, chosen, now=database_now())
    except Postponed as put_off:
        _put_off(poll, owner, put_off, now=database_now())
    except PollFailed as failed:
        _note_failure(poll, owner, failed, now=database_now())
    except SegueError as error:
        _note_failure(poll, owner, PollFailed(error.code, error.message), now=database_now())
    except DatabaseError:
        raise  # Its lease will run out.
    except Exception as error:
        logger.exception("A poll failed.", extra={"poll_id": str(poll.pk)})
        reason = f"Its items could not be taken in ({type(error).__name__})."
        _note_failure(poll, owner, PollFailed("poll_failed", reason), now=database_now())


def _whole(polls: PollQuerySet) -> PollQuerySet:
    return polls.select_related("trigger", "workflow__project").defer("workflow__definition").order_by("next_run", "id")


def _chosen(poll: Poll, wanted: PollingTrigger, answer: Answer) -> Chosen:
    if answer.is_by_mark and len(answer.items) > MAX_ITEMS:
        message = f"{len(answer.items):,} items came with one mark; at most {MAX_ITEMS:,} can be taken at once. Ask for fewer."
        raise PollFailed("too_many_items", message)
    keys = [item.key for item in answer.items if item.key is not None]
    # Nobody else writes them while the fence stands.
    known = (
        set(PollKey.objects.filter(poll=poll, key_hash__in=keys).values_list("key_hash", flat=True)) if keys else set()
    )
    try:
        return choose(
            answer.items,
            known=known,
            cursor=poll.cursor,
            is_first=not poll.has_looked,
            skips_first=wanted.first == "skip",
            # A mark moves on for all of them: none can wait.
            most=MAX_ITEMS if answer.is_by_mark else wanted.max_items,
        )
    except Unusable as unusable:
        raise PollFailed("items_unusable", str(unusable)) from unusable


@transaction.atomic
def _record(poll: Poll, owner: str, answer: Answer, chosen: Chosen | None, *, now: datetime) -> None:
    """Write what a poll has dealt with, and the executions that this starts: all or nothing, and only as its holder."""
    # The workflow first, as everybody locks who changes it: so what is read of it below still holds at the commit.
    workflow = Workflow.objects.select_for_update(no_key=True).get(pk=poll.workflow_id)
    mine = Poll.objects.filter(pk=poll.pk, fence=poll.fence, lease_owner=owner)
    if not Poll.objects.running().filter(pk__in=mine.values("pk")).exists():
        mine.update(lease_owner=None, lease_expires_at=None)  # Switched off meanwhile: it has not looked.
        return
    cursor = poll.cursor
    if chosen is not None:
        cursor = answer.mark if answer.is_by_mark and answer.mark is not None else chosen.cursor
    is_all = chosen is None or not chosen.left_over
    changed = mine.update(
        lease_owner=None,
        lease_expires_at=None,
        next_run=now + timedelta(seconds=poll.every_seconds),
        cursor=cursor,
        # With items left over the service must answer in full next time.
        validators=dict(answer.validators or {}) if is_all else {},
        has_looked=True,
        last_polled_at=now,
        last_items=len(answer.items),
        last_new=len(chosen.new) if chosen else 0,
        poll_count=F("poll_count") + 1,
        consecutive_errors=0,
        last_error=None,
        updated_at=now,
    )
    if not changed or chosen is None:
        return  # Somebody else has it now, or there is nothing new.
    _remember(poll, chosen.seen)
    version = newest_version(workflow)
    for item in chosen.new:
        start_execution(
            version,
            kind=TriggerType.POLLING,
            node_id=poll.trigger.node_id,
            payload={"item": item.value, "polled_at": now.isoformat()},
            now=now,
            trigger_id=poll.trigger_id,
        )
    failpoint("poll.inside")


def _remember(poll: Poll, seen: Collection[str]) -> None:
    number = poll.poll_count + 1
    rows = PollKey.objects.filter(poll=poll)
    here = rows.filter(key_hash__in=seen)
    known = set(here.values_list("key_hash", flat=True))
    here.update(seen_in=number)
    insert([PollKey(poll=poll, key_hash=key, seen_in=number) for key in sorted(set(seen) - known)])
    older = rows.filter(seen_in__lt=number).order_by("-seen_in", "-id").values_list("pk", flat=True)
    if too_many := list(older[MAX_KEYS_KEPT:]):
        PollKey.objects.filter(pk__in=too_many).delete()


def _put_off(poll: Poll, owner: str, put_off: Postponed, *, now: datetime) -> None:
    """Have a poll whose call may not go out yet look again then. It has not failed."""
    Poll.objects.filter(pk=poll.pk, fence=poll.fence, lease_owner=owner).update(
        lease_owner=None,
        lease_expires_at=None,
        next_run=now + timedelta(seconds=put_off.seconds),
        updated_at=now,
    )


@transaction.atomic
def _note_failure(poll: Poll, owner: str, failed: PollFailed, *, now: datetime, release: bool = True) -> bool:
    """Keep why a poll failed, and let it wait longer; pause it after too many failures in a row. Returns whether it is paused."""
    count = poll.consecutive_errors + 1
    is_enough = 0 < poll.max_consecutive_failures <= count
    error = {"code": failed.code, "message": failed.message[:MAX_REASON], "at": now.isoformat()}
    changes: dict[str, Any] = {"consecutive_errors": count, "last_error": error, "updated_at": now}
    if release or is_enough:
        changes |= {
            "lease_owner": None,
            "lease_expires_at": None,
            "last_polled_at": now,
            "next_run": now + backoff(poll.every_seconds, count, retry_after=failed.retry_after),
        }
    if is_enough:
        reason = f"{count} polls in a row failed; the last one: {failed.message}"[:MAX_REASON]
        changes |= {"is_active": False, "paused_reason": reason}
    if not Poll.objects.filter(pk=poll.pk, fence=poll.fence, lease_owner=owner).update(**changes):
        return False  # Somebody else has it now.
    poll.consecutive_errors = count
    if is_enough:
        logger.warning("A poll paused itself.", extra={"poll_id": str(poll.pk), "reason": changes["paused_reason"]})
        _note("poll.paused", poll, by=None, reason=changes["paused_reason"])
        emit(poll.workflow.project, POLL_PAUSED, _described(poll, changes["paused_reason"]), source=OWN_SOURCE, now=now)
    return is_enough


def backoff(every_seconds: int, failures: int, *, retry_after: float | None = None) -> timedelta:
    """Return how long a poll waits after so many failures in a row: twice as long each time, up to an hour.

    Never less than its pace, nor than the service asked for, that too at most an hour.
    """
    longest = LONGEST_BACKOFF.total_seconds()
    doubled = min(every_seconds * 2.0 ** min(failures - 1, 30), longest)
    return timedelta(seconds=max(every_seconds, doubled, min(retry_after or 0, longest)))


def _described(poll: Poll, reason: str) -> dict[str, Any]:
    return {
        "poll": str(poll.pk),
        "trigger": poll.trigger.node_id,
        "workflow": {"id": str(poll.workflow_id), "name": poll.workflow.name},
        "reason": reason,
    }


# --- What people do -----------------------------------------------------------------------------------------------------


@transaction.atomic
def poll_soon(poll: Poll, *, by: Actor | None, now: datetime) -> Poll:
    """Let a poll look at once, that is, as soon as a worker sees it. Its errors so far do not make it wait.

    :raises NotPolling: if it is paused, switched off or not published, or its workflow is not active.
    """
    rows = Poll.objects.filter(pk=poll.pk)
    if not Poll.objects.running().filter(pk=poll.pk).exists():
        raise NotPolling(
            "This poll does not look at all now: it is paused, switched off or no longer published, or its workflow is not active.",
            hint="Resume the poll, switch its trigger on, or resume the workflow.",
        )
    rows.update(next_run=now, updated_at=now)
    return _changed("poll.asked", poll, by=by)


@transaction.atomic
def pause_poll(poll: Poll, *, by: Actor | None, now: datetime, reason: str = "") -> Poll:
    """Let a poll look no more until it is resumed. A look that is under way starts nothing."""
    rows = Poll.objects.filter(pk=poll.pk)
    rows.update(is_active=False, paused_reason=reason[:MAX_REASON], updated_at=now, **_UNHELD)
    return _changed("poll.paused", poll, by=by, reason=reason)


@transaction.atomic
def resume_poll(poll: Poll, *, by: Actor | None, now: datetime, reason: str = "") -> Poll:
    """Let a poll look again, at once, its errors forgiven. What came meanwhile and is still there is new."""
    rows = Poll.objects.filter(pk=poll.pk)
    rows.update(is_active=True, paused_reason="", consecutive_errors=0, next_run=now, updated_at=now)
    return _changed("poll.resumed", poll, by=by, reason=reason)


@transaction.atomic
def reset_poll(poll: Poll, *, by: Actor | None, now: datetime, reason: str = "") -> Poll:
    """Let a poll forget what it has dealt with: the next look is its first again, and takes or skips what is there."""
    PollKey.objects.filter(poll=poll).delete()
    rows = Poll.objects.filter(pk=poll.pk)
    rows.update(
        cursor=None,
        validators={},
        has_looked=False,
        consecutive_errors=0,
        last_error=None,
        next_run=now,
        updated_at=now,
        **_UNHELD,
    )
    return _changed("poll.reset", poll, by=by, reason=reason)


# Whoever is at it writes nothing more.
_UNHELD: dict[str, Any] = {"lease_owner": None, "lease_expires_at": None, "fence": F("fence") + 1}


def _changed(action: str, poll: Poll, *, by: Actor | None, reason: str = "") -> Poll:
    poll.refresh_from_db()
    _note(action, poll, by=by, reason=reason)
    return poll


def _note(action: str, poll: Poll, *, by: Actor | None, reason: str) -> None:
    audit.record(action, poll, project=poll.workflow.project, by=by, details={"reason": reason})
