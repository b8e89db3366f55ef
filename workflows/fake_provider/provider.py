"""The provider as tests and the command hold it."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Thread
from typing import Any, Self

from workflows.fake_provider.asking import Source
from workflows.fake_provider.ledger import Received
from workflows.fake_provider.script import Script, parse_script
from workflows.fake_provider.scripted import Scripted
from workflows.fake_provider.server import HOST, Server


class FakeProvider:
    """A provider on a port of loopback; as a context, it runs inside.

    :param script: what it says, as a :class:`Script` or as the JSON of one; without any it echoes.
    :param source: where its answers come from, instead of a script.
    :param port: where it listens; 0 takes any that is free.
    :raises BrokenScript: if the script is not valid.
    :raises OSError: if it cannot listen there.
    """

    def __init__(
        self, script: Script | Mapping[str, Any] | None = None, *, source: Source | None = None, port: int = 0
    ) -> None:
        self._server = Server(port, source or Scripted(parse_script(script)))
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Where it is, without a path."""
        return f"http://{HOST}:{self.port}"

    @property
    def openai_url(self) -> str:
        """The base URL for clients of OpenAI."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for clients of Anthropic."""
        return self.url

    @property
    def requests(self) -> list[Received]:
        """All requests so far, the oldest first."""
        return self._server.ledger.rows()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering, end what is under way, and close all connections."""
        self._server.stop()
        self._thread.join()

    def play(self, script: Script | Mapping[str, Any]) -> None:
        """Go on with another script, from its beginning.

        :raises BrokenScript: if it is not valid.
        """
        self._server.source = Scripted(parse_script(script))

    def forget(self) -> None:
        """Forget all requests so far."""
        self._server.ledger.empty()
