"""What operations have in common that read documents of strangers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from workflows.nodes.base import NodeError
from workflows.nodes.transform.documents import TooLarge
from workflows.nodes.transform.field_operation import FieldOperation, Found, at, text
from workflows.nodes.transform.operation import Each


class DocumentOperation(FieldOperation):
    """Makes one value of another that a library reads in a process of its own, for all items at once."""

    takes_long: ClassVar[bool] = True
    # The code of the error if there is too much.
    too_large: ClassVar[str]

    def converted_all(self, found: Sequence[Found], each: Each) -> list[Any]:
        """Return what each document becomes.

        :raises NodeError: ``too_large`` of the operation, or what :meth:`document` and :meth:`read` raise.
        """
        if not found:
            return []
        documents = []
        for there in found:
            with at(there.index):
                documents.append(self.document(text(there.value)))
        try:
            return self.read(documents)
        except TooLarge as error:
            problem = NodeError(self.too_large, error.reason)
            if error.index is None:
                raise problem from error
            with at(found[error.index].index):
                raise problem from error

    def document(self, written: str) -> bytes:
        """Return the bytes of a document.

        :raises NodeError: if they are not written as they should be.
        """
        return written.encode(errors="replace")

    def read(self, documents: Sequence[bytes]) -> list[Any]:
        """Return what each document becomes.

        :raises TooLarge: if there is too much.
        """
        raise NotImplementedError(f"{type(self).__name__} reads nothing.")
