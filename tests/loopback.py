"""A port of loopback for the tests' PostgreSQL, where it listens at a unix socket alone: for clients that go by host and port."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from functools import cache
from urllib.parse import parse_qs, urlsplit


@cache
def postgres_address() -> tuple[str, int]:
    """Return host and port of the tests' server. What listens at the port for it ends with this process."""
    url = urlsplit(os.environ["TEST_DATABASE_URL"])
    if url.hostname:
        return url.hostname, url.port or 5432
    (folder,) = parse_qs(url.query).get("host", ["/var/run/postgresql"])
    return "127.0.0.1", _forward(f"{folder}/.s.PGSQL.{url.port or 5432}")


def _forward(path: str) -> int:
    """Pass all connections to a port on to a unix socket, and return the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_link, args=(client, path), daemon=True).start()

    threading.Thread(target=accept, name="loopback", daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def _link(client: socket.socket, path: str) -> None:
    with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
        server.connect(path)
        back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
        back.start()
        _pass_on(client, server)
        back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
