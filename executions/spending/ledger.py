"""The ledger of calls of models: reserved before a call, settled after it.

A call goes out only when what it can cost at most was reserved, under the lock of the budgets that it counts under. So those that
ask in the same moment see each other, and never overspend together. Nobody who holds another lock of the ledger ever waits
for a budget's: settling locks the call's own row alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import Aggregate, Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from executions.models import LIVE, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.spending.models import IN_WORDS, Budget, BudgetPeriod, CallStatus, ModelCall
from executions.spending.prices import host_of, price_of
from executions.spending.pricing import Tokens, plain
from executions.spending.windows import window
from projects.payloads import storable_text
from workflows.nodes.base import NodeError

# The advisory locks of executions whose agents have limits of their own. A number that nothing else in the database uses.
_EXECUTIONS = 5_360_129

# What is still reserved so long after its execution has ended, was forgotten.
FORGOTTEN_AFTER = timedelta(minutes=2)

_OPEN = (CallStatus.RESERVED, CallStatus.UNCERTAIN)
_LAST_DIGIT = Decimal("1e-9")


@dataclass(frozen=True)
class Key:
    """The node run that makes a call."""

    execution_id: UUID | str
    node_id: str
    iteration: str
    attempt: int

    @property
    def columns(self) -> dict[str, Any]:
        """It, as columns of the ledger and of the journal alike."""
        return {
            "execution_id": self.execution_id,
            "node_id": self.node_id,
            "iteration": self.iteration,
            "attempt": self.attempt,
        }


@dataclass(frozen=True)
class AgentLimit:
    """How much one run of an agent may cost: its own calls, and those of the agents that it has as tools.

    :param iteration: of the agent's own node run.
    :param tools: the ids of agents attached to it, and to those, and so on. One that is attached to two agents of a pass counts
        for both.
    """

    agent_id: str
    iteration: str
    amount: Decimal
    tools: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Ask:
    """A call that wants to go out, and the most that it can use.

    :param provider: the protocol: ``openai`` or ``anthropic``.
    :param base_url: empty: the provider's own.
    :param input_tokens: an estimate. What goes beyond it is not reserved, but counts once it is settled.
    :param output_tokens: what the call allows itself at most.
    :param node_limit: how much this run of the agent may cost.
    :param agent_iteration: of the agent's own node run.
    :param tools: see :class:`AgentLimit`.
    :param around: the limits of the agents that have this one as a tool.
    :param is_allowed_beyond: somebody has approved that it goes out whatever it costs. It counts all the same.
    """

    project_id: UUID | str
    workflow_id: UUID | str
    execution_id: UUID | str
    node_id: str
    iteration: str
    attempt: int
    agent_id: str
    provider: str
    model: str
    base_url: str
    input_tokens: int
    output_tokens: int
    node_limit: Decimal | None = None
    agent_iteration: str = ""
    tools: frozenset[str] = frozenset()
    around: tuple[AgentLimit, ...] = ()
    is_test: bool = False
    is_allowed_beyond: bool = False

    @property
    def key(self) -> Key:
        """The node run that makes the call."""
        return Key(self.execution_id, self.node_id, self.iteration, self.attempt)

    @property
    def agent_limits(self) -> tuple[AgentLimit, ...]:
        """The limits of the agent and of those around it."""
        if self.node_limit is None:
            return self.around
        return (AgentLimit(self.agent_id, self.agent_iteration, self.node_limit, self.tools), *self.around)


@dataclass(frozen=True)
class Reserved:
    """What the ledger says of a call that asked.

    :param amount: what it can cost at most; None if no price is known.
    :param cost: what it has cost, if it is settled already.
    """

    key: Key
    status: CallStatus
    amount: Decimal | None
    cost: Decimal | None = None


@dataclass(frozen=True)
class Standing:
    """How much of a time's money is gone, and how much may go."""

    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    # Calls whose cost nobody knows, and which are in no sum.
    unknown_calls: int = 0


class BudgetExceeded(NodeError):
    """A call could cost more than a budget has left."""

    def __init__(self, limit: _Limit, standing: Standing, asked: Decimal) -> None:
        left = max(limit.amount - standing.spent - standing.reserved, Decimal(0))
        renewal = f" It begins anew at {limit.until:%Y-%m-%d %H:%M} UTC." if limit.until else ""
        remedy = (
            "`limits.cost` of the agent sets it; a smaller `max_tokens` makes a call cost less at most."
            if limit.budget_id is None
            else "Admins of the project may raise it; a smaller `max_tokens` makes a call cost less at most."
        )
        super().__init__(
            "budget_exceeded",
            f"{limit.told} is {plain(limit.amount)} USD. {plain(standing.spent)} are spent and {plain(standing.reserved)} reserved, "
            f"so {plain(left)} are left; this call can cost up to {plain(asked)} USD.{renewal} {remedy}",
            details={
                "budget": limit.budget_id,
                "scope": limit.scope,
                "period": limit.period,
                "limit": plain(limit.amount),
                "spent": plain(standing.spent),
                "reserved": plain(standing.reserved),
                "asked": plain(asked),
                "renews_at": limit.until.isoformat() if limit.until else None,
            },
        )


class ExecutionOver(NodeError):
    """Nothing is spent any more for an execution that has ended."""

    def __init__(self) -> None:
        super().__init__(
            "execution_over", "The execution has ended, so that no model is called.", details={"was_sent": False}
        )


class PriceUnknown(NodeError):
    """Money is limited, and nobody knows what the call costs."""

    def __init__(self, ask: Ask, limit: _Limit) -> None:
        at = f" at {_without_query(ask.base_url)}" if ask.base_url else ""
        name = host_of(ask.base_url) or ask.provider
        super().__init__(
            "price_unknown",
            f"{limit.told} is {plain(limit.amount)} USD, but no price is known for the model {ask.model} of {ask.provider}{at}. "
            f"Set one in the admin under Model prices, with the provider `{name}`, or run `manage.py load_model_prices`; "
            "0 if it costs nothing.",
            details={"provider": ask.provider, "model": ask.model, "base_url": _without_query(ask.base_url)},
        )


@dataclass(frozen=True)
class _Limit:
    """One amount that may not be exceeded, and the calls that count under it. ``told`` begins a sentence."""

    told: str
    amount: Decimal
    counted: QuerySet[ModelCall]
    scope: str
    period: str
    budget_id: str | None = None
    until: datetime | None = None


# --- Before a call ------------------------------------------------------------------------------------------------------


@transaction.atomic
def reserve(ask: Ask, *, now: datetime) -> Reserved:
    """Set aside what a call can cost at most. Asked again for the same node run, it is the same reservation.

    :raises ExecutionOver: if its execution has ended: whoever asks has only not heard of it yet.
    :raises BudgetExceeded: if a budget or the agent's limit has less left.
    :raises PriceUnknown: if one applies and no price is known.
    """
    # Before the lock: the price may have to be looked for in a library that is not loaded yet.
    price = price_of(ask.provider, ask.model, now, ask.base_url)
    amount = price.most(input_tokens=ask.input_tokens, output_tokens=ask.output_tokens) if price else None
    budgets = _locked(ask)
    _refuse_ended(ask)
    call = ModelCall.objects.select_for_update().filter(**ask.key.columns).first()
    if call is not None and call.status != CallStatus.RELEASED:
        return _taken_again(call, ask)
    if not ask.is_allowed_beyond:
        for limit in _limits(ask, budgets, now):
            _check(limit, ask, amount)
    columns = {
        "project_id": ask.project_id,
        "workflow_id": ask.workflow_id,
        "agent_id": ask.agent_id,
        "provider": ask.provider,
        "base_url": _without_query(ask.base_url),
        "model": ask.model,
        "status": CallStatus.RESERVED,
        "reserved": amount,
        "is_test": ask.is_test,
        "created_at": now,
        "settled_at": None,
    }
    if call is None:
        # Of two processes that both believe to carry the execution, the other one may have inserted it: the same row.
        ModelCall.objects.bulk_create([ModelCall(**ask.key.columns, **columns)], ignore_conflicts=True)
    else:
        ModelCall.objects.filter(pk=call.pk).update(**columns)
    return Reserved(ask.key, CallStatus.RESERVED, amount)


def _refuse_ended(ask: Ask) -> None:
    # Locked: who ends it waits for this reservation, and finds it; or this waits, and finds the end.
    rows = WorkflowExecution.objects.select_for_update(no_key=True).filter(pk=ask.execution_id)
    if rows.exclude(status__in=LIVE).values_list("pk").first() is not None:
        raise ExecutionOver


def _check(limit: _Limit, ask: Ask, amount: Decimal | None) -> None:
    if amount is None:
        raise PriceUnknown(ask, limit)
    standing = standing_of(limit.counted.aggregate(**sums()))
    if standing.spent + standing.reserved + amount > limit.amount:
        raise BudgetExceeded(limit, standing, amount)


def _locked(ask: Ask) -> list[Budget]:
    """Return the budgets that a call counts under, locked until the transaction ends, as is what its agents' limits are counted from."""
    if ask.agent_limits and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s::int, hashtext(%s::text))", [_EXECUTIONS, ask.execution_id])
    # In the order of their ids, as everybody who locks several.
    return list(
        Budget.objects.select_for_update()
        .filter(Q(workflow__isnull=True) | Q(workflow_id=ask.workflow_id), project_id=ask.project_id)
        .order_by("id")
    )


def _taken_again(call: ModelCall, ask: Ask) -> Reserved:
    if call.status == CallStatus.UNCERTAIN:  # It counts already.
        call.status, call.settled_at = CallStatus.RESERVED, None
        call.save(update_fields=["status", "settled_at"])
    return Reserved(ask.key, CallStatus(call.status), call.reserved, call.cost)


def _limits(ask: Ask, budgets: Iterable[Budget], now: datetime) -> Iterator[_Limit]:
    for agent in ask.agent_limits:
        yield _Limit(
            told=f"The limit of the agent `{agent.agent_id}`",
            amount=agent.amount,
            counted=_of_agent(ask.execution_id, agent),
            scope="agent",
            period="run",
        )
    for budget in budgets:
        period = BudgetPeriod(budget.period)
        since_until = window(period, ZoneInfo(budget.timezone), now)
        whose = "project" if budget.workflow_id is None else "workflow"
        yield _Limit(
            told=f"The {whose}'s budget for {IN_WORDS[period]}",
            amount=budget.amount,
            counted=_counted(budget, since_until, ask.execution_id),
            scope=whose,
            period=budget.period,
            budget_id=str(budget.pk),
            until=since_until[1] if since_until else None,
        )


def _of_agent(execution_id: UUID | str, agent: AgentLimit) -> QuerySet[ModelCall]:
    """Return the calls of one run of an agent, and of the agents that it has as tools."""
    own = ModelCall.objects.filter(execution_id=execution_id, agent_id__in=[agent.agent_id, *sorted(agent.tools)])
    # At the top, all passes are below it.
    return own.filter(iteration__startswith=f"{agent.iteration}.") if agent.iteration else own


def _counted(
    budget: Budget, since_until: tuple[datetime, datetime] | None, execution_id: UUID | str
) -> QuerySet[ModelCall]:
    if since_until is None:
        return ModelCall.objects.filter(execution_id=execution_id)
    since, until = since_until
    calls = ModelCall.objects.filter(created_at__gte=since, created_at__lt=until)
    if budget.workflow_id is None:
        return calls.filter(project_id=budget.project_id)
    return calls.filter(workflow_id=budget.workflow_id)


def sums() -> dict[str, Aggregate]:
    """Return what :func:`standing_of` reads, as aggregates over calls."""
    gone = Q(status__in=[CallStatus.SETTLED, CallStatus.UNCERTAIN])
    return {
        # A call whose price became unknown meanwhile counts with what it had reserved.
        "spent": Sum(Coalesce("cost", "reserved"), filter=gone),
        "held": Sum("reserved", filter=Q(status=CallStatus.RESERVED)),
        "unknown": Count("status", filter=Q(cost__isnull=True, reserved__isnull=True) & ~Q(status=CallStatus.RELEASED)),
    }


def standing_of(row: Mapping[str, Any]) -> Standing:
    """Return how much is spent and reserved, from what :func:`sums` found."""
    # SQLite adds in floating point.
    spent, held = ((row[name] or Decimal(0)).quantize(_LAST_DIGIT) for name in ("spent", "held"))
    return Standing(spent, held, row["unknown"])


def _without_query(url: str) -> str:
    """Return a URL as it is kept: without user, query and fragment, where keys may be."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))[:500]


# --- After a call -------------------------------------------------------------------------------------------------------


@transaction.atomic
def settle(key: Key, usage: Mapping[str, object] | None, *, model: str, now: datetime) -> Decimal | None:
    """Record what a call has used, and return what it has cost; None if nobody knows. Asked again, the answer is the same.

    Without any tokens in ``usage`` it is uncertain what was charged, and what was reserved goes on to count.

    :param usage: ``input_tokens``, ``output_tokens``, ``cached_input_tokens``, ``cache_write_tokens``, ``reasoning_tokens``.
    :param model: the name that has answered; empty: the one that was asked for.
    """
    call = ModelCall.objects.select_for_update().get(**key.columns)
    if call.status == CallStatus.SETTLED:
        return call.cost
    tokens = Tokens.of(usage)
    if not tokens.are_known:
        _close(ModelCall.objects.filter(pk=call.pk), CallStatus.UNCERTAIN, now)
        return None
    answering = storable_text(model)[:200] or call.model
    price = price_of(call.provider, answering, call.created_at, call.base_url)
    price = price or price_of(call.provider, call.model, call.created_at, call.base_url)
    call.status, call.settled_at, call.model = CallStatus.SETTLED, now, answering
    call.cost = price.cost(tokens) if price else None
    call.input_tokens, call.output_tokens = tokens.input, tokens.output
    call.cached_input_tokens, call.cache_write_tokens = tokens.cached_input, tokens.cache_write
    call.reasoning_tokens = tokens.reasoning
    call.save()
    return call.cost


def release(key: Key, *, now: datetime) -> None:
    """Give back what was reserved for a call that was surely not charged."""
    _close(ModelCall.objects.filter(**key.columns, status__in=_OPEN), CallStatus.RELEASED, now)


def mark_uncertain(key: Key, *, now: datetime) -> None:
    """Note that a call has gone out, and that nobody knows whether it was charged. What was reserved goes on to count."""
    _close(ModelCall.objects.filter(**key.columns, status=CallStatus.RESERVED), CallStatus.UNCERTAIN, now)


def close_execution(execution_id: UUID | str, *, now: datetime) -> None:
    """Leave nothing reserved for an execution that ends: what may have gone out is uncertain, the rest is given back.

    Then the execution says whether its cost is complete. Three statements, which one without agents can do without.
    """
    # In the words of the index.
    _close_all(ModelCall.objects.filter(execution_id=execution_id, settled_at__isnull=True), now)
    _say_what_is_unknown(WorkflowExecution.objects.filter(pk=execution_id))


def note_unknown(execution_id: UUID) -> None:
    """Say of the node runs of an execution whose calls are under way that nobody knows their cost."""
    under_way = ModelCall.objects.filter(
        execution_id=OuterRef("execution_id"),
        node_id=OuterRef("node_id"),
        iteration=OuterRef("iteration"),
        attempt=OuterRef("attempt"),
        settled_at__isnull=True,
    )
    WorkflowExecutionLog.objects.filter(Exists(under_way), execution_id=execution_id).update(cost=None)


@transaction.atomic
def close_forgotten(*, now: datetime) -> int:
    """Do the same for executions that have ended a while ago, and return for how many calls.

    A call may be reserved in the moment in which somebody ends its execution.
    """
    awake = WorkflowExecution.objects.filter(pk=OuterRef("execution_id")).exclude(
        completed_at__lt=now - FORGOTTEN_AFTER
    )
    forgotten = ModelCall.objects.filter(~Exists(awake), settled_at__isnull=True, created_at__lt=now - FORGOTTEN_AFTER)
    calls = dict(forgotten.values_list("pk", "execution_id"))
    if calls:
        _close_all(ModelCall.objects.filter(pk__in=calls, settled_at__isnull=True), now)
        _say_what_is_unknown(WorkflowExecution.objects.filter(pk__in=set(calls.values())))
    return len(calls)


def _close_all(open_calls: QuerySet[ModelCall], now: datetime) -> None:
    began = WorkflowExecutionLog.objects.filter(
        execution=OuterRef("execution_id"),
        node_id=OuterRef("node_id"),
        iteration=OuterRef("iteration"),
        attempt=OuterRef("attempt"),
    ).exclude(status=ExecutionStatus.PENDING)
    _close(open_calls.filter(~Exists(began)), CallStatus.RELEASED, now)
    _close(open_calls, CallStatus.UNCERTAIN, now)


def _say_what_is_unknown(executions: QuerySet[WorkflowExecution]) -> None:
    unknown = ModelCall.objects.filter(execution_id=OuterRef("pk"), cost__isnull=True)
    unknown = unknown.exclude(status=CallStatus.RELEASED)
    executions.filter(Exists(unknown), is_cost_complete=True).update(is_cost_complete=False)


def _close(calls: QuerySet[ModelCall], status: CallStatus, now: datetime) -> None:
    calls.update(status=status, settled_at=now)
