"""The money and the tokens of an agent's model calls: reserved before each, settled with the commit that records it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as TookTooLong
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import DatabaseError

from executions.engine.agents import AgentRun
from executions.engine.scopes import Pass
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.outgoing.gate import UNKNOWN_SECONDS, Desk
from executions.spending import ledger
from executions.spending.ledger import AgentLimit, Ask, Key
from executions.spending.prices import price_of
from executions.spending.pricing import Tokens
from workflows.http import Postponed
from workflows.nodes.base import NodeError, PlannedCall

logger = logging.getLogger(__name__)


def is_model_call(here: Pass, node_id: str) -> bool:
    """Return whether a node run is a call of a model."""
    return isinstance(here.scope, AgentRun) and here.scope.history.steps[here.index].kind == "model"


def key_of(row: WorkflowExecutionLog) -> Key:
    """Return under which key the ledger has a node run's call."""
    return Key(row.execution_id, row.node_id, row.iteration, row.attempt)


def ask_of(execution: WorkflowExecution, here: Pass, row: WorkflowExecutionLog, planned: PlannedCall) -> Ask:
    """Return what the ledger is asked for before a call."""
    agent = here.scope
    assert isinstance(agent, AgentRun)  # noqa: S101 - only agents call models
    around = tuple(_limit_of(each) for each in _agents_around(agent) if each.settings.limits.money is not None)
    return Ask(
        project_id=execution.project_id,
        workflow_id=execution.workflow_id,
        execution_id=execution.pk,
        node_id=row.node_id,
        iteration=row.iteration,
        attempt=row.attempt,
        agent_id=agent.node_id,
        provider=planned.provider,
        model=planned.model,
        base_url=planned.base_url or "",
        input_tokens=planned.input_tokens,
        output_tokens=planned.output_tokens,
        node_limit=agent.settings.limits.money,
        agent_iteration=agent.row.iteration,
        tools=agent.agent_body.agents_below,
        around=around,
        is_test=execution.is_test,
        is_allowed_beyond=agent.history.steps[here.index].beyond,
    )


def reserve(desk: Desk, ask: Ask, now: datetime) -> None:
    """Ask the ledger, from a thread of the pool.

    :raises NodeError: if the call may not be made.
    :raises Postponed: if the ledger cannot be asked now. Without it nothing is spent.
    """
    try:
        desk(partial(ledger.reserve, now=now), ask)
    except (DatabaseError, TookTooLong) as error:
        logger.warning("Could not reserve what a call of a model may cost.", exc_info=True)
        raise Postponed(UNKNOWN_SECONDS, "until the database says again what may be spent") from error


def cost_of(planned: PlannedCall, answer: Mapping[str, Any], *, at: datetime) -> Decimal | None:
    """Return what an answered call has cost, as the ledger will have it; None if nobody knows.

    :param at: when it was reserved.
    """
    tokens = Tokens.of(answer.get("usage"))
    if not tokens.are_known:
        return None
    for model in (str(answer.get("model") or ""), planned.model):
        if model and (price := price_of(planned.provider, model, at, planned.base_url or "")) is not None:
            return price.cost(tokens)
    return None


class Settlements:
    """What has become of model calls, until the commit that records them writes it into the ledger."""

    def __init__(self) -> None:
        self._to_do: list[Callable[[datetime], object]] = []

    def answered(self, row: WorkflowExecutionLog, answer: Mapping[str, Any]) -> None:
        """Note a call that was answered."""
        key, usage, model = key_of(row), answer.get("usage"), str(answer.get("model") or "")
        self._to_do.append(lambda now: ledger.settle(key, usage, model=model, now=now))

    def failed(self, row: WorkflowExecutionLog, error: NodeError) -> bool:
        """Note a call that has failed, and return whether it surely was not charged: then what was reserved is given back."""
        key, was_sent = key_of(row), error.details.get("was_sent", True)
        settle = ledger.mark_uncertain if was_sent else ledger.release
        self._to_do.append(lambda now: settle(key, now=now))
        return not was_sent

    def cut_off(self, row: WorkflowExecutionLog) -> None:
        """Note a call that was under way, and whose answer nobody waits for any more."""
        key = key_of(row)
        self._to_do.append(lambda now: ledger.mark_uncertain(key, now=now))

    def write(self, *, now: datetime) -> None:
        """Write what was noted. Belongs into the commit that records the node runs."""
        for each in self._to_do:
            each(now)
        self._to_do = []


def _agents_around(agent: AgentRun) -> list[AgentRun]:
    return [each.scope for each in agent.within.around() if isinstance(each.scope, AgentRun)]


def _limit_of(agent: AgentRun) -> AgentLimit:
    amount = agent.settings.limits.money
    assert amount is not None  # noqa: S101 - the caller has looked
    return AgentLimit(agent.node_id, agent.row.iteration, amount, agent.agent_body.agents_below)
