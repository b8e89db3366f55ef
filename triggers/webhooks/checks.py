"""What a webhook asks of a delivery besides proof."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from triggers.webhooks.refusal import Refused
from workflows.definition.json_schema import value_problems
from workflows.http.hops import MAX_HOPS, hops_in


def check_hops(headers: Mapping[str, str]) -> None:
    """Refuse a request that has gone through too many workflows: one that calls itself would do so for ever.

    :raises Refused: with 508.
    """
    if hops_in(headers) > MAX_HOPS:
        raise Refused(
            HTTPStatus.LOOP_DETECTED,
            "too_many_hops",
            f"The request has gone through more than {MAX_HOPS} workflows; they seem to call each other in a circle.",
        )


def check_required_headers(required: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Refuse a request without the headers that the webhook asks for.

    :raises Refused: with 400.
    """
    wrong = [name for name, value in required.items() if headers.get(name.lower()) != value]
    if wrong:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "headers_invalid",
            f"These headers are missing or have another value than this webhook asks for: {', '.join(wrong)}.",
        )


def check_body(schema: Mapping[str, Any] | None, value: Any) -> None:
    """Refuse a body that does not fit the webhook's JSON Schema.

    :raises Refused: with 400 and every problem.
    """
    problems = [problem.to_json() for problem in value_problems(schema, value)] if schema is not None else []
    if problems:
        raise Refused(
            HTTPStatus.BAD_REQUEST,
            "body_invalid",
            f"The body does not fit the webhook's schema: {problems[0]['path'] or '/'}: {problems[0]['message']}",
            problems=problems,
        )
