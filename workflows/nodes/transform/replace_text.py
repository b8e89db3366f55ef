"""The operation ``replace_text``."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.patterns import Pattern, compiled, searchable

MAX_CHARS = 5_000_000
MAX_MATCHES = 100_000

_GROUP = re.compile(r"\$(?:(\$)|(\d)|\{(\w{1,50})\})", re.ASCII)


class ReplaceText(FieldOperation):
    """Replace text, or what a regular expression matches."""

    operation: Literal["replace_text"]
    find: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        default=None, description="The text to replace."
    )
    pattern: Pattern | None = Field(default=None, description="Instead of `find`: a regular expression (RE2).")
    replacement: Annotated[str, Field(max_length=10_000)] = Field(
        default="",
        description="What comes in its place. With `pattern`, `$1` or `${name}` is a group, `$$` a dollar sign.",
    )
    ignore_case: bool = Field(default=False, description="With `pattern`: large and small letters are the same.")
    count: Annotated[int, Field(ge=1, le=10_000)] | None = Field(default=None, description="Only the first so many.")

    example: ClassVar[Example] = Example(
        value=["2026-03-01", "2026-12-24"],
        settings={"pattern": "(\\d{4})-(\\d\\d)-(\\d\\d)", "replacement": "$3.$2.$1"},
        output=["01.03.2026", "24.12.2026"],
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ReplaceText:
        if (self.find is None) == (self.pattern is None):
            raise PydanticCustomError("exactly_one", "Give exactly one of `find` and `pattern`.")
        if self.find is not None and self.ignore_case:
            raise PydanticCustomError("unknown_key", "`ignore_case` goes with `pattern`.", {"key": "ignore_case"})
        if self.pattern is not None:
            self._parts_of(compiled(self.pattern))
        return self

    def converted(self, value: Any, each: Each) -> Any:
        """Return the text with the replacements.

        :raises NodeError: ``wrong_type`` or ``text_too_long``.
        """
        whole, most = text(value), self.count or 0
        if self.find is not None:
            pieces, between = whole.split(self.find, most or -1), self.replacement
            _refuse_long(len(whole) + (len(pieces) - 1) * len(between))
            return between.join(pieces)
        pattern = compiled(self.pattern or "", ignore_case=self.ignore_case)
        parts = self._parts_of(pattern)
        done, end, size = [], 0, len(whole)
        for number, match in enumerate(pattern.finditer(searchable(whole))):
            if most and number >= most:
                break
            if number >= MAX_MATCHES:
                raise NodeError("too_many_matches", f"The pattern matches more than {MAX_MATCHES:,} times.")
            new = "".join(part if isinstance(part, str) else match.group(part[0]) or "" for part in parts)
            size += len(new)
            _refuse_long(size)
            done += [whole[end : match.start()], new]
            end = match.end()
        return "".join([*done, whole[end:]])

    def _parts_of(self, pattern: Any) -> list[str | tuple[int | str]]:
        """Return the replacement in parts: texts, and the groups between them."""
        parts: list[str | tuple[int | str]] = []
        end = 0
        for match in _GROUP.finditer(self.replacement):
            dollar, number, name = match.groups()
            known = dollar or (int(number) <= pattern.groups if number else name in pattern.groupindex)
            if not known:
                raise PydanticCustomError(
                    "unknown_group", "The pattern has no group {group}.", {"group": match.group(), "key": "replacement"}
                )
            parts += [self.replacement[end : match.start()], "$" if dollar else (int(number) if number else name,)]
            end = match.end()
        return [*parts, self.replacement[end:]]


def _refuse_long(size: int) -> None:
    if size > MAX_CHARS:
        raise NodeError("text_too_long", f"With its replacements, the text has more than {MAX_CHARS:,} characters.")
