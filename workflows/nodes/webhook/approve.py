"""Ask people for their approval."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.definition.problems import Problem
from workflows.nodes.base import ApprovalRequest, Await, Config, Context, Deciders, Done, NodeError
from workflows.nodes.fields import Dynamic, Fixed
from workflows.nodes.moments import DurationText
from workflows.nodes.webhook import deadline
from workflows.nodes.webhook.form import form_problems
from workflows.nodes.webhook.wait import TIMEOUT_PORT

APPROVED, REJECTED = "approved", "rejected"
MOST_NEEDED = 20

RoleName = Literal["viewer", "operator", "editor", "admin", "owner"]
Username = Annotated[str, Field(min_length=1, max_length=150)]


class WhoDecides(Config):
    """Who may decide. With `role` and `users`, both may. With neither: operators."""

    role: RoleName | None = Field(default=None, description="Members with this role or a higher one.")
    users: Dynamic[Annotated[list[Username], Field(max_length=50)]] = Field(
        default=[], description="Members by their user names, whatever their role."
    )
    anyone: bool = Field(default=False, description="Whoever has the link, without logging in. Then one is enough.")


class Approve(Config):
    """Wait until people have approved or rejected, on a page, over the API or in the admin."""

    action: Literal["approve"]
    title: Dynamic[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        description="What is to be approved, in a line."
    )
    message: Dynamic[Annotated[str, Field(max_length=10_000)]] = Field(
        default="", description="More about it: plain text, shown as it is."
    )
    details: Dynamic[Any] = Field(default=None, description="JSON data that is shown beside it.")
    deciders: WhoDecides = Field(default=WhoDecides(), description="Who may decide.")
    needed: Dynamic[Annotated[int, Field(ge=1, le=MOST_NEEDED)]] = Field(
        default=1, description="How many different persons must approve. One who rejects is enough to reject."
    )
    form: Fixed[dict[str, Any]] | None = Field(
        default=None,
        description="Fields to fill in with a decision: a JSON Schema of an object of texts, numbers, booleans.",
    )
    timeout: Dynamic[DurationText] | None = Field(
        default=None,
        description="How long at most, an ISO 8601 duration: PT4H, P3D. Left out: as long as the execution.",
    )
    on_timeout: Literal["fail", "approve", "reject", "port"] = Field(
        default="fail",
        description="Then the node fails with `approval_timeout`, counts as approved or rejected, or is left through `timeout`.",
    )

    @model_validator(mode="after")
    def _one_is_enough_for_anyone(self) -> Self:
        if self.deciders.anyone and self.needed != 1:
            raise PydanticCustomError(
                "anyone_is_one",
                "With `anyone`, nobody knows whether two who decide are different persons: `needed` must be 1.",
            )
        return self

    def check(self) -> list[Problem]:
        """Check the form."""
        return form_problems(self.form) if self.form is not None else []

    def run(self, context: Context) -> Await:
        """Ask."""
        until = deadline.until(self.timeout, context)
        who = self.deciders
        role = who.role or (None if who.users or who.anyone else "operator")
        request = ApprovalRequest(
            title=self.title,
            message=self.message,
            details=self.details,
            form=self.form,
            deciders=Deciders(role, tuple(who.users), who.anyone),
            needed=self.needed,
        )
        return Await(until, self._otherwise(deadline.told(until)), request)

    def _otherwise(self, moment: str) -> Done | NodeError:
        undecided: dict[str, Any] = {"decided_by": None, "comment": "", "form": {}, "timed_out": True}
        match self.on_timeout:
            case "approve":
                return Done({"decision": APPROVED, **undecided}, ports=(APPROVED,))
            case "reject":
                return Done({"decision": REJECTED, **undecided}, ports=(REJECTED,))
            case "port":
                return Done({"decision": None, **undecided}, ports=(TIMEOUT_PORT,))
            case _:
                return NodeError("approval_timeout", f"{self.title!r} was neither approved nor rejected by {moment}.")
