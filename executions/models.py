"""What happened: executions and their journal."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan
from django.utils import timezone

from executions.conversations.models import Conversation as Conversation
from executions.conversations.models import ConversationMessage as ConversationMessage
from executions.exceptions import IllegalTransition
from executions.outputs.reference import OutputFile
from executions.spending.models import Budget, ModelCall, ModelPrice  # noqa: F401 - this is where Django looks for models
from projects.constraints import one_of
from projects.ids import new_id
from projects.inserting import insert
from projects.models import Project, Role
from projects.updating import update
from workflows.models import NodeType, TriggerType, Workflow, WorkflowVersion


class ExecutionStatus(models.TextChoices):
    PENDING = "pending"  # Accepted; no worker has had it yet.
    RUNNING = "running"  # Under way, or waiting for what ``blocked_on`` says.
    COMPLETED = "completed"  # Every node is settled.
    FAILED = "failed"  # A node failed and nothing caught it, or the engine gave up.
    CANCELLED = "cancelled"  # Somebody stopped it.
    TIMEOUT = "timeout"  # It passed its deadline.


LIVE = (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)
ENDED = (
    ExecutionStatus.COMPLETED,
    ExecutionStatus.FAILED,
    ExecutionStatus.CANCELLED,
    ExecutionStatus.TIMEOUT,
)

# From which statuses each one may be reached. What is missing here cannot happen.
REACHED_FROM: dict[ExecutionStatus, tuple[ExecutionStatus, ...]] = {
    ExecutionStatus.RUNNING: LIVE,
    ExecutionStatus.COMPLETED: (ExecutionStatus.RUNNING,),
    ExecutionStatus.FAILED: LIVE,
    ExecutionStatus.CANCELLED: LIVE,
    ExecutionStatus.TIMEOUT: LIVE,
}

# What an end takes from an execution: its lease, its time to wake, and what it waits for.
_FREE = {"lease_owner": None, "lease_expires_at": None, "wake_at": None, "blocked_on": None, "blocked_detail": ""}


# Lost with this many workers, an execution is claimed alone, so that those beside it are not blamed for the next loss.
SUSPECT_AFTER = 2


class BlockedOn(models.TextChoices):
    """Why a live execution is not moving right now."""

    QUEUE = "queue"  # Due, and no worker has taken it yet.
    TIMER = "timer"  # A delay.
    RETRY = "retry"  # The backoff after a failed attempt, or a call that may not go out yet.
    CALLBACK = "callback"
    APPROVAL = "approval"
    CONCURRENCY = "concurrency"
    PAUSED = "paused"  # Its workflow is paused.
    BUDGET = "budget"


class ExecutionQueue(models.TextChoices):
    """Which workers carry an execution. A worker serves the queues that ``WORKER_QUEUES`` names."""

    DEFAULT = "default"
    AGENTS = "agents"  # Its version has an agent node.


class ExecutionQuerySet(models.QuerySet["WorkflowExecution"]):
    """Names for sets of executions."""

    def live(self) -> ExecutionQuerySet:
        """Those that have not ended."""
        return self.filter(status__in=LIVE)

    def ended(self) -> ExecutionQuerySet:
        """Those that have."""
        return self.filter(status__in=ENDED)

    def newest_first(self) -> ExecutionQuerySet:
        """In the order of every list of executions."""
        return self.order_by("-created_at", "-id")


class WorkflowExecution(models.Model):
    """One run of one version: accepted with 2xx when the row is committed, and then never lost.

    A live execution that may go on at some time and that no worker holds has ``wake_at``. While a worker holds it, the
    lease columns say who and until when, and ``fence`` guards every write. One that waits for something without a
    time has neither, and ``blocked_on`` says for what.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Without indexes of their own: those below begin with them.
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="executions", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="executions", db_index=False)
    workflow_version = models.ForeignKey(
        WorkflowVersion, on_delete=models.PROTECT, related_name="executions", db_index=False
    )
    workflow_name = models.CharField(max_length=200)

    status = models.CharField(max_length=16, choices=ExecutionStatus.choices, default=ExecutionStatus.PENDING)
    blocked_on = models.CharField(max_length=16, choices=BlockedOn.choices, null=True, blank=True)  # noqa: DJ001 - null: nothing blocks
    blocked_detail = models.CharField(max_length=500, blank=True, default="")
    wake_at = models.DateTimeField(null=True, blank=True)

    queue = models.CharField(
        max_length=16,
        choices=ExecutionQueue.choices,
        default=ExecutionQueue.DEFAULT,
        db_default=ExecutionQueue.DEFAULT,
        editable=False,
    )

    # {"trigger": the value that expressions see, "node_id": the trigger node that started it, "hops": workflows before it}.
    # A rerun from a node also has "rerun_from": {"node_id", "iteration"}.
    execution_context = models.JSONField(default=dict)
    triggered_by = models.CharField(max_length=16, choices=TriggerType.choices)
    # The row of ``triggers`` that started it, if one did. No foreign key: triggers lie above executions.
    trigger_id = models.UUIDField(null=True, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    scheduled_for = models.DateTimeField(null=True, blank=True)
    # A caller's key: asked twice with the same one, a start answers with the first execution.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)  # noqa: DJ001 - unique where given
    rerun_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="reruns", db_index=False
    )
    # The execution that started this one as a sub-workflow, through which node run, and whether it waits for the end.
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children", db_index=False
    )
    parent_node_run_id = models.UUIDField(null=True, blank=True, editable=False)
    is_waited_for = models.BooleanField(default=False, editable=False)
    # How many executions lie above this one, as its parent, its parent's parent and so on.
    depth = models.PositiveSmallIntegerField(default=0, editable=False)
    # The execution whose end started this one as its error workflow.
    failure_of = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="failure_handlers", db_index=False
    )
    # Executions of the workflow with the same key are counted together against its limit; null: not limited.
    concurrency_key = models.CharField(max_length=200, null=True, blank=True, editable=False)  # noqa: DJ001 - see above

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    duration_seconds = models.FloatField(null=True, blank=True)

    result = models.JSONField(null=True, blank=True)
    # The node run whose output holds the result, where that is too large for a row: then ``result`` is null.
    result_in = models.UUIDField(null=True, blank=True, editable=False)
    # {"code", "message", "node_id", "iteration", "details"}.
    error = models.JSONField(null=True, blank=True)
    nodes_executed = models.PositiveIntegerField(default=0)
    tokens_used = models.PositiveBigIntegerField(default=0)
    # US dollars, and whether that is all: a call of a model whose cost nobody knows is not among them.
    cost = models.DecimalField(max_digits=18, decimal_places=9, default=0)
    is_cost_complete = models.BooleanField(default=True, db_default=True)

    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=500, blank=True, default="")

    fence = models.PositiveBigIntegerField(default=0, editable=False)
    lease_owner = models.CharField(max_length=120, null=True, blank=True, editable=False)  # noqa: DJ001 - null: nobody
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Claims that were not handed back cleanly: each may have been a crash.
    claims = models.PositiveSmallIntegerField(default=0, editable=False)
    # Somebody waits for the end: announce it.
    # It tries a draft, or was started by such a one: limits, error workflows, followers and statistics do not know of it.
    is_test = models.BooleanField(default=False, db_default=False)
    is_awaited = models.BooleanField(default=False, editable=False)
    # The node run whose answer a caller gets that waits for one: the first that answered.
    answered_by = models.UUIDField(null=True, blank=True, editable=False)
    # Something that it waits for has come while a worker held it: it may not fall asleep before it has looked.
    is_signalled = models.BooleanField(default=False, editable=False)
    # Bytes of all outputs that its node runs have recorded.
    output_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    objects = ExecutionQuerySet.as_manager()

    class Meta:
        db_table = "workflow_executions"
        constraints = [
            one_of("workflow_executions", "status", ExecutionStatus),
            one_of("workflow_executions", "blocked_on", BlockedOn, null=True),
            one_of("workflow_executions", "triggered_by", TriggerType),
            one_of("workflow_executions", "queue", ExecutionQueue),
            models.CheckConstraint(
                condition=Q(lease_owner__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_owner__isnull=False, lease_expires_at__isnull=False, wake_at__isnull=True),
                name="workflow_executions_lease_check",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=ENDED)
                | Q(lease_owner__isnull=True, wake_at__isnull=True, completed_at__isnull=False),
                name="workflow_executions_ended_check",
            ),
            models.UniqueConstraint(
                fields=["project", "idempotency_key"],
                condition=Q(idempotency_key__isnull=False),
                name="workflow_executions_idempotency_once",
            ),
            # A slot of a schedule runs once, however many beats there are.
            models.UniqueConstraint(
                fields=["trigger_id", "scheduled_for"],
                condition=Q(scheduled_for__isnull=False, rerun_of__isnull=True),
                name="workflow_executions_slot_once",
            ),
            # A node run starts at most one sub-workflow, however often it is begun again.
            models.UniqueConstraint(
                fields=["parent_node_run_id"],
                condition=Q(parent_node_run_id__isnull=False),
                name="workflow_executions_child_once",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="executions_project_newest"),
            models.Index(fields=["workflow", "-created_at", "-id"], name="executions_workflow_newest"),
            models.Index(fields=["project", "status", "-created_at", "-id"], name="executions_status_newest"),
            models.Index(fields=["project", "triggered_by", "-created_at", "-id"], name="executions_trigger_newest"),
            models.Index(fields=["-created_at", "-id"], name="executions_newest"),
            # What operators look for over all projects, and what is rare among what has ended.
            models.Index(
                fields=["status", "-created_at", "-id"],
                name="executions_ended_badly",
                condition=Q(status__in=[ExecutionStatus.FAILED, ExecutionStatus.CANCELLED, ExecutionStatus.TIMEOUT]),
            ),
            # The conditions speak of NULL and not of statuses: SQLite matches them with no other kind. The CHECKs make
            # them the same.
            models.Index(
                fields=["completed_at", "id"], name="executions_ended", condition=Q(completed_at__isnull=False)
            ),
            models.Index(fields=["workflow", "status"], name="executions_live", condition=Q(completed_at__isnull=True)),
            models.Index(
                fields=["project", "wake_at", "id"],
                name="executions_due",
                condition=Q(wake_at__isnull=False),
            ),
            # For workers that serve one queue: however many wait in another one, they are not in the way.
            models.Index(
                fields=["queue", "project", "wake_at", "id"],
                name="executions_due_in_queue",
                condition=Q(wake_at__isnull=False),
            ),
            # Those that lost several workers, which are claimed alone: hardly ever any, and looked for at every claim.
            models.Index(
                fields=["wake_at"],
                name="executions_suspects",
                condition=Q(wake_at__isnull=False, claims__gte=SUSPECT_AFTER),
            ),
            models.Index(
                fields=["lease_expires_at"], name="executions_leased", condition=Q(lease_expires_at__isnull=False)
            ),
            models.Index(
                fields=["deadline_at"],
                name="executions_deadline",
                condition=Q(completed_at__isnull=True, deadline_at__isnull=False),
            ),
            models.Index(
                fields=["workflow", "concurrency_key", "blocked_on", "created_at", "id"],
                name="executions_limited",
                condition=Q(completed_at__isnull=True, concurrency_key__isnull=False),
            ),
            models.Index(fields=["parent"], name="executions_children", condition=Q(parent__isnull=False)),
            models.Index(fields=["rerun_of"], name="executions_reruns", condition=Q(rerun_of__isnull=False)),
            models.Index(fields=["failure_of"], name="executions_failures", condition=Q(failure_of__isnull=False)),
            models.Index(fields=["started_by"], name="executions_by_person", condition=Q(started_by__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_name} {self.id}"

    @property
    def has_ended(self) -> bool:
        """Whether the status is terminal."""
        return self.status in ENDED

    def move_to(self, status: ExecutionStatus, *, fence: int | None = None, **changes: Any) -> None:
        """Change the status and what goes with it, in one statement that only one caller can win.

        An end frees the lease and raises the fence, so that whatever a worker still writes changes nothing. An execution
        that is not in the database yet, and that nobody else can have, is inserted as it is then.

        :param fence: the writing worker's; without it, the writer is somebody who overrides workers.
        :raises IllegalTransition: if the row was not, or is no longer, where it could do so.
        """
        if self._state.adding:
            for name, value in {**changes, "status": status}.items():
                setattr(self, name, value)
            insert([self])
            return
        where: dict[str, Any] = {"id": self.pk, "status__in": REACHED_FROM[status]}
        if fence is not None:
            where |= {"fence": fence, "lease_owner__isnull": False}
        changes = {"status": status, **changes}
        if status in ENDED:
            changes |= _FREE
        if not update(WorkflowExecution, where, changes, raised="fence" if status in ENDED else ""):
            raise IllegalTransition(f"Execution {self.id} cannot become {status.value}: it has ended or moved on.")
        for name, value in changes.items():
            setattr(self, name, value)


class WorkerProcess(models.Model):
    """One process of a worker: made when it starts, touched every few seconds while it lives, removed when it ends.

    Only for people to see who serves what. The engine relies on leases, and never on these rows.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    host = models.CharField(max_length=60)
    pid = models.PositiveIntegerField()
    # Names of ExecutionQueue.
    queues = models.JSONField(default=list)
    seen_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "worker_processes"
        verbose_name_plural = "worker processes"
        indexes = [
            models.Index(fields=["seen_at"], name="worker_processes_seen"),
            models.Index(fields=["-created_at", "-id"], name="worker_processes_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class WorkflowExecutionLog(models.Model):
    """One node run: one attempt of one node in one iteration. Log for people and journal for the engine in one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    execution = models.ForeignKey(WorkflowExecution, on_delete=models.CASCADE, related_name="node_runs", db_index=False)
    node_id = models.CharField(max_length=80)  # Of an agent's own nodes, a suffix too: "clerk.model".
    node_name = models.CharField(max_length=200, blank=True, default="")
    # Those of other packages have a dot in their names: "greetings.mood".
    node_type = models.CharField(max_length=64, choices=NodeType.choices)
    # The path of passes through the scopes around it, each counted from 0: "", "3", "3.1".
    iteration = models.CharField(max_length=100, blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=1)
    # Times that this attempt was begun again because its worker was lost.
    interruptions = models.PositiveSmallIntegerField(default=0)

    status = models.CharField(max_length=16, choices=ExecutionStatus.choices)
    # The ports that fired; empty until completed.
    ports = models.JSONField(default=list)
    # When a waiting node run goes on, or when the attempt after a failed one begins.
    wake_at = models.DateTimeField(null=True, blank=True)
    # What a node run that has begun and sleeps waits for: a timer, an answer (callback, approval), or that its call may go out
    # (retry); then what it keeps meanwhile is in ``output_data``.
    waits_for = models.CharField(max_length=16, choices=BlockedOn.choices, null=True, blank=True)  # noqa: DJ001 - null: nothing
    # What it waited for and has come: {"output": …, "ports": […]} or {"error": {…}}. Written by whoever brings it.
    answer = models.JSONField(null=True, blank=True)
    # How far the passes of a scope (loop, parallel) have come.
    state = models.JSONField(null=True, blank=True)
    # The node run of an earlier execution whose output was taken over instead of running.
    reused_from = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)

    input_data = models.JSONField(null=True, blank=True)
    output_data = models.JSONField(null=True, blank=True)
    # The file of the default storage in which the output lies, if it is too large for the row; then ``output_data`` is null. Of a
    # node run that is put off: what it keeps meanwhile. Reruns that took an output over name the same file.
    output_file = models.CharField(max_length=200, null=True, blank=True, editable=False)  # noqa: DJ001 - null: none
    output_file_bytes = models.PositiveBigIntegerField(null=True, blank=True, editable=False)
    output_file_sha256 = models.CharField(max_length=64, null=True, blank=True, editable=False)  # noqa: DJ001 - see above
    # {"code", "message", "retryable", "details"}.
    error = models.JSONField(null=True, blank=True)
    tokens_used = models.PositiveBigIntegerField(default=0)
    # US dollars; null: not known.
    cost = models.DecimalField(max_digits=18, decimal_places=9, default=0, null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "workflow_execution_logs"
        verbose_name = "node run"
        constraints = [
            one_of("workflow_execution_logs", "status", ExecutionStatus),
            # Types of other packages have a dot in their key. Not LIKE: Django cannot read such a CHECK back from SQLite.
            one_of(
                "workflow_execution_logs",
                "node_type",
                NodeType,
                others=Q(GreaterThan(StrIndex("node_type", models.Value(".")), 0)),
            ),
            one_of("workflow_execution_logs", "waits_for", BlockedOn, null=True),
            # The iteration before the node: an execution is resumed by reading the passes that are open.
            models.UniqueConstraint(
                fields=["execution", "iteration", "node_id", "attempt"], name="workflow_execution_logs_attempt_once"
            ),
            models.UniqueConstraint(
                fields=["execution", "iteration", "node_id"],
                condition=Q(status=ExecutionStatus.COMPLETED),
                name="workflow_execution_logs_completed_once",
            ),
            models.CheckConstraint(
                condition=Q(output_file__isnull=True, output_file_bytes__isnull=True, output_file_sha256__isnull=True)
                | Q(output_file__isnull=False, output_file_bytes__isnull=False, output_file_sha256__isnull=False),
                name="workflow_execution_logs_file_check",
            ),
        ]
        indexes = [
            models.Index(fields=["execution", "started_at", "id"], name="logs_execution_order"),
            # Few rows have a file. By file: whether any row still names it; by execution: which ones go with it.
            models.Index(fields=["output_file"], name="logs_file", condition=Q(output_file__isnull=False)),
            models.Index(fields=["execution"], name="logs_execution_files", condition=Q(output_file__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.node_id} ({self.status})"

    @property
    def file(self) -> OutputFile | None:
        """The file in which its output lies; None if that is in the row itself."""
        return OutputFile.named(self.output_file, self.output_file_bytes, self.output_file_sha256)

    @property
    def is_edited(self) -> bool:
        """Whether it was taken over with an output that somebody gave, instead of the one that it had."""
        return isinstance(self.input_data, dict) and self.input_data.get("is_edited") is True

    @property
    def is_pinned(self) -> bool:
        """Whether it did not run, because its node is pinned and the execution a test."""
        return isinstance(self.input_data, dict) and self.input_data.get("is_pinned") is True


class LiveText(models.Model):
    """A piece of what a model is answering: there while the node run that asks it is under way, for whoever watches.

    Nothing is read from it later: the whole answer is the node run's output.
    """

    # Not a UUID: whoever watches goes by the order in which pieces were written, and clocks of workers differ.
    id = models.BigAutoField(primary_key=True)
    # No constraints, so that removing executions and node runs costs nothing more: pieces that are left are cleaned up.
    execution = models.ForeignKey(
        WorkflowExecution, on_delete=models.DO_NOTHING, db_constraint=False, related_name="live_texts", db_index=False
    )
    node_run_id = models.UUIDField()
    # From 1 on. A model that is asked again by the same node run begins anew.
    number = models.PositiveIntegerField()
    text = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "live_texts"
        constraints = [models.UniqueConstraint(fields=["node_run_id", "number"], name="live_texts_number_once")]
        indexes = [
            models.Index(fields=["execution", "id"], name="live_texts_order"),
            models.Index(fields=["created_at"], name="live_texts_oldest"),
        ]

    def __str__(self) -> str:
        return f"{self.number} of {self.node_run_id}"


class OutgoingLimit(models.Model):
    """What an operator allows a project's calls to a host, or its calls with a secret, all workflows together.

    Exactly one of ``host`` and ``secret_name`` says which calls are meant.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="outgoing_limits", db_index=False)
    # A name in small letters, or ``*.name`` for all below it.
    host = models.CharField(max_length=255, blank=True, default="")
    # The name of a secret variable, whichever workflow it belongs to.
    secret_name = models.CharField(max_length=64, blank=True, default="")
    per_minute = models.PositiveIntegerField(null=True, blank=True)
    # How many calls of a minute may come at once; null: all of them.
    burst = models.PositiveIntegerField(null=True, blank=True)
    at_once = models.PositiveIntegerField(null=True, blank=True)
    # Until when its calls are spoken for, in microseconds since 1970 (see projects.pacing).
    paced_until_us = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "outgoing_limits"
        constraints = [
            models.UniqueConstraint(fields=["project", "host", "secret_name"], name="outgoing_limits_once"),
            models.CheckConstraint(
                condition=(Q(host="") & ~Q(secret_name="")) | (~Q(host="") & Q(secret_name="")),
                name="outgoing_limits_one_target",
            ),
            models.CheckConstraint(
                condition=Q(per_minute__isnull=False) | Q(at_once__isnull=False),
                name="outgoing_limits_limits_something",
            ),
            models.CheckConstraint(
                condition=Q(per_minute__isnull=True) | Q(per_minute__gte=1), name="outgoing_limits_rate_above_zero"
            ),
            models.CheckConstraint(
                condition=Q(burst__isnull=True) | Q(burst__gte=1, per_minute__isnull=False),
                name="outgoing_limits_burst_of_a_rate",
            ),
            models.CheckConstraint(
                condition=Q(at_once__isnull=True) | Q(at_once__gte=1), name="outgoing_limits_at_once_above_zero"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="outgoing_limits_newest"),
            models.Index(fields=["-created_at", "-id"], name="outgoing_limits_all_newest"),
        ]

    def __str__(self) -> str:
        return f"secret {self.secret_name}" if self.secret_name else self.host

    @property
    def pace_us(self) -> int:
        """Microseconds in which one more call is allowed. Only where there is a rate."""
        assert self.per_minute is not None  # noqa: S101 - the caller has looked
        return 60_000_000 // self.per_minute


class OutgoingCall(models.Model):
    """One call that is under way under a limit of how many there may be at once.

    It counts until it is removed or has expired, which is later than the call can last: a process that dies leaves none for ever.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    limit = models.ForeignKey(OutgoingLimit, on_delete=models.CASCADE, related_name="calls", db_index=False)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "outgoing_calls"
        indexes = [
            models.Index(fields=["limit", "expires_at"], name="outgoing_calls_live"),
            models.Index(fields=["-created_at", "-id"], name="outgoing_calls_newest"),
        ]

    def __str__(self) -> str:
        return f"a call until {self.expires_at:%Y-%m-%d %H:%M:%S}"


class OutgoingHold(models.Model):
    """A host that has asked a project to stay away for a while (429 or 503 with ``Retry-After``)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="outgoing_holds", db_index=False)
    host = models.CharField(max_length=255)
    until = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "outgoing_holds"
        constraints = [models.UniqueConstraint(fields=["project", "host"], name="outgoing_holds_once")]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="outgoing_holds_newest"),
            models.Index(fields=["-created_at", "-id"], name="outgoing_holds_all_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.host} until {self.until:%Y-%m-%d %H:%M:%S} UTC"


class Link(models.Model):
    """The one-time URL of one node in one pass of an execution; what comes over it is the node's answer.

    There from the commit on in which a node begins that tells it, or the node itself begins to wait. Of the token only the
    SHA-256 is kept.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    execution = models.ForeignKey(WorkflowExecution, on_delete=models.CASCADE, related_name="links", db_index=False)
    node_id = models.CharField(max_length=80)  # Of an agent's own nodes, a suffix too: "clerk.model".
    iteration = models.CharField(max_length=100, blank=True, default="")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    # The node run that waits for it, or did. No foreign key: the clean-up removes node runs by the thousand.
    node_run_id = models.UUIDField(null=True, blank=True, editable=False)
    # What came before the node began to wait: {"output": …}, kept until it does.
    early = models.JSONField(null=True, blank=True)
    # SHA-256 of the call that was taken: the same one again is no second call.
    call_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    answered_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "node_links"
        constraints = [
            models.UniqueConstraint(fields=["execution", "node_id", "iteration"], name="node_links_node_once"),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="node_links_newest")]

    def __str__(self) -> str:
        return f"{self.node_id} of {self.execution_id}"


class ApprovalStatus(models.TextChoices):
    OPEN = "open"  # Waits for people.
    APPROVED = "approved"  # As many as were needed have approved.
    REJECTED = "rejected"  # Somebody has rejected.
    EXPIRED = "expired"  # Its deadline came first.
    CLOSED = "closed"  # Its execution ended, or nobody needs it any more.


class ApprovalQuerySet(models.QuerySet["Approval"]):
    """Names for sets of approvals."""

    def open(self) -> ApprovalQuerySet:
        """Those that wait for people."""
        # In the words of the index.
        return self.filter(ended_at__isnull=True)


class Approval(models.Model):
    """What a node run asks people to approve: made by the commit that begins the wait, ended by the one that ends it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # Without indexes of their own: those below begin with them.
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="approvals", db_index=False)
    workflow = models.ForeignKey(Workflow, on_delete=models.PROTECT, related_name="approvals", db_index=False)
    execution = models.ForeignKey(WorkflowExecution, on_delete=models.CASCADE, related_name="approvals", db_index=False)
    node_id = models.CharField(max_length=80)  # Of an agent's own nodes, a suffix too: "clerk.model".
    iteration = models.CharField(max_length=100, blank=True, default="")
    node_run_id = models.UUIDField(unique=True, editable=False)

    title = models.CharField(max_length=200)
    message = models.TextField(blank=True, default="")
    details = models.JSONField(null=True, blank=True)
    # A JSON Schema of fields that are filled in with a decision.
    form = models.JSONField(null=True, blank=True)
    # Who may decide: members with this role or a higher one; those with these user names; whoever has the link.
    role = models.CharField(max_length=16, choices=Role.choices, null=True, blank=True)  # noqa: DJ001 - null: no role
    users = models.JSONField(default=list, blank=True)
    anyone = models.BooleanField(default=False)
    needed = models.PositiveSmallIntegerField(default=1)

    status = models.CharField(max_length=16, choices=ApprovalStatus.choices, default=ApprovalStatus.OPEN)
    deadline_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        db_table = "approvals"
        constraints = [
            one_of("approvals", "status", ApprovalStatus),
            one_of("approvals", "role", Role, null=True),
            models.CheckConstraint(
                condition=Q(status=ApprovalStatus.OPEN, ended_at__isnull=True)
                | (~Q(status=ApprovalStatus.OPEN) & Q(ended_at__isnull=False)),
                name="approvals_ended_check",
            ),
            models.CheckConstraint(condition=Q(needed__gte=1), name="approvals_needed_from_one"),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="approvals_project_newest"),
            models.Index(fields=["workflow", "-created_at", "-id"], name="approvals_workflow_newest"),
            models.Index(fields=["execution"], name="approvals_execution"),
            models.Index(fields=["-created_at", "-id"], name="approvals_newest"),
            models.Index(
                fields=["project", "-created_at", "-id"], name="approvals_open", condition=Q(ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        """Whether it waits for people."""
        return self.status == ApprovalStatus.OPEN


class Verdict(models.TextChoices):
    APPROVE = "approve"
    REJECT = "reject"


class ApprovalDecision(models.Model):
    """What one person has said to an approval. Whoever comes over a link for anybody is nobody's account."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, on_delete=models.CASCADE, related_name="decisions", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # As the person was called then; or, by the link without logging in, whatever they call themselves.
    name = models.CharField(max_length=200, blank=True, default="")
    is_by_link = models.BooleanField(default=False)
    verdict = models.CharField(max_length=16, choices=Verdict.choices)
    comment = models.CharField(max_length=2000, blank=True, default="")
    form = models.JSONField(default=dict, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "approval_decisions"
        constraints = [
            one_of("approval_decisions", "verdict", Verdict),
            # Two who press twice, or at once in two windows, are still one person.
            models.UniqueConstraint(
                fields=["approval", "user"], condition=Q(user__isnull=False), name="approval_decisions_person_once"
            ),
        ]
        indexes = [
            models.Index(fields=["approval", "created_at", "id"], name="approval_decisions_order"),
            models.Index(fields=["-created_at", "-id"], name="approval_decisions_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Somebody'}: {self.verdict}"


class GoneEndpoint(models.Model):
    """A URL that has answered a signed call with 410: nothing is sent there for this project until somebody enables it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="gone_endpoints", db_index=False)
    # SHA-256 of the URL, with the names of secrets in the place of their values.
    url_hash = models.CharField(max_length=64, editable=False)
    # Without user, query and fragment.
    url = models.CharField(max_length=2000)
    execution = models.ForeignKey(WorkflowExecution, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "gone_endpoints"
        constraints = [models.UniqueConstraint(fields=["project", "url_hash"], name="gone_endpoints_url_once")]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="gone_endpoints_project"),
            models.Index(fields=["-created_at", "-id"], name="gone_endpoints_newest"),
        ]

    def __str__(self) -> str:
        return self.url
