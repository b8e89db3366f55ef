"""What a workflow says to the outside in its own words. So far: the answer to the caller who waits."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, RootModel
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Answer, Config, Context, NodeType, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.output import AnswerHeaders, AnswerStatus

# Actions that the design knows and this version does not.
NOT_BUILT = ("send", "wait")


class Respond(Config):
    """Answer the caller now. A webhook waits for it with `respond: node`."""

    action: Literal["respond"]
    value: Dynamic[Any] = Field(default=None, description="The answer. Left out, it is the node's input.")
    status: AnswerStatus = Field(default=200, description="The HTTP status of the answer.")
    headers: AnswerHeaders = Field(default={}, description="HTTP headers of the answer.")


def _is_built(config: Any) -> Any:
    if isinstance(config, dict) and config.get("action") in NOT_BUILT:
        raise PydanticCustomError(
            "not_built_yet",
            "The action `{action}` is not built yet in this version.",
            {"action": config["action"], "key": "action", "hint": "Use `respond`."},
        )
    return config


class WebhookConfig(RootModel[Annotated[Respond, BeforeValidator(_is_built)]]):
    """What is done, by its ``action``."""


@register("webhook")
class Webhook(NodeType[WebhookConfig]):
    """Answer the caller who waits for the execution, which goes on. Only the first such node to run answers."""

    Config = WebhookConfig
    icon = "send"
    example = {"action": "respond", "value": {"order": "{{ input.id }}"}, "status": 202}

    def run(self, config: WebhookConfig, context: Context) -> Answer:
        """Put value, status and headers together."""
        said = config.root
        value = said.value if "value" in said.model_fields_set else context.input
        return Answer(value, said.status, dict(said.headers))
