"""JSON Schemas that strangers write, applied to strangers' data."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.workflows.definition.strategies import any_json, patient
from workflows.definition.json_schema import MAX_UNFOLDED, schema_problems, value_problems


def codes(schema: dict[str, object]) -> list[str]:
    return [problem.code for problem in schema_problems(schema, below="/inputs")]


def doubling(levels: int) -> dict[str, object]:
    """A schema of a few lines that is applied 2 to the power of ``levels`` times."""
    parts: dict[str, object] = {
        f"level{level}": {"allOf": [{"$ref": f"#/$defs/level{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/level0", "$defs": {**parts, f"level{levels}": {}}}


class TestSchemaProblems:
    @pytest.mark.parametrize(
        "schema",
        [
            {},
            {"type": "object", "properties": {"email": {"type": "string", "format": "email"}}, "required": ["email"]},
            {"$ref": "#/$defs/a%62", "$defs": {"ab": {"type": "object"}}},
            {"properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "string"}}},
            {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/order"},
            {"properties": {"$ref": {"type": "string"}}},
            {"pattern": "^[a-z]+$"},
            {"anyOf": [{"type": "null"}, {"$ref": "#/anyOf/0"}]},
            {"$ref": "#/$defs/a~1b", "$defs": {"a/b": True}},
        ],
    )
    def test_finds_none_in_an_ordinary_schema(self, schema):
        assert schema_problems(schema, below="/inputs") == []

    @pytest.mark.parametrize(
        ("schema", "path"),
        [
            ({"type": "wrong"}, "/inputs/type"),
            ({"properties": {"a": {"minLength": -1}}}, "/inputs/properties/a/minLength"),
            ({"required": "a"}, "/inputs/required"),
            ({"$schema": "http://json-schema.org/draft-04/schema#"}, "/inputs"),
            ({"$schema": 7}, "/inputs"),
            ({"$id": "::"}, "/inputs"),
        ],
    )
    def test_names_the_place_of_a_mistake(self, schema, path):
        problems = schema_problems(schema, below="/inputs")

        assert [(problem.code, problem.path) for problem in problems] == [("invalid_schema", path)]

    @pytest.mark.parametrize(
        "reference",
        [
            "http://127.0.0.1:1/schema",
            "file:///etc/passwd",
            "other.json",
            "#anchor",
            "#/$defs/nothing",
            "#/$defs/me/9",
            "#",
            "#/$defs/me",
        ],
    )
    def test_refuses_references_to_elsewhere_to_nothing_and_in_a_circle(self, reference):
        schema = {"$defs": {"me": {"properties": {"a": {"$ref": reference}}}}}

        assert codes(schema) == ["schema_reference"]

    @pytest.mark.parametrize("reference", ["http://127.0.0.1:1/schema", "x/$defs/me", "#$defs/me", "//$defs/me"])
    def test_says_that_a_schema_may_only_refer_to_itself(self, reference):
        (problem,) = schema_problems({"$ref": reference, "$defs": {"me": {}}}, below="")

        assert "only refer to parts of itself" in problem.message

    @pytest.mark.parametrize("key", ["$id", "$dynamicRef", "$recursiveRef"])
    def test_refuses_what_gives_references_another_meaning(self, key):
        assert codes({"properties": {"a": {key: "#/x"}}}) == ["schema_reference"]

    def test_s_dos_refuses_a_schema_that_unfolds_without_end(self):
        assert codes(doubling(5)) == []
        assert codes(doubling(40)) == ["schema_too_large"]

    def test_s_dos_counts_parts_at_the_limit_and_beyond(self):
        # Each part is an object with one word in it; the top has two objects more.
        def wide(parts: int) -> dict[str, object]:
            return {"properties": {f"p{number}": {} for number in range(parts)}}

        assert codes(wide(MAX_UNFOLDED - 2)) == []
        assert codes(wide(MAX_UNFOLDED - 1)) == ["schema_too_large"]

    def test_s_dos_refuses_a_chain_of_references_that_is_too_deep(self):
        chain = {f"d{number}": {"$ref": f"#/$defs/d{number + 1}"} for number in range(500)}

        assert codes({"$ref": "#/$defs/d0", "$defs": {**chain, "d500": {}}}) == ["schema_too_large"]

    @pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "(", "((a{1000}){1000}){1000}"])
    def test_s_dos_takes_only_patterns_that_run_in_linear_time(self, pattern):
        (problem,) = schema_problems({"pattern": pattern}, below="")

        assert problem.code == "invalid_schema"
        assert "linear time" in problem.hint

    @patient
    @given(any_json)
    def test_never_raises(self, value):
        schema_problems({"type": "object", "properties": {"a": value}, "$defs": {"a": value}}, below="")
        if isinstance(value, dict):
            schema_problems(value, below="")


class TestValueProblems:
    def test_names_every_place(self):
        schema = {
            "type": "object",
            "properties": {
                "total": {"type": "number"},
                "lines": {"items": {"required": ["sku"]}},
                "at": {"format": "date"},
            },
            "required": ["id"],
        }

        problems = value_problems(schema, {"total": "12", "lines": [{"sku": 1}, {}], "at": "soon"}, below="/body")

        assert sorted(problem.path for problem in problems) == ["/body", "/body/at", "/body/lines/1", "/body/total"]
        assert {problem.code for problem in problems} == {"invalid_input"}

    def test_s_dos_runs_an_evil_pattern_in_linear_time(self):
        # With backtracking this takes longer than the universe is old.
        assert len(value_problems({"pattern": "^(a+)+$"}, "a" * 50_000 + "!")) == 1

    def test_stops_at_a_hundred(self):
        assert len(value_problems({"items": {"type": "string"}}, [1] * 500)) == 100
