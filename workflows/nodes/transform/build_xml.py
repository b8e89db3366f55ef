"""The operation ``build_xml``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.field_operation import FieldOperation
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.xml_mapping import write_xml

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'


class BuildXml(FieldOperation):
    """Write an object as an XML document: the other way round than `parse_xml`."""

    operation: Literal["build_xml"]
    declaration: bool = Field(default=True, description="Begin with `<?xml …?>`.")
    indent: Annotated[int, Field(ge=0, le=8)] = Field(default=0, description="Spaces for each level; 0: one line.")

    example: ClassVar[Example] = Example(
        value={"order": {"@id": 7, "line": [{"@sku": "a", "#text": 2}, {"@sku": "b"}], "note": "soon & safe"}},
        settings={"declaration": False},
        output='<order id="7"><line sku="a">2</line><line sku="b"/><note>soon &amp; safe</note></order>',
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the document as text.

        :raises NodeError: ``not_xml``.
        """
        document = write_xml(value, indent=self.indent)
        return f"{DECLARATION}\n{document}" if self.declaration else document
