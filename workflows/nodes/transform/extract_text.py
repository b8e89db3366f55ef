"""The operation ``extract_text``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import gathered
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.patterns import Pattern, compiled, searchable


class ExtractText(FieldOperation):
    """Find what a regular expression matches. Named groups give an object, numbered ones a list, none the text."""

    operation: Literal["extract_text"]
    pattern: Pattern = Field(description="A regular expression (RE2).")
    all: bool = Field(default=False, description="A list of all matches, instead of the first one.")
    ignore_case: bool = Field(default=False, description="Large and small letters are the same.")
    if_no_match: Literal["null", "fail"] = Field(
        default="null", description="Where nothing matches: give null, or fail."
    )

    example: ClassVar[Example] = Example(
        value={"subject": "Order AB-1234 from Ada"},
        settings={"field": "subject", "into": "order", "pattern": "(?P<shop>[A-Z]{2})-(?P<number>\\d+)"},
        output={"subject": "Order AB-1234 from Ada", "order": {"shop": "AB", "number": "1234"}},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the match, or all of them.

        :raises NodeError: ``no_match``.
        """
        pattern = compiled(self.pattern, ignore_case=self.ignore_case)
        matches = pattern.finditer(searchable(text(value)))
        if self.all:
            return gathered(_groups(match, pattern) for match in matches)
        first = next(matches, None)
        if first is None and self.if_no_match == "fail":
            raise NodeError("no_match", f"Nothing in it matches `{self.pattern[:100]}`.")
        return None if first is None else _groups(first, pattern)


def _groups(match: Any, pattern: Any) -> Any:
    if pattern.groupindex:
        return {name: match.group(name) for name in pattern.groupindex}
    return list(match.groups()) if pattern.groups else match.group()
