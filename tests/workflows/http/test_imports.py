"""S-SSRF-7: nothing but the door talks to the outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Not ``config``: it starts the processes, and asks on this machine whether they are up.
ROOMS = ("projects", "workflows", "executions", "triggers", "templates_app")
DOOR = ROOT / "workflows" / "http"
# Clients of other protocols, each in one module: the door gives the address, and the bounds of the wait.
CLIENTS_OF_THEIR_OWN = {
    "executions/live/streams.py": {"ssl", "socket.socket"},  # Asks whether a caller of ours has hung up.
    "executions/waiting.py": {"psycopg.connect"},  # To Segue's own database.
    "workflows/llm/calling.py": {"openai", "anthropic", "pydantic_ai"},  # Over that transport.
    "workflows/llm/transport.py": {
        "httpx2"
    },  # Its types, with the door below them; see tests/workflows/llm/test_wire.py.
    "workflows/tools/email_send/sending.py": {
        "smtplib",
        "ssl",
        "django.core.mail.backends.smtp",
    },  # To the operator's own.
    "workflows/tools/sql_query/connecting.py": {"psycopg.connect"},
}

CLIENTS = (
    *("httpx", "httpx2", "httpcore", "httpcore2", "h11", "requests", "urllib3", "aiohttp", "pycurl", "websockets"),
    *("urllib.request", "http.client", "xmlrpc.client", "ftplib", "smtplib", "poplib", "imaplib", "telnetlib", "ssl"),
    *("openai", "anthropic", "pydantic_ai"),
    *("paramiko", "dns", "django.core.mail.backends.smtp"),
    *("psycopg.connect", "psycopg.Connection.connect", "psycopg_pool"),
    *("socket.socket", "socket.create_connection", "socket.getaddrinfo", "asyncio.open_connection"),
)


def names_used(source: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, and the attributes that it reads from names."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                yield f"{name}.{attribute}"


def clients_in(source: str) -> set[str]:
    return {
        client for name in names_used(source) for client in CLIENTS if name == client or name.startswith(f"{client}.")
    }


class TestOnlyTheDoor:
    def test_talks_to_the_outside(self):
        modules = [path for room in ROOMS for path in (ROOT / room).rglob("*.py") if DOOR not in path.parents]
        assert len(modules) > 20, "the test looks in the wrong place"

        found = {str(path.relative_to(ROOT)): clients for path in modules if (clients := clients_in(path.read_text()))}

        assert found == CLIENTS_OF_THEIR_OWN, "call workflows.http.Door instead"

    def test_would_itself_be_found(self):
        assert all(clients_in(path.read_text()) for path in (DOOR / "network.py", DOOR / "door.py", DOOR / "urls.py"))

    @pytest.mark.parametrize(
        "source",
        [
            "import httpx2",
            "import requests.sessions as r",
            "from urllib import request",
            "from urllib.request import urlopen",
            "import urllib.request",
            "def f():\n    from http.client import HTTPConnection",
            "import socket\nsocket.create_connection(('h', 80))",
            "from socket import socket",
            "import asyncio\nasyncio.open_connection('h', 80)",
        ],
    )
    def test_ways_around_it_are_seen(self, source):
        assert clients_in(source)

    @pytest.mark.parametrize(
        "source",
        ["from workflows.http import Door", "from urllib.parse import quote", "import socket\nsocket.gethostname()"],
    )
    def test_what_calls_nobody_is_left_alone(self, source):
        assert clients_in(source) == set()
