"""Loopback servers that behave, and some that do not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Received:
    """One request as it arrived; ``connection`` counts the server's connections from 1."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Server:
    """Accepts on a loopback port and hands each connection, with its number, to ``handle`` in a thread of its own."""

    def __init__(
        self,
        handle: Callable[[socket.socket, int], None],
        *,
        host: str = "127.0.0.1",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.host = host
        self.connections = 0
        self._handle = handle
        self._ssl_context = ssl_context
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            if self._ssl_context:
                connection = self._ssl_context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            self._handle(connection, number)
        connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)


def read_request(connection: socket.socket, number: int = 1) -> Received | None:
    """Read one request; ``None`` when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return None
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    return Received(method, target, headers, body, number)


def response(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of an answer; ``content_type`` stands for ``content-type``."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"content-length": str(len(body)), **given}
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Answering(Server):
    """Speaks HTTP/1.1 with kept connections, answers each request by ``answer`` and remembers what it received."""

    def __init__(
        self,
        answer: Callable[[Received], bytes] | bytes = response(),  # noqa: B008  (bytes are immutable)
        *,
        host: str = "127.0.0.1",
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Received], bytes] = answer if callable(answer) else lambda _: answer
        super().__init__(self._answer_all, host=host, ssl_context=ssl_context)

    def _answer_all(self, connection: socket.socket, number: int) -> None:
        while request := read_request(connection, number):
            self.received.append(request)
            if not (answer := self.answer(request)):
                return
            connection.sendall(answer)
