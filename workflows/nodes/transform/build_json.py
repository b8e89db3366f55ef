"""The operation ``build_json``."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.transform.field_operation import FieldOperation
from workflows.nodes.transform.operation import Each, Example


class BuildJson(FieldOperation):
    """Write a value as JSON text."""

    operation: Literal["build_json"]
    indent: Annotated[int, Field(ge=0, le=8)] = Field(default=0, description="Spaces for each level; 0: one line.")
    sort_keys: bool = Field(default=False, description="Order keys, so that equal values give equal text.")

    example: ClassVar[Example] = Example(
        value={"id": 7, "tags": ["new", "größer"]},
        settings={"sort_keys": True},
        output='{"id":7,"tags":["new","größer"]}',
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the text.

        :raises NodeError: ``not_json``.
        """
        separators = (",", ": ") if self.indent else (",", ":")
        try:
            return json.dumps(
                value,
                ensure_ascii=False,
                allow_nan=False,
                indent=self.indent or None,
                separators=separators,
                sort_keys=self.sort_keys,
            )
        except ValueError as error:
            raise NodeError("not_json", "JSON has no NaN and no infinity.") from error
