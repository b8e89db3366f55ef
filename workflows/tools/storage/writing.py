"""The tool ``storage.write``."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from workflows.nodes.base import Config, Context
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register
from workflows.tools.storage import contents, files
from workflows.tools.storage.contents import MediaType
from workflows.tools.storage.files import IfExists
from workflows.tools.storage.names import FileName


class WriteArguments(Config):
    """What ``storage.write`` takes: a name, and one content."""

    name: Dynamic[FileName] = Field(description="The file's name in the project's storage: reports/2026-11.csv.")
    text: Dynamic[str] | None = Field(None, description="The content as text (UTF-8).")
    base64: Dynamic[str] | None = Field(None, description="The content as bytes, in base64.")
    json_: Dynamic[Any] = Field(None, alias="json", description="The content as a value that is written as JSON.")
    if_exists: Dynamic[IfExists] = Field(
        "replace",
        description="What becomes of a file of this name: replace it, keep it, or fail if it holds something else.",
    )
    content_type: Dynamic[MediaType] | None = Field(
        None, description="Its media type, for storages that keep one; else by the name's ending."
    )

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if len(self.contents_given()) != 1:
            raise ValueError("A file has one content: text, base64 or json.")
        return self

    def contents_given(self) -> list[str]:
        """Return the names of the arguments that give a content. JSON may be null; a null elsewhere is none."""
        given = [name for name in ("text", "base64") if getattr(self, name) is not None]
        return ["json", *given] if "json_" in self.model_fields_set else given


@register("storage.write")
class StorageWrite(Tool[WriteArguments]):
    """Write a file to the project's storage.

    The output is ``{"name": …, "size": …, "sha256": …, "content_type": …, "is_written": true}``; ``is_written`` is false if a file
    of the name is kept. A file appears whole or not at all, and doing it twice does no harm. Secrets are not written.
    """

    Arguments = WriteArguments
    icon = "save"
    example: ClassVar[dict[str, Any]] = {"name": "orders/{{ input.id }}.json", "json": "{{ input }}"}

    def call(self, arguments: WriteArguments, context: Context) -> dict[str, Any]:
        """Write it.

        :raises NodeError: ``file_exists``, ``file_too_large``, ``name_taken``, ``invalid_content``, ``secret_refused``,
            ``storage_failed``.
        """
        data = _data(arguments, context)
        content_type = arguments.content_type or contents.guessed_type(arguments.name)
        is_written = files.write(
            context.project_id, arguments.name, data, if_exists=arguments.if_exists, content_type=content_type
        )
        if not is_written:
            data = files.read(context.project_id, arguments.name)
        return {
            "name": arguments.name,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "content_type": content_type,
            "is_written": is_written,
        }


def _data(arguments: WriteArguments, context: Context) -> bytes:
    if arguments.text is not None:
        contents.refuse_secrets(arguments.text, context)
        return contents.from_text(arguments.text, what="`text`")
    if arguments.base64 is not None:
        return contents.from_base64(arguments.base64, what="`base64`")
    contents.refuse_secrets(arguments.json_, context)
    return contents.from_json(arguments.json_)
