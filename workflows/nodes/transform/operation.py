"""What an operation of the transform node is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflows.nodes.base import Config, Context, NodeError
from workflows.nodes.fields import Template
from workflows.nodes.transform.batch import Batch


class Each:
    """Evaluates what a config says per item."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def value(self, config: Any, items: Sequence[Any]) -> list[Any]:
        """Return for each item what a config value is, with the templates in it evaluated for that item.

        One round trip for each template, however many items there are. Without items there is nothing to ask.
        """
        if not items:
            return []
        match config:
            case Template(text=text):
                return self._context.evaluate_each(text, items)
            case dict():
                columns = {key: self.value(value, items) for key, value in config.items()}
                return [{key: column[index] for key, column in columns.items()} for index in range(len(items))]
            case list():
                rows = [self.value(value, items) for value in config]
                return [[row[index] for row in rows] for index in range(len(items))]
            case _:
                return [config] * len(items)

    def truth(self, config: Any, items: Sequence[Any], *, field: str) -> list[bool]:
        """Return for each item whether a condition holds. Only true and false are truths (S-EXPR-5).

        :raises NodeError: ``wrong_type``, naming the first item for which it is something else.
        """
        results = self.value(config, items)
        for index, result in enumerate(results):
            if not isinstance(result, bool):
                raise NodeError(
                    "wrong_type",
                    f"`{field}` must be true or false, and is neither for item {index}. Compare: `item.name != ''`.",
                )
        return results


class Operation(Config):
    """One step. A subclass is one small class in one file; its ``operation`` is its name."""

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return the items that come out.

        :raises NodeError: if it can't be done with these items.
        """
        raise NotImplementedError(f"{type(self).__name__} does nothing.")
