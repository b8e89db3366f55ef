"""What an operation of the transform node is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from workflows.definition.problems import Problem
from workflows.nodes.base import Config, Context, NodeError
from workflows.nodes.fields import Template
from workflows.nodes.transform.batch import Batch


@dataclass(frozen=True)
class Example:
    """What an operation makes of a value. The catalogue and the documentation show it, and a test runs it.

    :param output: a text that ends in an ellipsis is the beginning of what comes out.
    :param settings: the step without its ``operation``.
    """

    value: Any
    output: Any
    settings: dict[str, Any] = field(default_factory=dict)


class Each:
    """What an operation sees of the world. Evaluates what a config says per item."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def now(self) -> datetime:
        """The recorded moment of the run."""
        return self._context.now

    @property
    def default_timezone(self) -> str:
        """The workflow's time zone."""
        return self._context.default_timezone

    def fill_secrets(self, text: str) -> str:
        """Return a text with the secrets in it. It must not become part of what comes out."""
        return self._context.fill_secrets(text)

    def run_script(self, body: str, items: Sequence[Any]) -> Any:
        """Return what a script makes of all items together."""
        return self._context.run_script(body, items)

    def run_script_each(self, body: str, items: Sequence[Any]) -> list[Any]:
        """Return what a script makes of each item."""
        return self._context.run_script_each(body, items)

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

    example: ClassVar[Example]
    # Seconds, with much to do: then the node runs in the pool, not where all others wait.
    takes_long: ClassVar[bool] = False

    @classmethod
    def name(cls) -> str:
        """Return the operation's name."""
        (name,) = cls.model_fields["operation"].annotation.__args__  # type: ignore[union-attr]
        return str(name)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        if "example" in cls.__dict__:
            shown = cls.example
            handler.resolve_ref_schema(described)["examples"] = [{"operation": cls.name(), **shown.settings}]
            handler.resolve_ref_schema(described)["x-example"] = {"input": shown.value, "output": shown.output}
        return described

    def problems(self) -> list[Problem]:
        """Return what is wrong with the settings that their types cannot say. Paths are below the step."""
        return []

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return the items that come out.

        :raises NodeError: if it can't be done with these items.
        """
        raise NotImplementedError(f"{type(self).__name__} does nothing.")
