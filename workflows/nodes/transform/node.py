"""The transform node."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from workflows.nodes.base import Config, Context, Done, NodeError, NodeType, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.aggregate import AggregateItems
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.chunk import Chunk
from workflows.nodes.transform.filter_items import FilterItems
from workflows.nodes.transform.flatten import Flatten
from workflows.nodes.transform.keep_fields import KeepFields
from workflows.nodes.transform.limit_items import LimitItems
from workflows.nodes.transform.map_items import MapItems
from workflows.nodes.transform.merge import Merge
from workflows.nodes.transform.operation import Each
from workflows.nodes.transform.remove_fields import RemoveFields
from workflows.nodes.transform.rename_fields import RenameFields
from workflows.nodes.transform.set_fields import SetFields
from workflows.nodes.transform.sort_items import SortItems
from workflows.nodes.transform.split_out import SplitOut
from workflows.nodes.transform.unique_items import UniqueItems

Step = Annotated[
    SetFields
    | RenameFields
    | RemoveFields
    | KeepFields
    | Flatten
    | MapItems
    | FilterItems
    | SortItems
    | LimitItems
    | UniqueItems
    | AggregateItems
    | SplitOut
    | Chunk
    | Merge,
    Field(discriminator="operation"),
]


class TransformConfig(Config):
    """What to work on, and the steps."""

    value: Dynamic[Any] = Field(default=None, description="What to work on. Left out, it is the node's input.")
    steps: Annotated[list[Step], Field(min_length=1, max_length=50)] = Field(
        description="The operations, one after another; each works on what the one before it made."
    )


@register("transform")
class Transform(NodeType[TransformConfig]):
    """Reshape data: set, rename and remove fields, filter, sort, group, split and merge lists."""

    Config = TransformConfig
    icon = "shuffle"
    # A step's items exist only once the steps before it have run.
    deferred = ("steps.*.fields", "steps.*.where", "steps.*.to")
    example = {
        "value": "{{ input.orders }}",
        "steps": [
            {"operation": "filter", "where": "{{ item.total > 100 }}"},
            {"operation": "set", "fields": {"label": "{{ index + 1 }}: {{ item.id }}"}},
        ],
    }

    def run(self, config: TransformConfig, context: Context) -> Done:
        """Take the value through the steps."""
        each = Each(context)
        batch = Batch.of(config.value if "value" in config.model_fields_set else context.input)
        for index, step in enumerate(config.steps):
            try:
                batch = step.apply(batch, each)
            except NodeError as error:
                raise _in_step(error, index, step.operation) from error
        return Done(batch.value)


def _in_step(error: NodeError, index: int, operation: str) -> NodeError:
    return NodeError(
        error.code,
        f"Step {index + 1} (`{operation}`): {error.message}",
        retryable=error.retryable,
        retry_after=error.retry_after,
        details={**error.details, "path": f"/steps/{index}"},
    )
