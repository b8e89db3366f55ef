"""The tool ``workflow.run``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workflows.http.secrets import Secrets
from workflows.nodes.base import Config, Context, NodeError, StartWorkflow
from workflows.nodes.fields import Dynamic
from workflows.nodes.forms import Slug
from workflows.tools.base import Tool, register

WorkflowName = Annotated[str, Field(min_length=1, max_length=200)]


class RunArguments(Config):
    """What ``workflow.run`` takes."""

    workflow: Dynamic[WorkflowName] = Field(description="The other workflow's name or id, in the same project.")
    input: Dynamic[dict[str, Any]] = Field({}, description="Its input, which must fit its `inputs`.")
    wait: Dynamic[bool] = Field(True, description="Wait for its end and its result; without, go on at once.")
    trigger: Dynamic[Slug] | None = Field(
        None, description="The id of the trigger node to begin at; without it, the manual one or the only one."
    )


@register("workflow.run")
class WorkflowRun(Tool[RunArguments]):
    """Run another workflow of the project, and wait for its result.

    The output is ``{"execution_id": …, "result": …}``; with ``wait: false`` there is no result in it. If the other execution
    does not complete, the node fails with ``workflow_failed``, ``workflow_cancelled`` or ``workflow_timeout``.
    """

    Arguments = RunArguments
    icon = "workflow"
    example: ClassVar[dict[str, Any]] = {"workflow": "Send an invoice", "input": {"order": "{{ input.id }}"}}

    def workflows(self, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the workflow, where its name is written out."""
        name = arguments.get("workflow")
        return [("/workflow", name)] if isinstance(name, str) else []

    def open_schema(self, fixed: Mapping[str, Any]) -> dict[str, Any]:
        """An object: the other workflow's ``inputs`` say which, once it is known."""
        return {"type": "object"}

    def with_given(self, fixed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """What is given is the other workflow's input."""
        own = fixed.get("input")
        return {**fixed, "input": {**given, **(own if isinstance(own, Mapping) else {})}}

    def call(self, arguments: RunArguments, context: Context) -> StartWorkflow:
        """Ask the engine to start it.

        :raises NodeError: ``secret_refused``, if a secret or a link is in the input.
        """
        if Secrets(context).fill(arguments.input) != arguments.input:
            raise NodeError(
                "secret_refused",
                "Secrets and links are not handed on: another workflow's input is recorded. Give that workflow the secret as a variable "
                "of its own or of the project; let a node here tell the link.",
            )
        return StartWorkflow(
            workflow=arguments.workflow, input=arguments.input, wait=arguments.wait, trigger=arguments.trigger
        )
