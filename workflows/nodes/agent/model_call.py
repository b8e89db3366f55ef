"""One call of a model, which an agent makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from workflows import llm
from workflows.http.secrets import Secrets
from workflows.llm.requests import ModelRequest, Tool, estimated_tokens
from workflows.nodes.agent.config import Model
from workflows.nodes.agent.steps import CHEAPER
from workflows.nodes.base import Config, Context, Done, Effect, NodeError, NodeType, PlannedCall
from workflows.nodes.fields import Unevaluated
from workflows.nodes.hosts import has_host_from_elsewhere
from workflows.tools.storage import contents, files


class ModelCallConfig(Config):
    """Which models there are; the input says which one is called."""

    models: list[Model]
    cheaper: Model | None = Field(default=None)

    def chosen(self, choice: int) -> Model:
        """Return the one that is called."""
        model = self.cheaper if choice == CHEAPER else self.models[choice]
        assert model is not None  # noqa: S101 - the agent's config goes with its steps
        return model


def model_of(config: Mapping[str, Any], choice: int) -> Mapping[str, Any]:
    """Return the raw model that a choice means."""
    model: Mapping[str, Any] = config["cheaper"] if choice == CHEAPER else config["models"][choice]
    return model


def leaves_host_open(model: Mapping[str, Any]) -> bool:
    """Return whether what comes in says where a raw model is. Never raises."""
    return model.get("base_url") is not None and has_host_from_elsewhere(model["base_url"])


class ModelCall(NodeType[ModelCallConfig]):
    """Call a model. The output is what it answered: its parts, the tokens, the model, why it stopped."""

    key = "agent"
    Config = ModelCallConfig
    icon = "bot"
    accepts_secrets = True
    # Only the chosen one's are needed: another one's secret may be missing.
    lazy = ("models", "cheaper")
    example: ClassVar[dict[str, Any]] = {}  # Nobody writes one: see executions.engine.versions.

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """It costs money: recorded before it begins."""
        return Effect.WRITE

    def run(self, config: ModelCallConfig, context: Context) -> Done:
        """Reserve what it may cost, and call.

        :raises NodeError: ``budget_exceeded`` or ``price_unknown`` if it may not be made; ``file_not_found``,
            ``file_too_large``; else what :func:`workflows.llm.call` raises.
        :raises Cancelled: if the engine abandoned it.
        """
        asked, model = context.input, config.chosen(context.input["choice"])
        secrets = Secrets(context)
        _refuse_unevaluated(model)
        request = ModelRequest(
            provider=model.provider,
            model=model.model,
            base_url=model.base_url,
            api_key="" if model.api_key is None else secrets.fill(model.api_key),
            headers=secrets.fill(dict(model.headers)),
            instructions=asked["instructions"],
            messages=asked["messages"],
            tools=tuple(Tool(each["name"], each["description"], each["parameters"]) for each in asked["tools"]),
            output_schema=asked["output_schema"],
            max_tokens=model.max_tokens,
            temperature=model.temperature,
            idempotency_key=context.idempotency_key,
            files={each: _file(context.project_id, each) for each in asked["files"]},
        )
        context.reserve(
            PlannedCall(
                provider=model.provider,
                model=model.model,
                base_url=model.base_url,
                input_tokens=estimated_tokens(request),
                output_tokens=model.max_tokens,
            )
        )
        seconds = min(model.timeout_seconds, context.seconds_left)
        if seconds <= 0:
            raise NodeError("timeout", "The time of the agent was over before this call.", details={"was_sent": False})
        with context.saying() as say:
            answer = llm.call(request, seconds=seconds, on_text=say)
        output: dict[str, Any] = secrets.mask(answer.to_json())
        return Done(output)


def _refuse_unevaluated(model: Model) -> None:
    """Do nothing, if every expression of the chosen model has a value."""
    for value in (model.model, model.api_key, model.base_url, *model.headers.values()):
        if isinstance(value, Unevaluated):
            raise value.error


def _file(project_id: str, name: str) -> tuple[str, bytes]:
    return contents.guessed_type(name), files.read(project_id, name)
