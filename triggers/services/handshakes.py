"""Hubs that ask whether an address is meant."""

from __future__ import annotations

from projects.crypto import SecretUnreadable
from projects.exceptions import Unavailable
from triggers.services.deliveries import keep_handshake
from triggers.services.webhook_secrets import live_secrets
from triggers.webhooks import handshakes
from triggers.webhooks.received import Received
from triggers.webhooks.routes import Route
from workflows.nodes.trigger.webhook_handshake import HubHandshake


def answer_hub(route: Route, handshake: HubHandshake, received: Received, *, kept: Received) -> str:
    """Return the challenge that confirms a webhook's address to a hub, and keep that it was asked for. Nothing starts.

    :param kept: the request as the inbox keeps it, without the token.
    :raises Refused: with 401 if the hub does not ask for what was agreed on.
    :raises Unavailable: if the webhook's secrets can't be read.
    """
    try:
        secrets = live_secrets(route.registration, received.received_at)
    except SecretUnreadable as error:
        raise Unavailable("The webhook cannot verify anything right now. Try again later.", retry_after=60) from error
    challenge, place = handshakes.answer(handshake, [secret.text for secret in secrets], received)
    keep_handshake(route, kept, secret_id="" if place is None else secrets[place].id)
    return challenge
