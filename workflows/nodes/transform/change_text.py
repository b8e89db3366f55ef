"""The operation ``change_text``."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example

# Letters that are no other letter with a mark, and what they are written as.
_LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ł": "l", "þ": "th", "ð": "d", "\u0131": "i"}
)
_NOT_IN_SLUG = re.compile("[^a-z0-9]+")


class ChangeText(FieldOperation):
    """Trim, change the case, make a slug, truncate, pad: what is given is done in this order."""

    operation: Literal["change_text"]
    trim: Literal["both", "start", "end"] | None = Field(default=None, description="Take space away.")
    squeeze: bool = Field(default=False, description="Make runs of space one space.")
    case: Literal["upper", "lower", "capital", "title"] | None = Field(
        default=None, description="Large or small letters; only the first large; the first of each word large."
    )
    slug: bool = Field(default=False, description="Small Latin letters, digits and single `-`, for addresses.")
    truncate: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="At most so many characters, with the `ellipsis`."
    )
    ellipsis: Annotated[str, Field(max_length=10)] = Field(default="…", description="What a truncated text ends with.")
    pad: Annotated[int, Field(ge=1, le=10_000)] | None = Field(default=None, description="At least so many characters.")
    pad_with: Annotated[str, Field(min_length=1, max_length=1)] = Field(default=" ", description="What fills it up.")
    pad_side: Literal["start", "end"] = Field(default="start", description="At which side.")

    example: ClassVar[Example] = Example(
        value=[{"title": "  Größe & Gewicht  "}],
        settings={"field": "title", "into": "slug", "slug": True},
        output=[{"title": "  Größe & Gewicht  ", "slug": "grosse-gewicht"}],
    )

    @model_validator(mode="after")
    def _has_something_to_do(self) -> ChangeText:
        if not (self.trim or self.squeeze or self.case or self.slug or self.truncate or self.pad):
            message = "Give at least one of `trim`, `squeeze`, `case`, `slug`, `truncate` and `pad`."
            raise PydanticCustomError("missing_key", message, {"key": "trim"})
        if self.truncate is not None and len(self.ellipsis) > self.truncate:
            raise PydanticCustomError(
                "invalid_value", "`ellipsis` is longer than `truncate` allows.", {"key": "ellipsis"}
            )
        return self

    def converted(self, value: Any, each: Each) -> Any:
        """Return the changed text."""
        changed = self._trimmed(text(value))
        if self.squeeze:
            changed = re.sub(r"\s+", " ", changed)
        changed = self._cased(changed)
        if self.slug:
            changed = _slug(changed)
        if self.truncate is not None and len(changed) > self.truncate:
            changed = changed[: self.truncate - len(self.ellipsis)] + self.ellipsis
        if self.pad is None:
            return changed
        return (
            changed.rjust(self.pad, self.pad_with)
            if self.pad_side == "start"
            else changed.ljust(self.pad, self.pad_with)
        )

    def _trimmed(self, value: str) -> str:
        match self.trim:
            case "both":
                return value.strip()
            case "start":
                return value.lstrip()
            case "end":
                return value.rstrip()
            case None:
                return value

    def _cased(self, value: str) -> str:
        match self.case:
            case "upper":
                return value.upper()
            case "lower":
                return value.lower()
            case "capital":
                return value[:1].upper() + value[1:].lower()
            case "title":
                return re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), value)
            case None:
                return value


def _slug(value: str) -> str:
    spread = unicodedata.normalize("NFKD", value.lower().translate(_LATIN))
    return _NOT_IN_SLUG.sub("-", "".join(c for c in spread if not unicodedata.combining(c))).strip("-")
