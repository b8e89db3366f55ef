"""Answer the caller who waits for the execution."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from workflows.nodes.base import Answer, Config, Context
from workflows.nodes.fields import Dynamic
from workflows.nodes.output import AnswerEncoding, AnswerHeaders, AnswerStatus, encoded_answer


class Respond(Config):
    """Answer the caller now. A webhook waits for it with `respond: node`."""

    action: Literal["respond"]
    value: Dynamic[Any] = Field(default=None, description="The answer. Left out, it is the node's input.")
    status: AnswerStatus = Field(default=200, description="The HTTP status of the answer.")
    headers: AnswerHeaders = Field(default={}, description="HTTP headers of the answer.")
    encoded: AnswerEncoding = None

    def run(self, context: Context) -> Answer:
        """Put value, status and headers together.

        :raises NodeError: ``invalid_encoding``.
        """
        value = self.value if "value" in self.model_fields_set else context.input
        return Answer(encoded_answer(value, self.encoded), self.status, dict(self.headers), self.encoded)
