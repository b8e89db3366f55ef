"""How a node names a server, and begins to talk with it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from workflows.http import MAX_TIMEOUT_SECONDS
from workflows.http.hops import HOPS_HEADER
from workflows.http.secrets import Secrets
from workflows.nodes.base import Config, Context, NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.headers import HeaderName
from workflows.tools.mcp.client import Client, Transport
from workflows.tools.mcp.http import HttpTransport
from workflows.tools.mcp.stdio import StdioTransport

TIMEOUT_SECONDS = 60.0


class ServerArguments(Config):
    """Which server: one at a URL, or a program that the operator lists."""

    url: Dynamic[Annotated[str, Field(min_length=1)]] | None = Field(
        None, description="The server's MCP endpoint, http or https (streamable HTTP)."
    )
    server: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="Instead, the name of a program that the operator lists (MCP_STDIO_SERVERS).",
    )
    token: Dynamic[str] | None = Field(
        None, description="Sent as Authorization: Bearer, for example {{ secret('MCP_TOKEN') }}. Only with `url`."
    )
    headers: Dynamic[dict[HeaderName, str]] = Field({}, description="Other headers to send. Only with `url`.")
    timeout_seconds: Dynamic[Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]] = Field(
        TIMEOUT_SECONDS, description="How long everything together may take."
    )

    @model_validator(mode="after")
    def _names_one_server(self) -> Self:
        if (self.url is None) == (self.server is None):
            raise ValueError("Name one server: `url` or `server`.")
        if self.server is not None and (self.token is not None or self.headers):
            raise ValueError("`token` and `headers` go with `url` alone.")
        return self


@contextlib.contextmanager
def connected(arguments: ServerArguments, secrets: Secrets, context: Context) -> Iterator[Client]:
    """Talk with a server; at the end the session or the program is ended.

    :raises NodeError: see :class:`~workflows.tools.mcp.client.Client`.
    """
    ends_at = time.monotonic() + min(arguments.timeout_seconds, context.seconds_left)

    def left() -> float:
        seconds = ends_at - time.monotonic()
        if seconds <= 0:
            raise NodeError("timeout", "The time for the MCP server was over. Raise `timeout_seconds`.", retryable=True)
        return seconds

    left()
    transport: Transport
    if arguments.url is None:
        transport = StdioTransport(arguments.server or "", project_id=context.project_id, left=left)
    else:
        headers = {name: secrets.fill(value) for name, value in arguments.headers.items()}
        if arguments.token is not None:
            headers["Authorization"] = f"Bearer {secrets.fill(arguments.token)}"
        headers[HOPS_HEADER] = str(context.hops + 1)
        transport = HttpTransport(secrets.fill(arguments.url), headers, left=left)
    try:
        client = Client(transport, call_headers={"Idempotency-Key": context.idempotency_key})
        client.begin()
        yield client
    finally:
        transport.close()
