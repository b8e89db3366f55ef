"""Answer the caller who waits for the execution."""

from __future__ import annotations

from typing import Literal

from workflows.nodes.base import Answer, Context
from workflows.nodes.output import AnswerConfig


class Respond(AnswerConfig):
    """Answer the caller now. A webhook waits for it with `respond: node`."""

    action: Literal["respond"]

    def run(self, context: Context) -> Answer:
        """Put value, status and headers together.

        :raises NodeError: ``invalid_encoding``.
        """
        return Answer(self.answer_value(context), self.status, self.answer_headers(), self.encoded)
