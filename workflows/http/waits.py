"""Ends the waits of clients that speak another protocol than HTTP over a connection of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from ssl import get_default_verify_paths
from threading import Event, Thread

from workflows.http.calls import Call
from workflows.http.errors import DoorError, TimedOut, TooLarge

LOOK_SECONDS = 0.02
# Where ``tcpi_bytes_received`` lies in Linux's ``struct tcp_info`` (8 bytes of flags, 24 u32, 3 u64 before it).
_BYTES_RECEIVED_AT = 128
# Where systems keep the authorities that they trust, in one file.
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


@contextlib.contextmanager
def bounded(fileno: int, *, seconds: float, max_bytes: int | None = None) -> Iterator[None]:
    """Run a block that talks over a TCP connection; the connection is cut when the block's bounds are passed.

    The client library in the block then sees an end, whatever it was waiting for.

    :param fileno: the connection's file descriptor. It stays the caller's.
    :param seconds: how long the block may take. Above zero.
    :param max_bytes: how many bytes may arrive, about: looked at every 20 ms, and on Linux only.
    :raises DoorError: :class:`TimedOut` or :class:`TooLarge`, if the connection was cut for that.
    :raises Cancelled: if the call was abandoned meanwhile.
    """
    connection = socket.socket(fileno=os.dup(fileno))
    call = Call(seconds, None)
    watch = _Watch(connection, call, max_bytes)
    try:
        with watch, call.waiting_for(connection):
            yield
    except Exception as error:
        call.cancel.check()
        if watch.reason is not None:
            raise watch.reason from error
        raise
    finally:
        connection.close()


class _Watch:
    """A thread that cuts the connection when it is time to."""

    def __init__(self, connection: socket.socket, call: Call, max_bytes: int | None) -> None:
        self.reason: DoorError | None = None
        self._connection = connection
        self._call = call
        self._max_bytes = max_bytes
        self._had = _received(connection)
        self._is_over = Event()
        self._thread = Thread(target=self._watch, name="bounded", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            self.reason = self._passed()
            if self.reason is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)
                return

    def _passed(self) -> DoorError | None:
        try:
            self._call.remaining()
        except TimedOut as error:
            return error
        except Exception:
            return None  # Abandoned: whoever did that has cut the connection already.
        if self._max_bytes is not None and _received(self._connection) - self._had > self._max_bytes:
            return TooLarge(f"The answer is larger than {self._max_bytes:,} bytes.")
        return None


def _received(connection: socket.socket) -> int:
    """Return how many bytes have arrived, where the system tells; else zero."""
    option = getattr(socket, "TCP_INFO", None)
    if option is None:
        return 0
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, option, _BYTES_RECEIVED_AT + 8)
    except OSError:
        return 0
    return struct.unpack_from("=Q", info, _BYTES_RECEIVED_AT)[0] if len(info) >= _BYTES_RECEIVED_AT + 8 else 0


def trusted_authorities() -> str | None:
    """Return the file with the authorities that this system trusts (``SSL_CERT_FILE`` comes first), if there is one."""
    candidates = (get_default_verify_paths().cafile, *_BUNDLES)
    return next((path for path in candidates if path and Path(path).is_file()), None)
