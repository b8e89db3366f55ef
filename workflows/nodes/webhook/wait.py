"""Wait for a call from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from workflows.definition.problems import Problem
from workflows.expressions.templates import parse_template
from workflows.nodes.base import Await, Config, Context, Done, NodeError
from workflows.nodes.evaluation import fill
from workflows.nodes.fields import Dynamic, OneExpression
from workflows.nodes.headers import HeaderName
from workflows.nodes.moments import DurationText
from workflows.nodes.webhook import deadline

TIMEOUT_PORT = "timeout"
_SECRET = re.compile(r"""\s*secret\(\s*(["'])(?P<name>[A-Z][A-Z0-9_]{0,63})\1\s*\)\s*""")


class Proof(Config):
    """What the caller must send beside knowing the link."""

    header: HeaderName = Field(description="The header that carries it, for example X-Callback-Token.")
    secret: OneExpression = Field(description="What it must hold: {{ secret('NAME') }}, looked up when a call comes.")

    @property
    def secret_name(self) -> str | None:
        """The name of the secret variable, if the expression is nothing but that."""
        (source,) = (part.source for part in parse_template(self.secret).interpolations)
        found = _SECRET.fullmatch(source)
        return found["name"] if found else None


class WaitForCall(Config):
    """Wait until somebody calls the node's one-time link (`links.<id>`), which nodes before it tell."""

    action: Literal["wait"]
    timeout: Dynamic[DurationText] | None = Field(
        default=None,
        description="How long at most, an ISO 8601 duration: PT15M, P2D. Left out: as long as the execution.",
    )
    on_timeout: Literal["fail", "port"] = Field(
        default="fail", description="Then the node fails with `callback_timeout`, or is left through port `timeout`."
    )
    proof: Proof | None = Field(default=None, description="A secret that the caller must send in a header.")

    def check(self) -> list[Problem]:
        """Refuse a proof that is no secret."""
        if self.proof is None or self.proof.secret_name is not None:
            return []
        message = "What a caller must send is one secret variable."
        return [Problem("secret_needed", "/proof/secret", message, "Write `{{ secret('NAME') }}`, nothing else.")]

    def run(self, context: Context) -> Await:
        """Wait."""
        until = deadline.until(self.timeout, context)
        if self.on_timeout == "port":
            return Await(until, Done({"timed_out": True}, ports=(TIMEOUT_PORT,)))
        message = f"Nobody called the link by {deadline.told(until)}."
        return Await(until, NodeError("callback_timeout", message))


def proof_of(config: Mapping[str, Any]) -> Proof | None:
    """Return what a published node with this raw config wants of callers, if it wants anything."""
    proof = config.get("proof")
    return Proof.model_validate(fill(proof, {})) if isinstance(proof, Mapping) else None
