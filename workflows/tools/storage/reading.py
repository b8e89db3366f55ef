"""The tool ``storage.read``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from projects.exceptions import Invalid
from workflows.http import Reply, media
from workflows.http.media import ReadAs
from workflows.nodes.base import Config, Context, Effect, NodeError
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register
from workflows.tools.storage import contents, files
from workflows.tools.storage.names import FileName


class ReadArguments(Config):
    """What ``storage.read`` takes."""

    name: Dynamic[FileName] = Field(description="The file's name in the project's storage.")
    read_as: ReadAs = Field(
        "auto", alias="as", description="How to read it: auto goes by the name's ending; bytes gives base64."
    )


@register("storage.read")
class StorageRead(Tool[ReadArguments]):
    """Read a file from the project's storage.

    The output is ``{"name": …, "size": …, "content_type": …, "modified_at": …, "body": …, "body_format": "json"}``.
    ``body_format`` tells what ``body`` is: ``json`` (the value), ``text``, ``base64``, or ``empty`` (null).
    """

    Arguments = ReadArguments
    icon = "file-text"
    items_at = "/body"
    example: ClassVar[dict[str, Any]] = {"name": "orders/{{ input.id }}.json"}

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Reading changes nothing."""
        return Effect.READ

    def call(self, arguments: ReadArguments, context: Context) -> dict[str, Any]:
        """Read it.

        :raises NodeError: ``file_not_found``, ``file_too_large``, ``invalid_json`` if it should be JSON and is not,
            ``storage_failed``.
        """
        data = files.read(context.project_id, arguments.name)
        facts = files.facts(context.project_id, arguments.name)
        content_type = contents.guessed_type(arguments.name)
        # Of a name that says nothing, the content decides between text and bytes.
        headers = {} if content_type == contents.UNKNOWN else {"content-type": content_type}
        try:
            body_format, body = media.read(Reply(200, headers, data, ""), arguments.read_as)
        except Invalid as error:
            raise NodeError(
                "invalid_json",
                f"The file {arguments.name!r} should hold JSON and does not: {error.message} To take it as it is, set `as` to text.",
            ) from error
        return {
            "name": arguments.name,
            "size": len(data),
            "content_type": content_type,
            "modified_at": files.moment(facts),
            "body": body,
            "body_format": body_format,
        }
