"""The operation ``parse_json``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from projects import payloads
from projects.exceptions import Invalid
from workflows.nodes.base import NodeError
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example

MAX_BYTES = 5 * 1024 * 1024


class ParseJson(FieldOperation):
    """Read JSON text as the value that it means."""

    operation: Literal["parse_json"]

    example: ClassVar[Example] = Example(
        value={"id": 7, "payload": '{"total": 12.50, "tags": ["new"]}'},
        settings={"field": "payload"},
        output={"id": 7, "payload": {"total": 12.5, "tags": ["new"]}},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the value.

        :raises NodeError: ``not_json`` and the like, naming the place.
        """
        try:
            data = text(value).encode()
        except UnicodeEncodeError as error:
            raise NodeError("not_json", "It holds half of a surrogate pair, which is no character.") from error
        try:
            # As it would be recorded: so what it holds is the same for the next step as for the next node.
            return payloads.storable(payloads.parse_json(data, max_bytes=MAX_BYTES, max_string_bytes=MAX_BYTES))
        except Invalid as error:
            raise NodeError(error.code, str(error)) from error
