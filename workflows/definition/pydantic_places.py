"""Where in JSON pydantic means, when it says where an error is."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel


@dataclass(frozen=True)
class Place:
    """What pydantic's ``loc`` means in JSON: it also names the member of a union that was tried, and JSON has no such step.

    :param names: the keys that are known beside the last part.
    :param is_choice: the error is one of several, one for each type that the value might have had.
    """

    parts: tuple[str | int, ...] = ()
    names: tuple[str, ...] = ()
    is_choice: bool = False


def place_of(model: type[BaseModel], loc: Sequence[str | int]) -> Place:
    """Return the place that a ``loc`` of an error of this model means."""
    place = Place()
    annotation: Any = model
    for step in loc:
        annotation = _bare(annotation)
        if step == "[key]":  # Not the value there is wrong but its key.
            return place
        if get_origin(annotation) in (Union, types.UnionType):
            annotation, is_told = _member(get_args(annotation), str(step))
            place = replace(place, is_choice=not is_told)
        else:
            annotation, names = _step(annotation, step)
            place = Place((*place.parts, step), names)
    return place


def _step(annotation: Any, step: str | int) -> tuple[Any, tuple[str, ...]]:
    """Return the annotation of what a key or an index leads to, and the keys that are known beside it."""
    match get_origin(annotation), get_args(annotation):
        case (list_or_dict, arguments) if list_or_dict in (list, dict):
            return arguments[-1], ()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        return (fields[str(step)].annotation if step in fields else Any), tuple(fields)
    return Any, ()


def _bare(annotation: Any) -> Any:
    """Return an annotation without what does not show in ``loc``: Annotated, ``| None``, root models."""
    while True:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType) and len(members) == 1:
            annotation = members[0]
        elif isinstance(annotation, type) and issubclass(annotation, RootModel):
            annotation = annotation.model_fields["root"].annotation
        else:
            return annotation


def _member(members: Sequence[Any], label: str) -> tuple[Any, bool]:
    """Return the member of a union that pydantic calls by this label, and whether a tag of the value told that."""
    for member in map(_bare, members):
        if label in _tags(member):
            return member, True
        if get_origin(member) in (list, dict) and label.startswith(f"{get_origin(member).__name__}["):
            return member, False
    return Any, False


def _tags(member: Any) -> Iterator[Any]:
    if isinstance(member, type) and issubclass(member, BaseModel):
        for field in member.model_fields.values():
            if get_origin(field.annotation) is Literal:
                yield from get_args(field.annotation)
