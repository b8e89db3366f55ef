"""What the API's description says beyond what drf-spectacular finds by itself: how to log in, how errors look."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

PROBLEM = {
    "type": "object",
    "description": "What went wrong. Programs go by `code`, people by `message`.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "Stable."},
        "message": {"type": "string"},
        "path": {"type": "string", "description": "A JSON Pointer into the body, or ?name for a query parameter."},
        "hint": {"type": "string", "description": "What to do about it."},
        "problems": {
            "type": "array",
            "description": "All that is wrong with the request, each with code, message, path and hint.",
            "items": {"$ref": "#/components/schemas/Problem"},
        },
    },
}
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


class ApiTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # spectacular's metaclass
    target_class = "projects.authentication.ApiTokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "An API token: segue_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "projects.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "A login in the browser."}


def describe_errors(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the shape of errors to every operation of a schema."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result.get("paths", {}).values():
        for method, operation in path.items():
            if method in METHODS:
                operation["responses"].setdefault("4XX", {"description": "Refused.", "content": content})
    return result
