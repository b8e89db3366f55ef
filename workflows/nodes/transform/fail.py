"""The operation ``fail``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic, Fixed
from workflows.nodes.forms import Slug
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation

MAX_MESSAGE_CHARS = 2_000


class Fail(Operation):
    """Fail with words of your own for the first item for which a condition holds; else hand the items on as they are."""

    operation: Literal["fail"]
    where: Dynamic[bool] = Field(
        default=True,
        description="An expression that is true or false: `{{ item.total < 0 }}`. Left out, it always fails.",
    )
    message: Dynamic[str] = Field(
        description="What is wrong, for people, of that `item`; its number is in the error's `details.index`."
    )
    code: Fixed[Slug] = Field(default="stopped", description="The error's `code`, for programs.")

    example: ClassVar[Example] = Example(
        value=[{"id": 7, "total": 12}],
        settings={
            "where": "{{ item.total < 0 }}",
            "message": "Order {{ item.id }} has a total below zero.",
            "code": "negative_total",
        },
        output=[{"id": 7, "total": 12}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return the items.

        :raises NodeError: with the author's code and words.
        """
        # Nothing to look at is no reason to go on where it always fails.
        items = batch.items or ([None] if self.where is True else [])
        failing = [index for index, fails in enumerate(each.truth(self.where, items, field="where")) if fails]
        if not failing:
            return batch
        index = failing[0]
        (message,) = each.value(self.message, [items[index]])
        if not isinstance(message, str) or not message:
            raise NodeError("wrong_type", f"It fails for item {index}, and its `message` is no text.")
        raise NodeError(self.code, message[:MAX_MESSAGE_CHARS], details={"index": index} if batch.is_list else {})
