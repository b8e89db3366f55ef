"""What an agent is told."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.fields import Dynamic, Fixed
from workflows.nodes.forms import Form
from workflows.nodes.headers import HeaderName
from workflows.nodes.moments import DurationText
from workflows.nodes.webhook.approve import WhoDecides
from workflows.tools.storage.names import FileName

MOST_TURNS, MOST_TOOL_CALLS, MOST_TOKENS = 200, 500, 10_000_000
MOST_SECONDS = 300.0

Provider = Literal["openai", "anthropic"]
OnExceeded = Literal["fail", "approve", "cheaper"]
Money = Annotated[str, Form(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?", "An amount in US dollars as text: `0.50`.")]
HostPattern = Annotated[
    str,
    Form(
        r"\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+",
        "A host in small letters: `api.example.com`, `*.example.com`, or `*`.",
    ),
]


class Model(Config):
    """A model, and how it is reached."""

    provider: Provider = Field(description="Whose protocol: `openai` (any server that speaks it) or `anthropic`.")
    model: Dynamic[Annotated[str, Field(min_length=1, max_length=200)]] = Field(description="The model's name there.")
    api_key: Dynamic[str] | None = Field(
        default=None, description="{{ secret('OPENAI_API_KEY') }}. Left out for servers that want none."
    )
    base_url: Dynamic[Annotated[str, Field(min_length=1, max_length=2_000)]] | None = Field(
        default=None, description="Where it is, if not at the provider's own address: http://llm.example.com/v1."
    )
    # Secrets may stand in them, which are filled in at the door: it looks at what is sent.
    headers: Dynamic[dict[HeaderName, Annotated[str, Field(max_length=4_000)]]] = Field(
        default={}, description="Other headers to send. Secrets may stand in them."
    )
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=4_096, description="How long one answer may be, in tokens. So many are reserved before each call."
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None, description="How free the answers are. Left out: the model's own default."
    )
    timeout_seconds: Annotated[float, Field(gt=0, le=MOST_SECONDS)] = Field(
        default=120.0, description="How long one call may take."
    )


class Memory(Config):
    """A conversation that goes on from execution to execution."""

    key: Dynamic[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        description="Which conversation of the project: {{ input.customer }}."
    )
    window: Annotated[int, Field(ge=1, le=200)] = Field(
        default=20, description="How many of its last messages the model is given."
    )


class Limits(Config):
    """What one run of the agent may use up."""

    turns: Annotated[int, Field(ge=1, le=MOST_TURNS)] = Field(default=25, description="Calls of models.")
    tool_calls: Annotated[int, Field(ge=0, le=MOST_TOOL_CALLS)] = Field(default=50, description="Calls of tools.")
    tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = Field(
        default=200_000, description="Tokens of all its model calls together, input and output."
    )
    cost: Money | None = Field(
        default=None, description="US dollars, as text: `0.50`. Left out: what the budgets allow."
    )

    @property
    def money(self) -> Decimal | None:
        """The limit of the cost."""
        return None if self.cost is None else Decimal(self.cost)


class Approvals(Config):
    """How people are asked: about calls of tools that need it, and about going on beyond a limit."""

    deciders: WhoDecides = Field(default=WhoDecides(), description="Who may decide.")
    timeout: DurationText | None = Field(
        default=None, description="How long at most, an ISO 8601 duration: PT4H. Left out: as long as the execution."
    )
    on_timeout: Literal["reject", "fail"] = Field(
        default="reject", description="Then it counts as rejected, which the model is told; or the agent fails."
    )


def _never_null(schema: dict[str, Any]) -> None:
    # Left out is one thing, and null another, which is refused: a form that writes defaults down would write it.
    del schema["default"]
    schema["anyOf"] = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]


class AgentConfig(Config):
    """Which models, what to do, and within which limits."""

    models: Annotated[list[Model], Field(min_length=1, max_length=5)] = Field(
        description="The first is used; the others in turn when the one before cannot be reached or does not answer."
    )
    instructions: Dynamic[Annotated[str, Field(max_length=200_000)]] = Field(
        default="", description="Who the agent is and how it works: the system prompt."
    )
    prompt: Dynamic[Annotated[str, Field(min_length=1, max_length=500_000)]] = Field(
        description="What it is to do now. What comes from outside belongs here, not into the instructions."
    )
    files: Dynamic[Annotated[list[FileName], Field(max_length=20)]] = Field(
        default=[], description="Images and PDFs in the project's storage that go with the prompt, by name."
    )
    output_schema: Fixed[dict[str, Any]] | None = Field(
        default=None, description="A JSON Schema that the answer must fit; one that does not is sent back for repair."
    )
    memory: Memory | None = Field(default=None, description="A conversation to go on with. Left out: it begins anew.")
    limits: Limits = Field(default=Limits(), description="What one run of it may use up.")
    on_exceeded: OnExceeded = Field(
        default="fail",
        description="What follows at a limit or a budget: the agent fails, people are asked, or (at money) it goes on with `cheaper`.",
    )
    cheaper: Model | None = Field(default=None, description="The model to go on with when the money is used up.")
    on_tool_error: Literal["tell", "fail"] = Field(
        default="tell", description="A tool that fails: the model is told, and may try otherwise; or the agent fails."
    )
    allowed_hosts: Dynamic[Annotated[list[HostPattern], Field(max_length=100)]] | None = Field(
        default=None,
        description="The only hosts that its tools may call, in sub-workflows too; expressions over `vars` alone. Left out: what the tools say.",
        json_schema_extra=_never_null,
    )
    approvals: Approvals = Field(default=Approvals(), description="How people are asked.")

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_are_said(cls, hosts: list[str] | None) -> list[str] | None:
        # An expression may come to null: it was meant as a bound, and null would be none.
        if hosts is None:
            hint = "List the hosts; or leave `allowed_hosts` out, if what the tools say is enough."
            raise PydanticCustomError("hosts_are_null", "These are no hosts: null.", {"hint": hint})
        return hosts

    @model_validator(mode="after")
    def _cheaper_where_it_is_asked_for(self) -> Self:
        if (self.on_exceeded == "cheaper") != (self.cheaper is not None):
            raise PydanticCustomError(
                "cheaper_and_on_exceeded",
                "`cheaper` and `on_exceeded: cheaper` go together.",
                {"key": "cheaper", "hint": "Give both, or neither."},
            )
        return self
