"""The operation ``parse_xml``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.encodings import ByteEncoding, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.xml_mapping import Prefixes, read_xml


class ParseXml(FieldOperation):
    """Read an XML document as an object: attributes `@name`, text `#text`, elements by name. No DOCTYPE, no entities."""

    operation: Literal["parse_xml"]
    lists: Annotated[list[str], Field(max_length=100)] = Field(
        default=[], description="Elements that are lists also where there is only one."
    )
    prefixes: Prefixes = Field(
        default="keep", description="Prefixes of namespaces in names: keep them as they are written, or strip them."
    )
    encoded: ByteEncoding | None = Field(
        default=None, description="How bytes are written, if it is not text already. The document says their encoding."
    )

    example: ClassVar[Example] = Example(
        value='<order id="7"><line sku="a">2</line><note>soon &amp; safe</note></order>',
        settings={"lists": ["line"]},
        output={"order": {"@id": "7", "line": [{"@sku": "a", "#text": "2"}], "note": "soon & safe"}},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the document.

        :raises NodeError: ``invalid_xml``, ``xml_doctype`` or ``xml_too_large``.
        """
        written = text(value)
        data = written.removeprefix("\ufeff") if self.encoded is None else read_bytes(written, self.encoded)
        return read_xml(data, prefixes=self.prefixes, lists=frozenset(self.lists))
