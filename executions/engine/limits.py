"""Limits on concurrency: how many executions of a workflow may be under way at once (``settings.concurrency``).

Executions of one workflow with the same key form a group. One **counts** when it is live and not blocked on
``concurrency``: also while it sleeps, is paused, or is due. They are counted from their rows while the workflow's row is
locked; there is no counter that could leak. Each execution is let in by the limit of its own version.

One that finds no room waits, and is let in when one that counts has ended, first in, first out; or it is skipped; or
the oldest is cancelled for it (``on_limit``). What was published later changes nothing for those that are under way.

**Locks.** Whoever holds a workflow's row waits for no execution's row. So accepting ends what it replaces after its commit, and
letting in passes over those that somebody is writing. Ending holds rows of executions (its own, its parent's, those below) and
perhaps a schedule's, and so it waits for no workflow's row: it takes a free one as the last thing that it does, and if somebody has
it, the next ones are let in right after the commit. Nobody waits in a circle, and who dies before "right after" leaves it to the sweep.
(A transaction that starts executions of several limited workflows, or starts one and then ends others, may still meet one that does so
crosswise. The database undoes one of the two then, and what it was about is done again.)
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Count, Min, Q
from django.db.models.functions import Now

from executions import bell
from executions.engine import ending
from executions.exceptions import IllegalTransition
from executions.models import BlockedOn, ExecutionQuerySet, ExecutionStatus, WorkflowExecution
from projects.payloads import storable_text
from workflows.definition.schema import Concurrency
from workflows.expressions import RenderError, render, shared_evaluator
from workflows.models import Workflow, WorkflowVersion

# Keys of this length and more are kept as their beginning and a digest, which is exactly as long as the column.
KEY_LENGTH = 200
DIGEST_LENGTH = 64
# What one decision lets in or ends at most; the sweep does the rest.
BATCH = 200
# The share of its time that a process spends on looks in vain. With 100,000 that wait, one takes 0.1 seconds.
MOST_OF_THE_TIME = 0.01
# How an execution ends with which others may end.
STOPPED = (ExecutionStatus.CANCELLED, ExecutionStatus.TIMEOUT)
# Why an execution may be at rest while it counts.
COUNTING = [each for each in BlockedOn if each is not BlockedOn.CONCURRENCY]


@dataclass(frozen=True)
class Refusal:
    """How an execution ends in the moment in which it is accepted."""

    status: ExecutionStatus
    error: dict[str, Any]


@dataclass(frozen=True)
class Admission:
    """What the limit of its version says to one more execution.

    :param key: its group; ``None``: it is not limited.
    :param waits: why it has to wait; empty: it may start.
    :param replaces: whether the oldest of its group is to be ended for it, once it is committed.
    :param refusal: how it ends at once.
    """

    key: str | None = None
    waits: str = ""
    replaces: bool = False
    refusal: Refusal | None = None

    @property
    def may_start(self) -> bool:
        """Whether it is due at once."""
        return not self.waits and self.refusal is None


NOT_LIMITED = Admission()


@dataclass(frozen=True)
class Group:
    """The executions of a workflow that are counted together."""

    workflow_id: UUID
    key: str

    @classmethod
    def of(cls, execution: WorkflowExecution) -> Group | None:
        """Return the group that an execution belongs to; ``None`` if it is not limited."""
        key = execution.concurrency_key
        return None if key is None else cls(execution.workflow_id, key)

    @property
    def live(self) -> ExecutionQuerySet:
        """Those that have not ended."""
        return limited().filter(workflow_id=self.workflow_id, concurrency_key=self.key)

    @property
    def counted(self) -> ExecutionQuerySet:
        """Those that are under way, whatever they do."""
        return self.live.filter(IS_COUNTED)

    @property
    def waiting(self) -> ExecutionQuerySet:
        """Those that wait to be let in."""
        return self.live.filter(blocked_on=BlockedOn.CONCURRENCY)


# In these words, and not as "anything but", because then an index finds them past any number that wait.
IS_COUNTED = Q(blocked_on__isnull=True) | Q(blocked_on__in=COUNTING)
FIRST_IN = ("created_at", "id")


def limited() -> ExecutionQuerySet:
    """Return the live executions that are limited. The condition is that of the index ``executions_limited``."""
    return WorkflowExecution.objects.filter(completed_at__isnull=True, concurrency_key__isnull=False)


# --- Accepting ----------------------------------------------------------------------------------------------------------


def admit(version: WorkflowVersion, *, trigger: Any, now: datetime) -> Admission:
    """Decide about one more execution. Until the transaction ends, nobody else decides about this workflow's.

    A version without a limit costs no query.

    :param trigger: what expressions see as ``trigger``.
    """
    limit = limit_of(version.pk)
    if limit is None:
        return NOT_LIMITED
    try:
        key = key_of(limit, trigger=trigger, now=now)
    except RenderError as failed:
        return Admission(refusal=Refusal(ExecutionStatus.FAILED, _key_error(failed)))
    group = Group(version.workflow_id, key)
    _lock(group)
    under_way = group.counted.count()
    has_room = under_way < limit.max
    if has_room and limit.on_limit != "cancel_oldest":
        # Older versions may have had smaller limits. Nobody overtakes those that still wait, but for one that waits for nobody.
        has_room = not group.waiting.exists()
    if has_room:
        return Admission(key=key)
    why = f"{_rule(limit, key)}, and {under_way} were when it came."
    match limit.on_limit:
        case "queue":
            return Admission(key=key, waits=f"Waits for its turn: {why}")
        case "cancel_oldest":
            return Admission(key=key, waits=f"Waits for the end of the oldest, which it replaces: {why}", replaces=True)
        case "skip":
            error = {"code": "concurrency_skipped", "message": f"Skipped: {why}"}
            return Admission(key=key, refusal=Refusal(ExecutionStatus.CANCELLED, error))


@lru_cache(maxsize=4096)
def limit_of(version_id: UUID) -> Concurrency | None:
    """Return the limit that a version sets, if it sets one. A process asks once: versions never change."""
    settings = WorkflowVersion.objects.filter(pk=version_id).values_list("definition__settings__concurrency", flat=True)
    written = settings.first()
    return None if written is None else Concurrency(**written)


def key_of(limit: Concurrency, *, trigger: Any, now: datetime) -> str:
    """Return the key under which an execution counts. Different keys stay different, however long they are.

    A text is taken as it is, any other value as JSON, so that 7 and "7" are the same.

    :raises RenderError: if the template fails.
    """
    if limit.key is None:
        return ""
    value = render(limit.key, shared_evaluator(), {"trigger": trigger}, now=now)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    kept = storable_text(text)
    if len(kept) < KEY_LENGTH and kept == text:
        return text
    # No key that is kept as it is has this length, so that nobody can make up one that is like this.
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    room = KEY_LENGTH - DIGEST_LENGTH
    return f"{kept[: room - 1]:…<{room}}{digest}"


def _key_error(failed: RenderError) -> dict[str, Any]:
    (error,) = failed.errors.values()
    return {
        "code": "concurrency_key_failed",
        "message": f"settings.concurrency.key: {error.message} Without the key it is not known which executions this one "
        "has to be counted with, so it did not start.",
        "details": {
            "code": error.code,
            "expression": error.expression,
            "line": error.line,
            "column": error.column,
        },
    }


def _rule(limit: Concurrency, key: str) -> str:
    whose = "of this workflow" if limit.key is None else f"with the key `{key}`"
    return f"at most {limit.max} executions {whose} may be under way at once (settings.concurrency)"


# --- Letting in ---------------------------------------------------------------------------------------------------------


def let_next_in(execution: WorkflowExecution) -> None:
    """Give the place of an execution that has ended to those that wait. The last thing that its end does."""
    group = Group.of(execution)
    if group is None:
        return
    # One that somebody waited for and that was stopped is one of several that end now: its transaction will wait for more rows.
    is_one_of_several = execution.is_waited_for and execution.status in STOPPED
    if not is_one_of_several and _has_locked(group):
        _let_in(group)
    else:
        transaction.on_commit(lambda: let_in(group), robust=True)


@transaction.atomic
def let_in(group: Group) -> int:
    """Let in those that wait, as far as there is room. Returns how many. A transaction of its own."""
    _lock(group)
    return _let_in(group)


def _let_in(group: Group) -> int:
    """Let in under the lock: strictly in turn, so that one with a small limit is not overtaken for ever."""
    under_way = group.counted.count()
    in_turn: list[UUID] = []
    for pk, version_id in group.waiting.order_by(*FIRST_IN).values_list("pk", "workflow_version_id")[:BATCH]:
        limit = limit_of(version_id)
        if limit is not None and under_way + len(in_turn) >= limit.max:
            break
        in_turn.append(pk)
    return _give_room(group, in_turn) if in_turn else 0


def _give_room(group: Group, pks: list[UUID]) -> int:
    free = group.waiting.filter(pk__in=pks)
    if connection.features.has_select_for_update_skip_locked:
        # One that is being cancelled in this moment gives its place to the next one itself.
        free = free.select_for_update(skip_locked=True, no_key=True)
    found = dict(free.values_list("pk", "queue"))
    bell.ring_on_commit(*set(found.values()))
    admitted = WorkflowExecution.objects.filter(pk__in=list(found))
    return admitted.update(wake_at=Now(), blocked_on=BlockedOn.QUEUE, blocked_detail="")


def _lock(group: Group) -> None:
    """Wait until nobody else decides about the workflow's executions. SQLite's transactions are alone anyway."""
    Workflow.objects.select_for_update(no_key=True).values_list("pk").get(pk=group.workflow_id)


def _has_locked(group: Group) -> bool:
    """Lock the workflow's row if that takes no waiting; return whether it is locked now."""
    rows = Workflow.objects.filter(pk=group.workflow_id)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, no_key=True)
    return rows.values_list("pk").first() is not None


# --- Replacing ----------------------------------------------------------------------------------------------------------


def make_room_on_commit(execution: WorkflowExecution, *, now: datetime) -> None:
    """End the oldest of an execution's group for it, once it is committed."""

    def make() -> None:
        make_room(execution.pk, now=now)

    transaction.on_commit(make, robust=True)


def make_room(execution_id: UUID, *, now: datetime) -> int:
    """End the oldest of a group until a waiting execution is let in, or is the oldest itself. Returns how many were ended.

    So the newest have the places, in whichever order and by how many at once this is done.
    """
    ended = 0
    for _ in range(BATCH):
        newcomer = limited().filter(pk=execution_id, blocked_on=BlockedOn.CONCURRENCY).first()
        oldest = _oldest_beside(newcomer) if newcomer is not None else None
        if newcomer is None or oldest is None:
            break
        ended += _replace(oldest, by=newcomer, now=now)  # Not under the lock; and it lets the newcomer in.
    return ended


@transaction.atomic
def _oldest_beside(newcomer: WorkflowExecution) -> WorkflowExecution | None:
    """Return what has to end so that there is room for a waiting execution; ``None`` if it is in now."""
    group, limit = Group.of(newcomer), limit_of(newcomer.workflow_version_id)
    if group is None or limit is None:
        return None
    _lock(group)
    _let_in(group)
    # In one look, because what counts may end meanwhile: ending does not wait for the lock.
    rivals = group.live.filter(IS_COUNTED | Q(pk=newcomer.pk)).order_by(*FIRST_IN)
    found = list(rivals.values_list("pk", "blocked_on"))
    if (newcomer.pk, BlockedOn.CONCURRENCY) not in found:
        return None
    if len(found) <= limit.max:
        _give_room(group, [newcomer.pk])  # Past those that an older version lets wait: it waits for nobody.
        return None
    return WorkflowExecution.objects.get(pk=found[0][0])


def _replace(oldest: WorkflowExecution, *, by: WorkflowExecution, now: datetime) -> bool:
    newer = "newer ones, which came in before it" if oldest == by else f"execution {by.pk}"
    message = f"Cancelled to make room for {newer} (settings.concurrency, cancel_oldest)."
    error = {"code": "concurrency_replaced", "message": message}
    try:
        with transaction.atomic():
            ending.end_execution(oldest, ExecutionStatus.CANCELLED, now=now, error=error)
    except IllegalTransition:
        return False  # It ended by itself, or for somebody else.
    return True


# --- Sweeping -----------------------------------------------------------------------------------------------------------

# When it is worth looking again, by the monotonic clock of this process.
_look_again_at = 0.0


def look_for_forgotten(now: datetime) -> int:
    """Do :func:`let_in_forgotten` as part of every sweep, unless the last look was in vain and took long for that."""
    global _look_again_at
    began = time.monotonic()
    if began < _look_again_at:
        return 0
    done = let_in_forgotten(now)
    if not done:
        _look_again_at = time.monotonic() + (time.monotonic() - began) / MOST_OF_THE_TIME
    return done


def let_in_forgotten(now: datetime) -> int:
    """Let in those for whom there is room and that nobody has let in, and make room where somebody died before doing so."""
    waiting = limited().filter(blocked_on=BlockedOn.CONCURRENCY)
    by_version = waiting.values_list("workflow_id", "concurrency_key", "workflow_version_id")
    longest_first = list(by_version.annotate(first=Min("created_at")).order_by("first")[:BATCH])
    if not longest_first:
        return 0
    groups = {Group(workflow_id, key): 0 for workflow_id, key, _, _ in longest_first}
    mentioned = Q(workflow_id__in={group.workflow_id for group in groups}, concurrency_key__in={g.key for g in groups})
    counts = limited().filter(IS_COUNTED, mentioned).values_list("workflow_id", "concurrency_key")
    for workflow_id, key, counted in counts.annotate(counted=Count("pk")):
        groups[Group(workflow_id, key)] = counted
    done = 0
    for workflow_id, key, version_id, _ in longest_first:
        group, limit = Group(workflow_id, key), limit_of(version_id)
        if limit is not None and limit.on_limit == "cancel_oldest":
            left = group.waiting.filter(workflow_version_id=version_id).order_by("-created_at", "-id")
            done += sum(make_room(pk, now=now) for pk in left.values_list("pk", flat=True)[:BATCH])
        elif limit is None or groups[group] < limit.max:
            done += let_in(group)
    return done


# --- Asking -------------------------------------------------------------------------------------------------------------


def standing(execution: WorkflowExecution) -> str:
    """Return, in a sentence, how far a waiting execution is from its turn in this moment; nothing for one that does not wait."""
    group = Group.of(execution)
    if group is None or execution.blocked_on != BlockedOn.CONCURRENCY:
        return ""
    same_moment = Q(created_at=execution.created_at, pk__lt=execution.pk)
    before = Q(created_at__lt=execution.created_at) | same_moment
    return f"{group.counted.count()} are under way now, and {group.waiting.filter(before).count()} wait before it."
