"""S-SSRF-7: nothing but the door talks to the outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("config", "projects", "workflows", "executions", "triggers", "templates_app")
DOOR = ROOT / "workflows" / "http"
# Clients of other protocols, each in one module: the door gives the address, and the bounds of the wait.
CLIENTS_OF_THEIR_OWN = {
    # They start the processes, and ask on this machine whether those are up.
    "config/supervisor/broker.py": {"socket"},
    "config/supervisor/listener.py": {"socket"},
    "config/supervisor/loopback.py": {"http.client", "urllib.request"},
    "config/supervisor/supervisor.py": {"socket"},
    "executions/live/streams.py": {"ssl", "socket"},  # Asks whether a caller of ours has hung up.
    "executions/waiting.py": {"psycopg.connect"},  # To Segue's own database.
    "workflows/fake_provider/server.py": {"socket"},  # Answers, and calls nobody.
    "workflows/llm/calling.py": {"openai", "anthropic", "pydantic_ai"},  # Over that transport.
    "workflows/llm/transport.py": {
        "httpx2"
    },  # Its types, with the door below them; see tests/workflows/llm/test_wire.py.
    "workflows/tools/email_send/sending.py": {"smtplib", "ssl", "django.core.mail"},  # To the operator's own.
    "workflows/tools/email_send/messages.py": {"django.core.mail"},  # What is sent there.
    "workflows/tools/feed_read.py": {"feedparser.parse"},  # Of bytes that the door has fetched.
    "workflows/tools/sql_query/connecting.py": {"psycopg.connect"},
}

CLIENTS = (
    *("httpx", "httpx2", "httpcore", "httpcore2", "h11", "requests", "urllib3", "aiohttp", "pycurl", "websockets"),
    *("urllib.request", "http.client", "xmlrpc", "ftplib", "smtplib", "poplib", "imaplib", "nntplib", "telnetlib"),
    *("ssl", "openai", "anthropic", "pydantic_ai", "genai_prices.update_prices", "genai_prices.UpdatePrices"),
    *("paramiko", "dns", "ldap3", "grpc", "aiosmtplib", "django.core.mail", "logging.handlers", "webbrowser"),
    *("boto3", "botocore", "google.cloud", "azure", "storages", "fsspec", "redis", "kombu.Connection", "amqp"),
    *("psycopg.connect", "psycopg.Connection.connect", "psycopg.AsyncConnection.connect", "psycopg_pool"),
    *("psycopg2", "asyncpg", "pymysql", "pymongo"),
    *(
        "feedparser.parse",
        "lxml",
        "xml.sax.parse",
        "xml.sax.make_parser",
        "xml.dom",
        "jwt.PyJWKClient",
        "pandas",
    ),  # They fetch, given a URL.
    *("socket", "socketserver", "_socket", "multiprocessing.connection", "asyncio.streams"),
    *("asyncio.open_connection", "asyncio.open_unix_connection", "asyncio.start_server"),
)
# Of them, what calls nobody.
HARMLESS = ("socket.gethostname",)
# Methods of event loops, whatever the loop is called.
METHODS_THAT_DIAL = {"create_connection", "create_datagram_endpoint", "create_unix_connection", "sock_connect"}


def _own_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what a module calls something that it imports, and the dotted name of that."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.asname, alias.name) for alias in names if alias.asname)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((alias.asname or alias.name, f"{module}.{alias.name}") for alias in names)


def names_used(source: str) -> Iterator[str]:
    """Yield the dotted names that a module imports or reads, whatever it calls them itself."""
    tree = ast.parse(source)
    own = dict(_own_names(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                # That of `socket` says nothing yet; what is read of it does.
                yield from (alias.name for alias in names if alias.name != "socket")
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (module if alias.name == "*" else f"{module}.{alias.name}" for alias in names)
            case ast.Call(func=ast.Name(id="import_module" | "__import__"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
                yield name
            case ast.Attribute(attr=attribute):
                name, _, rest = ast.unparse(node).partition(".")
                yield f"{own.get(name, name)}.{rest}"
                if attribute in METHODS_THAT_DIAL:
                    yield f"socket.{attribute}"


def clients_in(source: str) -> set[str]:
    return {
        client
        for name in names_used(source)
        if name not in HARMLESS
        for client in CLIENTS
        if name == client or name.startswith(f"{client}.")
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
            "import asyncio\nasyncio.get_running_loop().create_connection(f, 'h', 80)",
            "import socket as s\ns.socket()",
            "from socket import *",
            "import urllib\nurllib.request.urlopen('http://h')",
            "import importlib\nimportlib.import_module('httpx2')",
            "from importlib import import_module\nimport_module('http.client')",
            "from django.core.mail import send_mail",
            "import django.core.mail as m",
            "from logging.handlers import HTTPHandler",
            "import feedparser as f\nf.parse('http://h')",
            "from jwt import PyJWKClient",
            "from psycopg import Connection as C\nC.connect('')",
            "import redis",
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
