from __future__ import annotations

import pytest
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


class TestDescription:
    def test_is_valid_openapi(self, schema):
        validate_schema(schema)

    def test_tells_how_to_log_in(self, schema):
        schemes = schema["components"]["securitySchemes"]

        assert schemes["apiToken"]["scheme"] == "bearer"
        assert schemes["session"]["in"] == "cookie"

    def test_tells_the_shape_of_errors_for_every_operation(self, schema):
        operations = [operation for path in schema["paths"].values() for operation in path.values()]

        assert operations
        assert all("4XX" in operation["responses"] for operation in operations)
        assert schema["components"]["schemas"]["Problem"]["required"] == ["code", "message"]

    def test_tells_the_key_of_a_token_at_its_making_alone(self, schema):
        shapes = schema["components"]["schemas"]

        assert "key" in shapes["NewToken"]["properties"]
        assert "key" not in shapes["Token"]["properties"]
        assert "digest" not in shapes["Token"]["properties"]
