"""What tests ask the ledger for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from executions.spending.ledger import Ask
from projects.ids import new_id
from tests.factories import ModelPriceFactory

# A call with these tokens costs exactly 1 USD at the price of :func:`dollar_price`.
DOLLAR = {"input_tokens": 500_000, "output_tokens": 500_000}


def dollar_price(**more: Any) -> Any:
    """Make the price with which a million tokens cost one dollar, whichever way they go."""
    return ModelPriceFactory(model="dollar", input=Decimal(1), output=Decimal(1), **more)


def ask(workflow: Any, **more: Any) -> Ask:
    """Return what a call asks for that can cost 1 USD; another execution each time."""
    asked = {
        "project_id": workflow.project_id,
        "workflow_id": workflow.pk,
        "execution_id": new_id(),
        "node_id": "agent.model",
        "iteration": "0",
        "attempt": 1,
        "agent_id": "agent",
        "provider": "openai",
        "model": "dollar",
        "base_url": "",
        **DOLLAR,
        **more,
    }
    return Ask(**asked)
