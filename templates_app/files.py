"""The gallery's files: one template each, as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from templates_app.exceptions import BrokenTemplateFile
from templates_app.requirements import tools_of
from templates_app.variables import RequiredVariable
from workflows.definition.schema import parse
from workflows.drawing import draw

GALLERY = Path(__file__).parent / "gallery"

# Words of small letters: they are looked up as they are, and stand in URLs.
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]


class TemplateFile(BaseModel):
    """What stands in a file. Its name is the slug and ``.json``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    slug: Word
    name: str = Field(min_length=1, max_length=200)
    description: str = Field(min_length=1)
    category: Word
    tags: list[Word] = []
    author: str = Field(default="", max_length=200)
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", max_length=32)
    is_featured: bool = False
    is_verified: bool = False
    required_variables: list[RequiredVariable] = []
    required_models: list[str] = []
    workflow_definition: dict[str, Any]

    @field_validator("workflow_definition")
    @classmethod
    def _has_the_shape_of_one(cls, raw: dict[str, Any]) -> dict[str, Any]:
        parse(raw)
        return raw

    def columns(self) -> dict[str, Any]:
        """Return what a template's row says because its file says so. What people decide about it is not among it."""
        return {
            "name": self.name,
            "description": self.description,
            "category": self.category,
            "tags": list(self.tags),
            "author": self.author,
            "version": self.version,
            "required_variables": [variable.to_json() for variable in self.required_variables],
            "required_tools": tools_of(parse(self.workflow_definition)),
            "required_models": list(self.required_models),
            "workflow_definition": self.workflow_definition,
            "preview_image": draw(self.workflow_definition, title=f"Graph of {self.name}"),
        }


def read_gallery(folder: Path = GALLERY) -> list[TemplateFile]:
    """Return the templates of a folder, by slug.

    :raises BrokenTemplateFile: naming the first file that is not one, and everything that is wrong with it.
    """
    return [_read(path) for path in sorted(folder.glob("*.json"))]


def _read(path: Path) -> TemplateFile:
    try:
        file = TemplateFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(step) for step in each['loc']) or 'the whole'}: {each['msg']}"
            for each in error.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise BrokenTemplateFile(f"{path.name} is no template: {'; '.join(wrong)}.") from error
    if file.slug != path.stem:
        raise BrokenTemplateFile(f"{path.name} holds the template {file.slug!r}. Call it {file.slug}.json.")
    return file
