"""The transform node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, get_args

from pydantic import Field

from workflows.definition.problems import Problem
from workflows.expressions.templates import LITERAL
from workflows.expressions.vocabulary import ITEM_ROOTS, SCRIPT_ROOTS
from workflows.nodes.base import Config, Context, Done, Effect, NodeError, NodeType, Script, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.add_time import AddTime
from workflows.nodes.transform.aggregate import AggregateItems
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.build_csv import BuildCsv
from workflows.nodes.transform.build_excel import BuildExcel
from workflows.nodes.transform.build_html import BuildHtml
from workflows.nodes.transform.build_json import BuildJson
from workflows.nodes.transform.build_markdown import BuildMarkdown
from workflows.nodes.transform.build_xml import BuildXml
from workflows.nodes.transform.change_text import ChangeText
from workflows.nodes.transform.check_schema import CheckSchema
from workflows.nodes.transform.chunk import Chunk
from workflows.nodes.transform.convert_zone import ConvertZone
from workflows.nodes.transform.decode_text import DecodeText
from workflows.nodes.transform.encode_text import EncodeText
from workflows.nodes.transform.extract_html import ExtractHtml
from workflows.nodes.transform.extract_pdf import ExtractPdf
from workflows.nodes.transform.extract_text import ExtractText
from workflows.nodes.transform.fail import Fail
from workflows.nodes.transform.filter_items import FilterItems
from workflows.nodes.transform.flatten import Flatten
from workflows.nodes.transform.format_date import FormatDate
from workflows.nodes.transform.hash_value import HashValue
from workflows.nodes.transform.join_text import JoinText
from workflows.nodes.transform.keep_fields import KeepFields
from workflows.nodes.transform.limit_items import LimitItems
from workflows.nodes.transform.map_items import MapItems
from workflows.nodes.transform.merge import Merge
from workflows.nodes.transform.name_columns import NameColumns
from workflows.nodes.transform.operation import Each, Operation
from workflows.nodes.transform.parse_csv import ParseCsv
from workflows.nodes.transform.parse_date import ParseDate
from workflows.nodes.transform.parse_excel import ParseExcel
from workflows.nodes.transform.parse_json import ParseJson
from workflows.nodes.transform.parse_xml import ParseXml
from workflows.nodes.transform.remove_fields import RemoveFields
from workflows.nodes.transform.rename_fields import RenameFields
from workflows.nodes.transform.replace_text import ReplaceText
from workflows.nodes.transform.script import RunScript
from workflows.nodes.transform.set_fields import SetFields
from workflows.nodes.transform.size import refuse_large
from workflows.nodes.transform.sort_items import SortItems
from workflows.nodes.transform.split_out import SplitOut
from workflows.nodes.transform.split_text import SplitText
from workflows.nodes.transform.start_of import StartOf
from workflows.nodes.transform.time_between import TimeBetween
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
    | Merge
    | NameColumns
    | RunScript
    | Fail
    | ChangeText
    | SplitText
    | JoinText
    | ReplaceText
    | ExtractText
    | ParseDate
    | FormatDate
    | AddTime
    | TimeBetween
    | StartOf
    | ConvertZone
    | ParseJson
    | BuildJson
    | ParseCsv
    | BuildCsv
    | ParseExcel
    | BuildExcel
    | ParseXml
    | BuildXml
    | ExtractHtml
    | ExtractPdf
    | BuildMarkdown
    | BuildHtml
    | CheckSchema
    | HashValue
    | EncodeText
    | DecodeText,
    Field(discriminator="operation"),
]

_OPERATIONS: tuple[type[Operation], ...] = get_args(get_args(Step)[0])
_LONG = frozenset(operation.name() for operation in _OPERATIONS if operation.takes_long)


class TransformConfig(Config):
    """What to work on, and the steps."""

    value: Dynamic[Any] = Field(default=None, description="What to work on. Left out, it is the node's input.")
    steps: Annotated[list[Step], Field(min_length=1, max_length=50)] = Field(
        description="The operations, one after another; each works on what the one before it made."
    )


@register("transform")
class Transform(NodeType[TransformConfig]):
    """Reshape data: fields, lists, dates, text, JSON, CSV, Excel, XML, HTML, PDF and Markdown, hashes; or by a script."""

    Config = TransformConfig
    icon = "shuffle"
    # A step's items exist only once the steps before it have run.
    deferred = ("steps.*.fields", "steps.*.where", "steps.*.to", "steps.*.duration", "steps.*.until", "steps.*.message")
    secret_fields = ("steps.*.key",)  # That of an HMAC.
    example = {
        "value": "{{ input.orders }}",
        "steps": [
            {"operation": "filter", "where": "{{ item.total > 100 }}"},
            {"operation": "set", "fields": {"label": "{{ index + 1 }}: {{ item.id }}"}},
        ],
    }

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """Return ``read`` where a step may take seconds: so it runs in the pool, not where all others wait."""
        steps = config.get("steps")
        named = [
            step.get("operation") for step in (steps if isinstance(steps, list) else ()) if isinstance(step, Mapping)
        ]
        return Effect.READ if any(name in _LONG for name in named if isinstance(name, str)) else Effect.NONE

    def scripts(self, config: Mapping[str, Any]) -> list[Script]:
        """Return the code of its steps."""
        steps = config.get("steps")
        return [
            Script(f"/steps/{index}/code", code, ITEM_ROOTS if step.get("for_each") is True else SCRIPT_ROOTS)
            for index, step in (enumerate(steps) if isinstance(steps, list) else ())
            if isinstance(step, Mapping) and step.get("operation") == "script"
            if isinstance(code := _code(step.get("code")), str)
        ]

    def check(self, config: TransformConfig) -> list[Problem]:
        """Return what the steps say of themselves."""
        return [
            replace(problem, path=f"/steps/{index}{problem.path}")
            for index, step in enumerate(config.steps)
            for problem in step.problems()
        ]

    def run(self, config: TransformConfig, context: Context) -> Done:
        """Take the value through the steps."""
        each = Each(context)
        batch = Batch.of(config.value if "value" in config.model_fields_set else context.input)
        for index, step in enumerate(config.steps):
            try:
                batch = step.apply(batch, each)
                refuse_large(batch.items)
            except NodeError as error:
                raise _in_step(error, index, step) from error
        return Done(batch.value)


def _code(written: Any) -> Any:
    """Return code as it will run: also that which somebody has kept from being taken for a template."""
    return written[LITERAL] if isinstance(written, Mapping) and LITERAL in written else written


def _in_step(error: NodeError, index: int, step: Operation) -> NodeError:
    says_itself = isinstance(step, Fail) and error.code == step.code
    return NodeError(
        error.code,
        error.message if says_itself else f"Step {index + 1} (`{step.name()}`): {error.message}",
        retryable=error.retryable,
        retry_after=error.retry_after,
        details={**error.details, "path": f"/steps/{index}"},
    )
