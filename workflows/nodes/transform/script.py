"""The operation ``script``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workflows.expressions.scripts import MAX_BODY_BYTES
from workflows.nodes.fields import ScriptText
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation


class RunScript(Operation):
    """Run JavaScript: the body of a function, that gives back with `return` what the items become."""

    operation: Literal["script"]
    takes_long: ClassVar[bool] = True
    code: Annotated[ScriptText, Field(min_length=1, max_length=MAX_BODY_BYTES)] = Field(
        description="The body of a function. It sees `items`, and what every expression sees; its braces are no expressions."
    )
    for_each: bool = Field(
        default=False, description="Run it once for each item, as `item` and `index`, instead of once for all `items`."
    )

    example: ClassVar[Example] = Example(
        value=[{"sku": "a", "count": 2}, {"sku": "b", "count": 1}, {"sku": "a", "count": 5}],
        settings={
            "code": "const counts = {};\nfor (const {sku, count} of items) {\n  counts[sku] = (counts[sku] ?? 0) + count;\n}\nreturn counts;"
        },
        output={"a": 7, "b": 1},
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return what it gives back: a list's items, or one value; for each item, one."""
        if self.for_each:
            return batch.with_items(each.run_script_each(self.code, batch.items))
        return Batch.of(each.run_script(self.code, batch.items))
