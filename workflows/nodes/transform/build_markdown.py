"""The operation ``build_markdown``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from workflows.nodes.transform.documents import answers
from workflows.nodes.transform.html_pages import PageOperation
from workflows.nodes.transform.operation import Example


class BuildMarkdown(PageOperation):
    """Make Markdown of an HTML page: what a model reads with a tenth of the tokens."""

    operation: Literal["build_markdown"]

    example: ClassVar[Example] = Example(
        value='<title>Shop</title><h1>Sold out</h1><p><b>Tea</b> is <a href="/tea">gone</a>.</p><script>track()</script><ul><li>Cups</ul>',
        output="# Sold out\n\n**Tea** is [gone](/tea).\n\n- Cups",
    )

    def read(self, documents: Sequence[bytes]) -> list[Any]:
        """Return the Markdown of each page.

        :raises TooLarge: if there is too much.
        """
        return answers("html_as_markdown", {"encoding": self.encoding}, documents, libraries=("html_to_markdown",))
