"""The tool ``storage.delete``."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from workflows.nodes.base import Config, Context
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register
from workflows.tools.storage import files
from workflows.tools.storage.names import FileName


class DeleteArguments(Config):
    """What ``storage.delete`` takes."""

    name: Dynamic[FileName] = Field(description="The file's name in the project's storage.")


@register("storage.delete")
class StorageDelete(Tool[DeleteArguments]):
    """Delete a file from the project's storage.

    The output is ``{"name": …, "is_deleted": true}``; a file that is not there is no failure.
    """

    Arguments = DeleteArguments
    icon = "trash"
    example: ClassVar[dict[str, Any]] = {"name": "orders/{{ input.id }}.json"}

    def call(self, arguments: DeleteArguments, context: Context) -> dict[str, Any]:
        """Delete it.

        :raises NodeError: ``name_taken`` if it is a folder, ``storage_failed``.
        """
        return {"name": arguments.name, "is_deleted": files.delete(context.project_id, arguments.name)}
