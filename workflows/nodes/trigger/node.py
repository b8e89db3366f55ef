"""The trigger node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, RootModel, ValidationError

from workflows.definition.json_schema import schema_problems
from workflows.definition.problems import Problem
from workflows.definition.pydantic_problems import problems_in
from workflows.nodes.base import Context, Done, NodeType, register
from workflows.nodes.evaluation import fill
from workflows.nodes.trigger.event import EventTrigger
from workflows.nodes.trigger.manual import ManualTrigger
from workflows.nodes.trigger.paths import pattern_of
from workflows.nodes.trigger.polling import PollingTrigger, polling_problems
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.nodes.trigger.webhook import WebhookTrigger
from workflows.nodes.trigger.workflow import WorkflowTrigger
from workflows.tools.base import catalogue as tools

AnyTrigger = ManualTrigger | WebhookTrigger | ScheduleTrigger | EventTrigger | WorkflowTrigger | PollingTrigger


class TriggerConfig(RootModel[Annotated[AnyTrigger, Field(discriminator="kind")]]):
    """What starts the workflow, by its ``kind``."""


def read_trigger(config: Mapping[str, Any]) -> AnyTrigger:
    """Return the settings in a published trigger node's config.

    :raises pydantic.ValidationError: if it has never been checked and is wrong.
    """
    return TriggerConfig.model_validate(fill(config, {})).root


@register("trigger")
class Trigger(NodeType[TriggerConfig]):
    """Start the workflow: by a person, a webhook, a schedule, an event, a poll or another workflow's end."""

    Config = TriggerConfig
    icon = "play"
    starts_workflow = True
    instead_of_in_scopes = (
        "Take `parent` away. A pass begins with the nodes of the body that nothing leads into, whatever their type."
    )
    beforehand = {
        "filter": frozenset({"trigger", "now"}),
        "dedupe_key": frozenset({"trigger", "now"}),
        "with": frozenset({"trigger", "vars", "secret", "now"}),
        "key": frozenset({"item", "index", "input", "now"}),
        "cursor": frozenset({"item", "index", "input", "now"}),
    }
    example = {"kind": "webhook", "methods": ["POST"], "auth": {"scheme": "github"}, "respond": "finished"}

    def check(self, config: TriggerConfig) -> list[Problem]:
        """Check the webhook's JSON Schema, and a poll's tool and its arguments."""
        trigger = config.root
        if isinstance(trigger, PollingTrigger):
            return [*polling_problems(trigger), *_argument_problems(trigger)]
        if not isinstance(trigger, WebhookTrigger) or trigger.body_schema is None:
            return []
        return schema_problems(trigger.body_schema, below="/body_schema")

    def workflows(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the workflow whose ends start it."""
        name = config.get("workflow")
        return [("/workflow", name)] if config.get("kind") == "workflow" and isinstance(name, str) else []

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


def _argument_problems(trigger: PollingTrigger) -> list[Problem]:
    if trigger.tool not in tools():
        return []
    arguments_model = tools()[trigger.tool].Arguments
    try:
        arguments_model.model_validate(trigger.arguments)
    except ValidationError as error:
        return problems_in(error, arguments_model, below="/with")
    return []
