"""What a template asks for, and what it is told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from templates_app.exceptions import InvalidVariables
from templates_app.variables import RequiredVariable, filled


def variable(name="URL", **more):
    return RequiredVariable.model_validate({"name": name, "description": "Where to call.", **more})


URL = variable(schema={"type": "string", "pattern": "^https?://"})
KEY = variable("KEY", is_secret=True, schema={"type": "string", "minLength": 8})
DAYS = variable("DAYS", schema={"type": "integer", "minimum": 1}, default=3)
ANYTHING = variable("ANYTHING", default=None)


def problems_of(required, given):
    with pytest.raises(InvalidVariables) as raised:
        filled(required, given)
    return raised.value.problems


class TestRequiredVariable:
    def test_is_shown_with_its_schema_and_its_default(self):
        assert DAYS.to_json() == {
            "name": "DAYS",
            "description": "Where to call.",
            "is_secret": False,
            "schema": {"type": "integer", "minimum": 1},
            "default": 3,
        }

    def test_without_a_default_shows_none(self):
        assert "default" not in URL.to_json()

    def test_may_have_null_for_its_default(self):
        assert ANYTHING.to_json()["default"] is None

    @pytest.mark.parametrize("each", [URL, KEY, DAYS, ANYTHING])
    def test_reads_back_the_same(self, each):
        again = RequiredVariable.model_validate(each.to_json())

        assert (again, again.has_default) == (each, each.has_default)

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"name": "url"}, "pattern"),
            ({"name": "_URL"}, "pattern"),
            ({"description": ""}, "at least 1 character"),
            ({"type": "string"}, "Extra inputs are not permitted"),
            ({"is_secret": "yes"}, "valid boolean"),
            ({"schema": {"type": "strung"}}, "no valid JSON Schema"),
            ({"schema": {"$ref": "https://example.com"}}, "may only refer to parts of itself"),
            ({"schema": {"type": "string"}, "default": 5}, "the default does not fit the schema"),
            ({"is_secret": True, "default": "hunter2"}, "a secret that everybody can read is none"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, wrong, sentence):
        with pytest.raises(ValidationError, match=sentence):
            variable(**{"name": "URL", **wrong})


class TestFilled:
    def test_takes_what_is_given_and_the_default_for_the_rest(self):
        values = filled([URL, KEY, DAYS, ANYTHING], {"KEY": "a long one", "URL": "https://example.com"})

        assert values == {"URL": "https://example.com", "KEY": "a long one", "DAYS": 3, "ANYTHING": None}

    def test_prefers_what_is_given_to_the_default(self):
        assert filled([DAYS], {"DAYS": 9}) == {"DAYS": 9}

    def test_says_everything_that_is_wrong_at_once(self):
        problems = problems_of([URL, KEY, DAYS], {"KEY": "short", "DAYS": 0, "DAY": 1, "a/b~c": 2})

        assert [(problem["code"], problem["path"]) for problem in problems] == [
            ("unknown_variable", "/variables/DAY"),
            ("unknown_variable", "/variables/a~1b~0c"),
            ("missing_variable", "/variables/URL"),
            ("invalid_input", "/variables/KEY"),
            ("invalid_input", "/variables/DAYS"),
        ]

    def test_asks_for_what_is_missing_with_its_description(self):
        (problem,) = problems_of([URL], {})

        assert problem["message"] == "The template needs the variable URL."
        assert problem["hint"] == "Where to call."

    def test_with_one_problem_says_it_at_the_top(self):
        with pytest.raises(InvalidVariables, match="The template needs the variable URL") as raised:
            filled([URL], {})

        assert raised.value.path == "/variables/URL"

    def test_guesses_what_was_meant(self):
        assert problems_of([DAYS], {"DAYZ": 1})[0]["hint"] == "Did you mean `DAYS`?"
        assert problems_of([DAYS], {"COLOUR": 1})[0]["hint"] == "It asks for DAYS."
        assert problems_of([], {"COLOUR": 1})[0]["hint"] == "It asks for none."

    @pytest.mark.parametrize("value", ["ftp://example.com", "", 5, None, True, [], {}])
    def test_refuses_a_value_that_does_not_fit(self, value):
        (problem,) = problems_of([URL], {"URL": value})

        assert (problem["code"], problem["path"]) == ("invalid_input", "/variables/URL")

    def test_names_the_place_within_a_value(self):
        lists = variable("NAMES", schema={"type": "array", "items": {"type": "string"}})

        assert problems_of([lists], {"NAMES": ["a", 2]})[0]["path"] == "/variables/NAMES/1"

    def test_never_repeats_a_secret(self):
        """S-SEC-3"""
        (problem,) = problems_of([KEY], {"KEY": "hunter2"})

        assert "hunter2" not in str(problem)

    def test_says_what_a_secret_has_to_be(self):
        (problem,) = problems_of([KEY], {"KEY": "hunter2"})

        assert problem["message"].startswith("This cannot be the value of KEY: it has to fit ")
        assert '"minLength": 8' in problem["message"]
