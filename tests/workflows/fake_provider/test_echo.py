"""What is said without a script fits what was asked for."""

from __future__ import annotations

import jsonschema
import pytest

from workflows.fake_provider.echo import sample


class TestSample:
    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "string"},
            {"type": "string", "maxLength": 3},
            {"type": "integer", "minimum": 5},
            {"type": "number"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"]},
            {"const": 7},
            {"enum": ["bug", "question"]},
            {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["a", "b"],
            },
            {"properties": {"a": {"enum": [1]}}, "required": ["a"]},
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            {
                "type": "object",
                "properties": {"city": {"$ref": "#/$defs/City"}},
                "required": ["city"],
                "$defs": {"City": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
            },
        ],
    )
    def test_fits_the_schema(self, schema):
        jsonschema.validate(sample(schema, text="Hello"), schema)

    def test_of_a_schema_without_end_ends(self):
        schema = {"properties": {"next": {"$ref": "#"}}, "required": ["next"]}

        assert "next" in sample(schema, text="Hello")
