"""The operation ``build_html``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.document_operation import DocumentOperation
from workflows.nodes.transform.documents import answers
from workflows.nodes.transform.operation import Example


class BuildHtml(DocumentOperation):
    """Make HTML of Markdown, as models write it: for an e-mail, or a page."""

    operation: Literal["build_html"]
    too_large: ClassVar[str] = "markdown_too_large"
    breaks: bool = Field(default=False, description="A line end within a paragraph begins a new line, as in chats.")

    example: ClassVar[Example] = Example(
        value="# Sold out\n\n**Tea** is [gone](https://example.com/tea).\n\n- Cups are <left>",
        output='<h1>Sold out</h1>\n<p><strong>Tea</strong> is <a href="https://example.com/tea">gone</a>.</p>\n'
        "<ul>\n<li>Cups are &lt;left&gt;</li>\n</ul>\n",
    )

    def read(self, documents: Sequence[bytes]) -> list[Any]:
        """Return the HTML of each text.

        :raises TooLarge: if there is too much.
        """
        return answers("markdown", {"breaks": self.breaks}, documents, libraries=("markdown_it", "mdurl"))
