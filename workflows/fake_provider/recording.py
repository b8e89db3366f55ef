"""Asking a real provider through the door, and writing down what it answers."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from threading import Lock

from workflows.fake_provider.asking import Asking
from workflows.fake_provider.delivery import Delivery, json_delivery
from workflows.fake_provider.fixtures import (
    KEPT_HEADERS,
    Answered,
    BrokenFixtures,
    Exchange,
    Fixtures,
    events_in,
    write_fixtures,
)
from workflows.fake_provider.ledger import keys_in
from workflows.fake_provider.protocols import ANTHROPIC
from workflows.fake_provider.stripping import Stripper
from workflows.http import MAX_TIMEOUT_SECONDS, Cancel, Cancelled, Door, DoorError, Streamed

# They are about the connection between client and us; the door has its own.
_OF_THE_CONNECTION = frozenset(
    {
        *("host", "connection", "content-length", "accept-encoding", "keep-alive", "te", "upgrade", "trailer"),
        *("expect", "transfer-encoding"),
    }
)


class Recorder:
    """Answers as the real provider does, and writes each exchange to a file, without keys.

    The client's own key is sent on. An answer is written down once it is complete.

    :param url: base URL of the real provider, as its client takes it.
    :param into: the file; it must not exist yet.
    :raises BrokenFixtures: if it exists, or cannot be written.
    """

    def __init__(self, door: Door, *, url: str, into: Path) -> None:
        self._door = door
        self._url = url.rstrip("/")
        self._into = into
        self._lock = Lock()
        self._cancel = Cancel()
        self._fixtures = Fixtures()
        if into.exists():
            raise BrokenFixtures(f"The file {into} exists. Take it away, or name another one.")
        try:
            write_fixtures(into, self._fixtures)
        except OSError as error:
            raise BrokenFixtures(f"The file {into} cannot be written: {error.strerror}.") from error

    def answer(self, asking: Asking) -> Delivery:
        """Return what the real provider answers."""
        sent = {name: value for name, value in asking.headers.items() if name not in _OF_THE_CONNECTION}
        asked = self._door.stream(
            asking.method,
            self._target(asking),
            headers=sent,
            content=asking.content,
            timeout=MAX_TIMEOUT_SECONDS,
            follow_redirects=False,
            cancel=self._cancel,
        )
        try:
            with ExitStack() as stack:
                streamed = stack.enter_context(asked)
                answered = _answered(streamed)
                if answered.events is not None:
                    live = self._live(asking, answered, streamed.pieces)
                    return replace(answered.to_delivery(), pieces=live, release=stack.pop_all().close)
                answered = answered.model_copy(update={"text": b"".join(streamed.pieces).decode(errors="replace")})
        except DoorError as error:
            said = f"The real provider could not be asked: {error.message}"
            return json_delivery(502, asking.protocol.failure(502, said))
        except Cancelled:
            return Delivery(503, (), hangs=True)
        self._write(asking, answered)
        return answered.to_delivery()

    def close(self) -> None:
        """Abandon calls that are under way."""
        self._cancel.cancel()

    def _target(self, asking: Asking) -> str:
        # OpenAI's base URLs hold the version, Anthropic's do not.
        base = self._url.removesuffix("/v1") if asking.protocol is ANTHROPIC else self._url
        path = asking.path if asking.protocol is ANTHROPIC else asking.path.removeprefix("/v1")
        return f"{base}{path}{f'?{asking.query}' if asking.query else ''}"

    def _live(self, asking: Asking, answered: Answered, pieces: Iterator[bytes]) -> Iterator[str]:
        """Yield a stream as it comes, and write it down at its end. One that breaks off is not written down."""
        decoder = getincrementaldecoder("utf-8")(errors="replace")
        told: list[str] = []
        try:
            for piece in pieces:
                told.append(decoder.decode(piece))
                yield told[-1]
        except (DoorError, Cancelled) as error:
            raise ConnectionAbortedError("The real provider's stream broke off.") from error
        self._write(asking, answered.model_copy(update={"events": events_in("".join(told))}))

    def _write(self, asking: Asking, answered: Answered) -> None:
        stripper = Stripper(keys_in(asking.headers))
        clean = answered.model_copy(
            update={
                "headers": {name: stripper.text(value) for name, value in answered.headers.items()},
                "text": None if answered.text is None else stripper.text(answered.text),
                "events": None if answered.events is None else stripper.events(answered.events),
            }
        )
        exchange = Exchange(method=asking.method, path=asking.path, request=stripper.data(asking.body), answer=clean)
        with self._lock:
            exchanges = (*self._fixtures.exchanges, exchange)
            self._fixtures = self._fixtures.model_copy(update={"exchanges": exchanges})
            write_fixtures(self._into, self._fixtures)


def _answered(streamed: Streamed) -> Answered:
    """Return what is known of an answer before its body has come."""
    media_type = streamed.headers.get("content-type", "application/octet-stream")
    return Answered(
        status=streamed.status,
        media_type=media_type,
        headers={name: streamed.headers[name] for name in KEPT_HEADERS if name in streamed.headers},
        events=() if media_type.startswith("text/event-stream") else None,
    )
