"""The address that Segue answers at."""

from __future__ import annotations

import errno
import socket

from config.supervisor.exceptions import UpError

# Callers that wait while the web processes are busy, or are being started again.
BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the web processes answer at. Port 0 stands for any that is free.

    The supervisor holds it, so that callers wait instead of being refused while the web processes restart.

    :raises UpError: if the address is taken, not allowed, or not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UpError(explain(host, port, error)) from error
    return listener


def explain(host: str, port: int, error: OSError) -> str:
    """Say what is wrong with an address and what to do."""
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} of {host} is in use by another program. Stop that, or choose another: make up PORT={port + 1}"
        )
    if error.errno == errno.EACCES:
        return f"Port {port} is not allowed for this user. Choose one above 1023: make up PORT=8000"
    return f"Segue cannot listen at {host}, port {port}: {error}. Choose with --host and --port."


def url(listener: socket.socket) -> str:
    """Return the URL at which this machine reaches the listener."""
    host, port = listener.getsockname()[:2]
    if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
        host = "127.0.0.1" if listener.family == socket.AF_INET else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
