"""The operation ``check_schema``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.definition.json_schema import schema_problems, value_problems
from workflows.definition.problems import Problem
from workflows.nodes.base import NodeError
from workflows.nodes.fields import Fixed
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation

MAX_PROBLEMS = 100


class CheckSchema(Operation):
    """Check each item against a JSON Schema: fail with all problems, drop what does not fit, or report on each item."""

    operation: Literal["check_schema"]
    # By another name: `schema` is one of pydantic's own.
    json_schema: Fixed[dict[str, Any]] = Field(
        alias="schema", description="A JSON Schema; drafts 7, 2019-09 and 2020-12."
    )
    on_invalid: Literal["fail", "drop", "report"] = Field(
        default="fail",
        description="Fail with all problems; drop the item; or make every item `{valid, value, problems}`.",
    )

    example: ClassVar[Example] = Example(
        value=[{"id": 1}, {"id": "two"}],
        settings={"schema": {"properties": {"id": {"type": "integer"}}, "required": ["id"]}, "on_invalid": "report"},
        output=[
            {"valid": True, "value": {"id": 1}, "problems": []},
            {
                "valid": False,
                "value": {"id": "two"},
                "problems": [{"path": "/id", "message": '"two" is not of type "integer".'}],
            },
        ],
    )

    def problems(self) -> list[Problem]:
        """Return what is wrong with the schema itself."""
        return schema_problems(self.json_schema, below="/schema")

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return the items that fit, or a report on each.

        :raises NodeError: ``invalid_data``, with every problem in ``details.problems``.
        """
        found = [value_problems(self.json_schema, item) for item in batch.items]
        match self.on_invalid:
            case "drop":
                return Batch([item for item, wrong in zip(batch.items, found, strict=True) if not wrong])
            case "report":
                return batch.with_items([_report(item, wrong) for item, wrong in zip(batch.items, found, strict=True)])
            case "fail":
                if any(found):
                    raise self._refusal(batch, found)
                return batch

    def _refusal(self, batch: Batch, found: Sequence[Sequence[Problem]]) -> NodeError:
        problems = [
            {"path": f"/{index}{problem.path}" if batch.is_list else problem.path, "message": problem.message}
            for index, wrong in enumerate(found)
            for problem in wrong
        ]
        first = problems[0]
        more = f" There are {len(problems) - 1:,} more problems." if len(problems) > 1 else ""
        return NodeError(
            "invalid_data",
            f"The data does not fit the schema. At {first['path'] or 'the top'}: {first['message']}{more}",
            details={"problems": problems[:MAX_PROBLEMS]},
        )


def _report(item: Any, wrong: Sequence[Problem]) -> dict[str, Any]:
    return {
        "valid": not wrong,
        "value": item,
        "problems": [{"path": problem.path, "message": problem.message} for problem in wrong],
    }
