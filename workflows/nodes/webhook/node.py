"""The webhook node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, RootModel

from workflows.definition.problems import Problem
from workflows.nodes.base import MAIN_PORT, Context, Effect, NodeType, Outcome, register
from workflows.nodes.webhook import deadline
from workflows.nodes.webhook.approve import APPROVED, REJECTED, Approve
from workflows.nodes.webhook.respond import Respond
from workflows.nodes.webhook.send import DELAYS, Send
from workflows.nodes.webhook.wait import TIMEOUT_PORT, WaitForCall

_LINK_PATHS = {"wait": "callbacks", "approve": "approvals"}


class WebhookConfig(RootModel[Annotated[Respond | Send | WaitForCall | Approve, Field(discriminator="action")]]):
    """What is done, by its ``action``."""


@register("webhook")
class Webhook(NodeType[WebhookConfig]):
    """Send a signed call, wait for a call or for an approval, or answer the caller who waits for the execution."""

    Config = WebhookConfig
    icon = "send"
    accepts_secrets = True
    # A caller's proof is looked up when the call comes.
    beforehand = {"proof.secret": frozenset({"secret"})}
    example = {
        "action": "approve",
        "title": "Pay {{ input.amount }} to {{ input.payee }}?",
        "details": "{{ input }}",
        "timeout": "PT30M",
        "on_timeout": "reject",
    }

    def ports(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the ports of the action."""
        late = (TIMEOUT_PORT,) if config.get("on_timeout") == "port" else ()
        match config.get("action"):
            case "approve":
                return (APPROVED, REJECTED, *late)
            case "wait":
                return (MAIN_PORT, *late)
        return (MAIN_PORT,)

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """Only `send` does something to the outside."""
        return Effect.WRITE if config.get("action") == "send" else Effect.NONE

    def takes_secrets(self, config: Mapping[str, Any]) -> bool:
        """Only `send` goes through the door."""
        return config.get("action") == "send"

    def link_path(self, config: Mapping[str, Any]) -> str:
        """Who waits for somebody has a link."""
        action = config.get("action")
        return _LINK_PATHS.get(action, "") if isinstance(action, str) else ""

    def retry_delays(self, config: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the schedule of the standard for what is sent."""
        return DELAYS if config.get("action") == "send" else ()

    def endpoint(self, config: WebhookConfig) -> str | None:
        """Return where something is sent to."""
        return config.root.url if isinstance(config.root, Send) else None

    def check(self, config: WebhookConfig) -> list[Problem]:
        """Check what the action's model cannot."""
        return config.root.check() if isinstance(config.root, WaitForCall | Approve) else []

    def check_together(
        self, configs: Mapping[str, WebhookConfig], *, execution_timeout_seconds: int
    ) -> list[tuple[str, Problem]]:
        """Refuse a wait that the execution would not live to see the end of."""
        found = []
        for node_id, config in configs.items():
            if isinstance(config.root, WaitForCall | Approve):
                problem = deadline.too_long(config.root.timeout, execution_timeout_seconds=execution_timeout_seconds)
                found += [(node_id, problem)] if problem else []
        return found

    def run(self, config: WebhookConfig, context: Context) -> Outcome:
        """Do what the action says."""
        return config.root.run(context)
