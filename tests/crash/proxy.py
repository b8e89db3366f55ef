"""A proxy before PostgreSQL that can lose the answer to a COMMIT: it happens, and who asked for it never hears so."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path

SOCKET = ".s.PGSQL.5432"
# The statement as a message of the protocol holds it, and what PostgreSQL answers to it.
COMMIT = b"COMMIT\x00"
COMMITTED = b"COMMIT\x00"


class Proxy:
    """Stands between Segue and a PostgreSQL server, at a unix socket in a folder of its own."""

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="segue-px-", dir="/tmp"))
        self._server = server / SOCKET
        self._lock = threading.Lock()
        self._after: bytes | None = None
        self.lost = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / SOCKET))
        self._listener.listen(64)
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def url(self, database: str) -> str:
        """Return the URL of a database through the proxy."""
        return f"postgres://postgres@/{database}?host={self.folder}"

    def lose_commit_after(self, statement: bytes) -> None:
        """Lose the answer to the next COMMIT of a connection that has sent ``statement`` in the same transaction."""
        with self._lock:
            self._after = statement
            self.lost.clear()

    def close(self) -> None:
        """End it."""
        self._listener.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                server.close()
                continue
            link = _Link(self, client, server)
            threading.Thread(target=link.forward, daemon=True).start()
            threading.Thread(target=link.backward, daemon=True).start()

    def take(self, statements: bytes) -> bool:
        """Whether the COMMIT that comes now is the one whose answer is to be lost."""
        with self._lock:
            if self._after is None or self._after not in statements:
                return False
            self._after = None
            return True


class _Link:
    """One connection."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._statements = b""
        self._loses = False

    def forward(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._client.recv(65536):
                self._statements += data
                if COMMIT in data:
                    self._loses = self._proxy.take(self._statements)
                    self._statements = b""
                self._server.sendall(data)
        self._close()

    def backward(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._loses and COMMITTED in data:
                    self._proxy.lost.set()
                    break
                self._client.sendall(data)
        self._close()

    def _close(self) -> None:
        for end in (self._client, self._server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
