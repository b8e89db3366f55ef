"""How a hub that is about to send makes sure that the address is meant: ``hub.challenge``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workflows.nodes.base import Config
from workflows.nodes.forms import Form

VerifyToken = Annotated[
    str, Form("[\x21-\x7e]{8,200}", "A verify token is 8 to 200 characters of ASCII without spaces.")
]


class HubHandshake(Config):
    """The webhook answers `GET ?hub.mode=subscribe&hub.challenge=…`, also where `methods` has no GET."""

    kind: Literal["hub"]
    verify_token: VerifyToken | None = Field(
        default=None,
        description="What `hub.verify_token` must be (Meta). Left out, it must be the webhook's secret, unless `topic` is set.",
    )
    topic: Annotated[str, Field(min_length=1, max_length=2000)] | None = Field(
        default=None, description="What `hub.topic` must be, exactly (WebSub): the address that you have subscribed to."
    )
