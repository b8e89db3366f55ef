"""What a webhook asks of a delivery besides proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from triggers.webhooks.refusal import Refused
from workflows.definition.json_schema import value_problems
from workflows.http.hops import MAX_HOPS, hops_in


def check_address(allowed: Sequence[str] | None, address: str | None) -> None:
    """Refuse a caller from elsewhere than the webhook allows. One whose address is not known is from elsewhere.

    :param allowed: addresses and ranges (CIDR); None: any.
    :raises Refused: with 403.
    """
    if allowed is None or _is_in(tuple(allowed), address):
        return
    raise Refused(
        HTTPStatus.FORBIDDEN,
        "address_not_allowed",
        "This webhook may not be called from your address.",
        reason=f"{address or 'An unknown address'} is not among the addresses of `ip_allow`.",
    )


def _is_in(ranges: tuple[str, ...], text: str | None) -> bool:
    if text is None:
        return False
    address = ip_address(text)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # What a socket for both kinds calls an IPv4 address.
    return any(address in network for network in _networks(ranges))


@lru_cache(maxsize=1024)
def _networks(ranges: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in ranges)


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
