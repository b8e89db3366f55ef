"""The tool ``storage.list``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workflows.nodes.base import Config, Context, Effect
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register
from workflows.tools.storage import files
from workflows.tools.storage.names import FolderName

MAX_FILES = 1_000


class ListArguments(Config):
    """What ``storage.list`` takes."""

    folder: Dynamic[FolderName] = Field(
        "", description="The folder to look in, with all below it; empty for everything."
    )
    max_files: Dynamic[Annotated[int, Field(ge=1, le=MAX_FILES)]] = Field(
        100, description="Files that are returned at most, by name."
    )


@register("storage.list")
class StorageList(Tool[ListArguments]):
    """List the files in the project's storage.

    The output is ``{"files": [{"name": …, "size": …, "modified_at": …}], "is_complete": true}``, by name. A folder that there
    is not has no files.
    """

    Arguments = ListArguments
    icon = "folder"
    items_at = "/files"
    item_key = "{{ item.name }}"
    example: ClassVar[dict[str, Any]] = {"folder": "orders"}

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Looking changes nothing."""
        return Effect.READ

    def call(self, arguments: ListArguments, context: Context) -> dict[str, Any]:
        """List them.

        :raises NodeError: ``too_many_folders``, ``storage_failed``.
        """
        most = arguments.max_files
        found = files.files_below(context.project_id, arguments.folder, most=most)
        return {
            "files": [
                {"name": file.name, "size": file.size, "modified_at": files.moment(file)} for file in found[:most]
            ],
            "is_complete": len(found) <= most,
        }
