"""How a hub makes sure that an address is meant before it sends there: ``hub.challenge``.

WebSub (W3C, section 5.3, "Hub Verifies Intent of the Subscriber") asks with the topic; Meta with a token that was agreed
on. Slack's ``url_verification`` is signed like any delivery, and lies with its signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, urlencode

from triggers.webhooks import bodies
from triggers.webhooks.private_headers import MASK
from triggers.webhooks.received import Received
from triggers.webhooks.refusal import unproven
from triggers.webhooks.signatures.macs import index_of
from workflows.nodes.trigger.webhook_handshake import HubHandshake

_TOKEN = "hub.verify_token"  # noqa: S105 -- The name of a parameter.
_CHALLENGE = re.compile(r"[\x20-\x7e]{1,500}")


def is_asked_for(handshake: HubHandshake | None, received: Received) -> bool:
    """Test whether a request is a hub's question and not a delivery."""
    if handshake is None or received.method != "GET":
        return False
    return any(name == "hub.mode" for name, _ in parse_qsl(received.query_string, keep_blank_values=True))


def without_token(query_string: str) -> str:
    """Return a query as the inbox keeps it: that there was a token shows, the token does not."""
    pairs = parse_qsl(query_string, keep_blank_values=True)
    return urlencode([(name, MASK if name == _TOKEN else value) for name, value in pairs])


def answer(handshake: HubHandshake, secrets: Sequence[str], received: Received) -> tuple[str, int | None]:
    """Return the challenge that confirms the address, and the place of the secret that was shown, if one was.

    :raises Refused: with 401 if the hub does not ask for what was agreed on, or asks to unsubscribe.
    """
    asked = bodies.form(received.query_string)
    if asked.get("hub.mode") != "subscribe":
        raise unproven("handshake_mode", "hub.mode is not subscribe. Whoever wants to unsubscribe does so at the hub.")
    challenge = asked.get("hub.challenge")
    if not isinstance(challenge, str) or not _CHALLENGE.fullmatch(challenge):
        raise unproven("handshake_malformed", "hub.challenge is missing, or no text of 1 to 500 characters of ASCII.")
    if handshake.topic is not None and asked.get("hub.topic") != handshake.topic:
        raise unproven("handshake_topic", "hub.topic is not the topic that the trigger node names.")
    if handshake.verify_token is not None:
        if _place_of_token(asked, [handshake.verify_token]) is None:
            raise unproven("handshake_token", "hub.verify_token is not the one that the trigger node has.")
        return challenge, None
    if handshake.topic is not None:
        return challenge, None
    place = _place_of_token(asked, secrets)
    if place is None:
        raise unproven("handshake_token", "hub.verify_token is none of the webhook's secrets.")
    return challenge, place


def _place_of_token(asked: Mapping[str, str | list[str]], tokens: Sequence[str]) -> int | None:
    given = asked.get(_TOKEN)
    return (
        index_of([given.encode(errors="surrogatepass")], [token.encode() for token in tokens])
        if isinstance(given, str)
        else None
    )
