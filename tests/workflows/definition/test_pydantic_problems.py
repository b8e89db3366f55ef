"""Pydantic's errors in our words: codes, sentences, places."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, RootModel, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from workflows.definition.pydantic_problems import problems_in
from workflows.nodes.base import Config
from workflows.nodes.fields import Dynamic, Fixed, Template
from workflows.nodes.forms import Slug


class Cat(Config):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)] = 9


class Dog(Config):
    kind: Literal["dog"]
    name: Annotated[str, Field(max_length=5, min_length=1)]

    @model_validator(mode="after")
    def _is_no_cat(self) -> Dog:
        if self.name == "Tom":
            raise PydanticCustomError(
                "wrong_animal", "{name} is a cat.", {"name": "Tom", "key": "name", "hint": "Miau."}
            )
        if self.name == "Rex":
            raise ValueError("There is a Rex already.")
        return self


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


class AnyPet(RootModel[Pet]):
    pass


Guest = Annotated[str, Field(max_length=5)]


class Household(Config):
    pets: Annotated[list[Pet], Field(max_length=2)] = []
    first: Pet | None = None
    mood: Literal["good", "bad"] = "good"
    rooms: dict[Slug, float] = {}
    is_open: Dynamic[bool] = True
    size: str | int | list[int] | None = None
    code: Annotated[str, Field(pattern="^[A-Z]+$")] = "A"
    grade: Literal["a"] | Annotated[int, Field(le=6)] = "a"
    height: Annotated[float, Field(gt=0, lt=3)] = 1
    labels: Dynamic[dict[str, str]] = {}
    guests: Dynamic[Guest | list[Guest]] = []
    seats: Annotated[dict[str, int], Field(max_length=1)] = {}
    raw: Fixed[dict[str, Any]] = {}
    ways: dict[str, Any] = Field(default={}, alias="with")


def problems(model: Any, value: Any) -> list[tuple[str, str, str, str]]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    found = problems_in(caught.value, model, below="/config")
    return [(problem.code, problem.path, problem.message, problem.hint) for problem in found]


T = Template("{{ input }}")


class TestProblemsIn:
    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (
                {"mood": "god"},
                (
                    "invalid_choice",
                    "/config/mood",
                    "`mood` must be `good` or `bad`, not 'god'.",
                    "Did you mean `good`?",
                ),
            ),
            ({"mood": None}, ("invalid_choice", "/config/mood", "`mood` must be `good` or `bad`, not null.", "")),
            ({"moot": "good"}, ("unknown_key", "/config/moot", "There is no key `moot` here.", "Did you mean `mood`?")),
            ({"whit": {}}, ("unknown_key", "/config/whit", "There is no key `whit` here.", "Did you mean `with`?")),
            ({"is_open": 1}, ("wrong_type", "/config/is_open", "`is_open` must be true or false, not a number.", "")),
            ({"is_open": "true"}, ("wrong_type", "/config/is_open", "`is_open` must be true or false, not text.", "")),
            (
                {"mood": T},
                (
                    "expression_forbidden",
                    "/config/mood",
                    "`mood` may not be an expression.",
                    'Write the value itself. Text that only looks like an expression goes into {"$literal": "…"}.',
                ),
            ),
            (
                {"first": T},
                (
                    "expression_forbidden",
                    "/config/first",
                    "`first` may not be an expression.",
                    'Write the value itself. Text that only looks like an expression goes into {"$literal": "…"}.',
                ),
            ),
            (
                {"rooms": {"Hall": 1}},
                (
                    "invalid_format",
                    "/config/rooms/Hall",
                    "'Hall' has not the right form.",
                    "A small letter first, then small letters, digits and `_`; at most 64 of them.",
                ),
            ),
            (
                {"rooms": {"hall": "x"}},
                ("wrong_type", "/config/rooms/hall", "`rooms.hall` must be a number, not text.", ""),
            ),
            (
                {"size": {}},
                ("wrong_type", "/config/size", "`size` must be text, a whole number, a list; it is an object.", ""),
            ),
            ({"size": [1, "2"]}, ("wrong_type", "/config/size/1", "`size[1]` must be a whole number, not text.", "")),
            (
                {"size": T},
                (
                    "expression_forbidden",
                    "/config/size",
                    "`size` may not be an expression.",
                    'Write the value itself. Text that only looks like an expression goes into {"$literal": "…"}.',
                ),
            ),
            (
                {"labels": {"a": T, "b": 1}},
                ("wrong_type", "/config/labels/b", "`labels.b` must be text, not a number.", ""),
            ),
            (
                {"guests": [T, "Rosalind"]},
                ("too_long", "/config/guests/1", "`guests[1]` may have at most 5 characters.", ""),
            ),
            (
                {"guests": [T, {}]},
                ("wrong_type", "/config/guests/1", "`guests[1]` must be text, not an object.", ""),
            ),
            (
                {"guests": {"name": T}},
                ("wrong_type", "/config/guests", "`guests` must be text, a list; it is an object.", ""),
            ),
            (
                {"guests": "Rosalind"},
                ("too_long", "/config/guests", "`guests` may have at most 5 characters.", ""),
            ),
            ({"with": 1}, ("wrong_type", "/config/with", "`with` must be an object, not a number.", "")),
            ({"seats": {"a": 1, "b": 2}}, ("too_long", "/config/seats", "`seats` may have at most 1 items.", "")),
            ([], ("wrong_type", "/config", "This must be an object, not a list.", "")),
            (
                {"code": "a"},
                ("invalid_format", "/config/code", "`code` has not the right form: 'a'.", "It must match ^[A-Z]+$"),
            ),
            ({"grade": 7}, ("invalid_value", "/config/grade", "`grade` is not valid here: 7.", "")),
            ({"height": 0}, ("out_of_range", "/config/height", "`height` must be above 0.0; it is 0.", "")),
            ({"height": 3.5}, ("out_of_range", "/config/height", "`height` must be below 3.0; it is 3.5.", "")),
            (
                {"height": 10**40},
                ("out_of_range", "/config/height", "`height` must be below 3.0; it is a very large number.", ""),
            ),
        ],
    )
    def test_says_in_our_words_what_is_wrong(self, value, problem):
        assert problems(Household, value) == [problem]

    def test_names_places_inside_of_tagged_unions_without_the_tag(self):
        value = {
            "pets": [{"kind": "cat", "lives": 10, "cat": 1}, {"kind": "dog"}],
            "first": {"kind": "dog", "name": "Waldemar"},
        }

        assert [problem[:2] for problem in problems(Household, value)] == [
            ("out_of_range", "/config/pets/0/lives"),
            ("unknown_key", "/config/pets/0/cat"),
            ("missing_key", "/config/pets/1/name"),
            ("too_long", "/config/first/name"),
        ]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ({}, ("missing_key", "/config/kind", "`kind` is missing.", "")),
            (
                {"kind": "dig"},
                ("invalid_choice", "/config/kind", "`kind` must be `cat` or `dog`, not 'dig'.", "Did you mean `dog`?"),
            ),
            ({"kind": ["cat"]}, ("invalid_choice", "/config/kind", "`kind` must be `cat` or `dog`, not a list.", "")),
            ({"kind": "dog", "name": ""}, ("too_short", "/config/name", "`name` may not be empty.", "")),
            ({"kind": "dog", "name": "Tom"}, ("wrong_animal", "/config/name", "Tom is a cat.", "Miau.")),
            ({"kind": "dog", "name": "Rex"}, ("invalid_value", "/config", "There is a Rex already.", "")),
            (
                {"kind": "cat", "lives": 0},
                ("out_of_range", "/config/lives", "`lives` must be at least 1; it is 0.", ""),
            ),
            (
                {"kind": "cat", "lives": 1.5},
                ("wrong_type", "/config/lives", "`lives` must be a whole number, not a number.", ""),
            ),
            ("cat", ("wrong_type", "/config", "This must be an object, not text.", "")),
        ],
    )
    def test_reads_a_root_that_is_a_tagged_union(self, value, problem):
        assert problems(AnyPet, value) == [problem]

    def test_refuses_expressions_deep_inside_of_what_is_fixed(self):
        assert problems(Household, {"raw": {"a": [T]}})[0][:2] == ("expression_forbidden", "/config/raw")

    def test_tells_all_at_once(self):
        value = {"mood": "sad", "is_open": 0, "pets": [{"kind": "cat"}] * 3, "rooms": 3, "more": 1}

        assert {problem[1] for problem in problems(Household, value)} == {
            "/config/mood", "/config/is_open", "/config/pets", "/config/rooms", "/config/more",
        }  # fmt: skip

    @pytest.mark.parametrize("value", [T, {"a": T}, {"a": "b"}])
    def test_has_nothing_against_expressions_where_they_are_allowed(self, value):
        Household.model_validate({"labels": value, "is_open": T})

    def test_shortens_what_it_quotes(self):
        ((_, _, message, _),) = problems(Household, {"mood": "x" * 500})

        assert len(message) < 120
