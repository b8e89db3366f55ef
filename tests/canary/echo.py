"""A service that remembers all that it was ever told, and repeats it to everybody, in every spelling."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit
from xml.sax.saxutils import escape

import httpx2

from tests.providers import FakeProvider

HANG_SECONDS = 120.0


class Echo:
    """Answers ``/echo`` with 200, ``/fail`` with 500, ``/feed`` with a feed, ``/mcp`` as an MCP server, ``/v1`` as a model.

    The model calls the tool ``repeat``, if it has one, and then says all that it was ever told.
    It never answers ``/hang``, and ``/stuck`` not before :meth:`release`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, None] = {}
        self._open = threading.Event()
        self.stuck = 0
        self._model = FakeProvider()
        self._model.start()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, name="echo", daemon=True).start()

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._model.stop()

    def release(self) -> None:
        """Let those go on that are stuck, and all that come."""
        self._open.set()

    def was_told(self, core: str) -> bool:
        """Whether a canary has come here: one that has not would prove nothing."""
        with self._lock:
            return any(core in text for text in self._told)

    def repeated(self) -> list[str]:
        """Return all that was told, in every spelling."""
        with self._lock:
            told = list(self._told)
        return [spelling for text in told for spelling in _spellings(text)]

    def think(self, path: str, body: str) -> tuple[int, str, bytes]:
        """Return what a model answers that knows all that was told: the status, the content type, the content."""
        call = {"when": {"has_tool": "repeat", "turn": 0}, "answer": {"tool_calls": [{"name": "repeat"}]}}
        self._model.play({"rules": [call], "default": {"text": " ".join(self.repeated())}})
        headers = {"Authorization": "Bearer any", "Content-Type": "application/json"}
        answer = httpx2.post(self._model.url + path, content=body, headers=headers, timeout=60, trust_env=False)
        return answer.status_code, answer.headers["content-type"], answer.content

    def _hear(self, *texts: str) -> None:
        with self._lock:
            self._told.update(dict.fromkeys(text for text in texts if "Cnry" in text))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
                parts = urlsplit(self.path)
                values = [value for _, value in parse_qsl(parts.query)]
                headers = [value.encode("latin-1").decode("utf-8", "replace") for value in self.headers.values()]
                echo._hear(*headers, *values, *_in_basic(headers), *_in_json(body), body)
                if parts.path == "/hang":
                    threading.Event().wait(HANG_SECONDS)
                if parts.path == "/stuck" and not echo._open.is_set():
                    with echo._lock:
                        echo.stuck += 1
                    echo._open.wait(HANG_SECONDS)
                if parts.path == "/mcp":
                    status, content = _mcp_answer(json.loads(body or "{}"), echo.repeated())
                    return self._say(status, "application/json", content)
                if parts.path.startswith("/v1/"):
                    return self._say(*echo.think(parts.path, body))
                self._send(500 if parts.path.startswith("/fail") else 200, feed=parts.path == "/feed")

            def _say(self, status: int, content_type: str, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _send(self, status: int, *, feed: bool) -> None:
                repeated = echo.repeated()
                told = _feed(repeated) if feed else json.dumps({"repeated": repeated}, ensure_ascii=False)
                content = told.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/rss+xml" if feed else "application/json")
                self.send_header("Content-Length", str(len(content)))
                # As UTF-8, which clients may take for Latin-1.
                self.send_header("X-Repeated", _one_line(repeated[:40]).encode().decode("latin-1"))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        for method in ("GET", "POST", "PUT", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.answer)
        return Handler


@contextmanager
def echoing() -> Iterator[Echo]:
    echo = Echo()
    try:
        yield echo
    finally:
        echo.close()


def _mcp_answer(asked: dict[str, Any], repeated: list[str]) -> tuple[int, bytes]:
    """Return what a server of the Model Context Protocol with two tools answers: one repeats, one fails."""
    if "id" not in asked:
        return 202, b""
    called = asked.get("params", {}).get("name")
    schema = {"type": "object"}
    results = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "echo", "version": "1"},
        },
        "tools/list": {
            "tools": [
                {"name": name, "description": " ".join(repeated), "inputSchema": schema} for name in ("repeat", "fail")
            ]
        },
        "tools/call": {"content": [{"type": "text", "text": " ".join(repeated)}], "isError": called == "fail"},
    }
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] in results:
        answer["result"] = results[asked["method"]]
    else:
        answer["error"] = {"code": -32601, "message": "Method not found"}
    return 200, json.dumps(answer).encode()


def _one_line(texts: list[str]) -> str:
    return " ".join(text for text in texts if text.isprintable())


def _spellings(text: str) -> list[str]:
    raw = text.encode()
    return [
        text,
        quote(text, safe=""),
        quote_plus(text),
        json.dumps(text),
        json.dumps(json.dumps(text)),
        html.escape(text),
        raw.hex(),
        raw.hex().upper(),
        *(base64.b64encode(b"x" * offset + raw).decode() for offset in range(3)),
        base64.urlsafe_b64encode(raw).decode(),
    ]


def _in_basic(headers: list[str]) -> list[str]:
    encoded = [value.removeprefix("Basic ") for value in headers if value.startswith("Basic ")]
    return [base64.b64decode(each).decode("utf-8", "replace") for each in encoded]


def _in_json(body: str) -> list[str]:
    try:
        found = json.loads(body)
    except ValueError:
        return []
    return [value for value in found.values() if isinstance(value, str)] if isinstance(found, dict) else []


def _feed(lines: list[str]) -> str:
    items = "".join(
        f"<item><guid>{number}</guid><title>{escape(''.join(filter(str.isprintable, line)))}</title></item>"
        for number, line in enumerate(lines)
    )
    return f"<rss version='2.0'><channel><title>{formatdate()}</title>{items}</channel></rss>"
