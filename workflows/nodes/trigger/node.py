"""The trigger node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, RootModel
from pydantic_core import PydanticCustomError

from workflows.definition.json_schema import schema_problems
from workflows.definition.problems import Problem
from workflows.nodes.base import Context, Done, NodeType, register
from workflows.nodes.evaluation import fill
from workflows.nodes.trigger.manual import ManualTrigger
from workflows.nodes.trigger.paths import pattern_of
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.nodes.trigger.webhook import WebhookTrigger

AnyTrigger = ManualTrigger | WebhookTrigger | ScheduleTrigger

# Kinds that the design knows and this version does not.
NOT_BUILT = ("event", "polling", "workflow")


def _is_built(config: Any) -> Any:
    if isinstance(config, dict) and config.get("kind") in NOT_BUILT:
        raise PydanticCustomError(
            "not_built_yet",
            "Triggers of kind `{kind}` are not built yet in this version.",
            {"kind": config["kind"], "key": "kind", "hint": "Use `manual`, `webhook` or `schedule`."},
        )
    return config


class TriggerConfig(RootModel[Annotated[AnyTrigger, Field(discriminator="kind"), BeforeValidator(_is_built)]]):
    """What starts the workflow, by its ``kind``."""


def read_trigger(config: Mapping[str, Any]) -> AnyTrigger:
    """Return the settings in a published trigger node's config.

    :raises pydantic.ValidationError: if it has never been checked and is wrong.
    """
    return TriggerConfig.model_validate(fill(config, {})).root


@register("trigger")
class Trigger(NodeType[TriggerConfig]):
    """Start the workflow: by a person, a webhook or a schedule."""

    Config = TriggerConfig
    icon = "play"
    starts_workflow = True
    instead_of_in_scopes = (
        "Take `parent` away. A pass begins with the nodes of the body that nothing leads into, whatever their type."
    )
    beforehand = {"filter": frozenset({"trigger", "now"}), "dedupe_key": frozenset({"trigger", "now"})}
    example = {"kind": "webhook", "methods": ["POST"], "auth": {"scheme": "github"}, "respond": "finished"}

    def check(self, config: TriggerConfig) -> list[Problem]:
        """Check the webhook's JSON Schema."""
        trigger = config.root
        if not isinstance(trigger, WebhookTrigger) or trigger.body_schema is None:
            return []
        return schema_problems(trigger.body_schema, below="/body_schema")

    def check_together(
        self, configs: Mapping[str, TriggerConfig], *, execution_timeout_seconds: int
    ) -> list[tuple[str, Problem]]:
        """Refuse two webhooks on one path, whatever its parameters are called."""
        owners: dict[str, str] = {}
        found = []
        for node_id, config in configs.items():
            path = config.root.path if isinstance(config.root, WebhookTrigger) else None
            if path is not None and owners.setdefault(pattern_of(path), node_id) != node_id:
                message = f"The webhook of node `{owners[pattern_of(path)]}` has this path already."
                found.append((node_id, Problem("duplicate_path", "/path", message)))
        return found

    def run(self, config: TriggerConfig, context: Context) -> Done:
        """Hand on what started the execution."""
        return Done(context.input)
