"""A server of the Model Context Protocol, of either era, as strict as the specification allows; over HTTP and as a program.

Run as a program it speaks over its standard input and output: ``python -m tests.mcp legacy``.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"

TOOLS: list[dict[str, Any]] = [
    {"name": "add", "description": "Add two numbers.", "inputSchema": {"type": "object"}},
    {"name": "fail", "description": "Fail.", "inputSchema": {"type": "object"}},
    {
        "name": "route",
        "title": "Router",
        "inputSchema": {
            "type": "object",
            "properties": {
                "region": {"type": "string", "x-mcp-header": "Region"},
                "deep": {"type": "object", "properties": {"big": {"type": "boolean", "x-mcp-header": "Big"}}},
            },
        },
    },
    {"name": "ask", "inputSchema": {"type": "object"}},
]


class Refused(Exception):
    """An error of JSON-RPC."""

    def __init__(self, code: int, message: str, **data: Any) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


@dataclass
class Brain:
    """What a server knows and does, without a transport.

    :param versions: those that it speaks.
    """

    versions: tuple[str, ...] = ("2025-11-25",)
    is_ready: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_modern(self) -> bool:
        return MODERN in self.versions

    def answer(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a message, none to a notification."""
        method = message["method"]
        if "id" not in message:
            self.is_ready = self.is_ready or method == "notifications/initialized"
            return None
        try:
            result = self._result(method, message.get("params", {}))
        except Refused as refused:
            return {"jsonrpc": "2.0", "id": message["id"], "error": refused.error}
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self.is_modern:
            meta = params.get("_meta", {})
            if meta.get(f"{META}protocolVersion") not in self.versions:
                raise Refused(-32022, "Unsupported protocol version", supported=list(self.versions))
            assert meta[f"{META}clientCapabilities"] == {}
            assert meta[f"{META}clientInfo"]["name"] == "segue"
        elif method == "initialize":
            wanted = params["protocolVersion"]
            version = wanted if wanted in self.versions else self.versions[0]
            return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "test"}}
        elif not self.is_ready:
            raise Refused(-32602, "Received a request before the handshake was complete")
        match method:
            case "server/discover" if self.is_modern:
                return {
                    "resultType": "complete",
                    "supportedVersions": list(self.versions),
                    "_meta": {f"{META}serverInfo": {"name": "test"}},
                }
            case "tools/list":
                at = int(params.get("cursor", 0))
                following = {"nextCursor": str(at + 2)} if at + 2 < len(TOOLS) else {}
                return {"resultType": "complete", "tools": TOOLS[at : at + 2], **following}
            case "tools/call":
                self.calls.append(params)
                return self._call(params["name"], params["arguments"])
        raise Refused(-32601, f"Method not found: {method}")

    def _call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        match name:
            case "add":
                total = arguments["a"] + arguments["b"]
                return {"content": [{"type": "text", "text": str(total)}], "structuredContent": {"total": total}}
            case "fail":
                return {"content": [{"type": "text", "text": "There is no paper."}], "isError": True}
            case "echo":
                return {"content": [{"type": "text", "text": json.dumps(arguments)}]}
            case "route":
                return {"content": [{"type": "text", "text": arguments["region"]}]}
            case "ask":
                return {"resultType": "input_required", "inputRequests": {}}
            case "wait":
                time.sleep(3)
        raise Refused(-32602, f"Unknown tool: {name}")


class McpApplication:
    """The server over HTTP, as a WSGI application.

    :param streams: answer by a stream of events.
    :param stays_open: leave the stream open after the answer.
    """

    def __init__(self, brain: Brain, *, token: str = "", streams: bool = False, stays_open: bool = False) -> None:
        self.brain = brain
        self.methods: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.sessions: set[str] = set()
        self._token = token
        self._streams = streams
        self._stays_open = stays_open

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }

        def refuse(status: str, error: dict[str, Any] | None = None) -> list[bytes]:
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()] if error else [b""]

        if self._token and headers.get("authorization") != f"Bearer {self._token}":
            return refuse("401 Unauthorized")
        if environ["REQUEST_METHOD"] == "DELETE":
            self.sessions.discard(headers.get("mcp-session-id", ""))
            return refuse("200 OK")
        message = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.methods.append(message["method"])
        self.headers.append(headers)
        assert {"application/json", "text/event-stream"} <= {part.strip() for part in headers["accept"].split(",")}
        if (problem := self._problem(message, headers)) is not None:
            return refuse(*problem)
        answer = self.brain.answer(message)
        if answer is None:
            return refuse("202 Accepted")
        more = []
        if message["method"] == "initialize":
            self.sessions.add("session-1")
            more = [("Mcp-Session-Id", "session-1")]
        if self._streams:
            start_response("200 OK", [("Content-Type", "text/event-stream"), *more])
            return self._stream(answer)
        status = (
            "400 Bad Request" if self.brain.is_modern and answer.get("error", {}).get("code") == -32022 else "200 OK"
        )
        start_response(status, [("Content-Type", "application/json"), *more])
        return [json.dumps(answer).encode()]

    def _problem(self, message: dict[str, Any], headers: dict[str, str]) -> tuple[str, dict[str, Any] | None] | None:
        if not self.brain.is_modern:
            needs_session = message["method"] != "initialize"
            if needs_session and headers.get("mcp-session-id") not in self.sessions:
                return "400 Bad Request", {"code": -32000, "message": "Bad Request: no session"}
            if needs_session and headers.get("mcp-protocol-version") not in self.brain.versions:
                return "400 Bad Request", {"code": -32000, "message": "Bad Request: version"}
            return None
        params = message.get("params", {})
        expected = {"mcp-method": message["method"]}
        if message["method"] == "tools/call":
            expected["mcp-name"] = params["name"]
            if params["name"] == "route":
                expected["mcp-param-region"] = params["arguments"]["region"]
                expected["mcp-param-big"] = str(params["arguments"]["deep"]["big"]).lower()
        for name, value in expected.items():
            if _decoded(headers.get(name, "")) != value:
                return "400 Bad Request", {"code": -32020, "message": f"Header mismatch: {name}"}
        return None

    def _stream(self, answer: dict[str, Any]) -> Any:
        yield b": a comment\r\n\r\nid: 1\r\ndata:\r\n\r\n"
        progress = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
        yield f"event: message\ndata: {progress}\n\n".encode()
        text = json.dumps(answer, indent=1)
        lines = "".join(f"data: {line}\r\n" for line in text.split("\n")).encode()
        yield lines[: len(lines) // 2]
        yield lines[len(lines) // 2 :] + b"\r\n"
        if self._stays_open:
            for _ in range(100):
                time.sleep(0.1)
                yield b": still here\n\n"


def _decoded(value: str) -> str:
    if value.startswith("=?base64?") and value.endswith("?="):
        return base64.b64decode(value[9:-2]).decode()
    return value


def main() -> None:
    """Speak over standard input and output."""
    brain = Brain(versions=(MODERN,) if sys.argv[1] == "modern" else ("2025-06-18",))
    is_silent = "silent" in sys.argv
    if "slow" in sys.argv:
        time.sleep(2.5)
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("method") == "server/discover" and is_silent:
            continue
        if message.get("method") == "tools/call":
            _say(json.dumps({"jsonrpc": "2.0", "id": "s1", "method": "ping"}))
            pong = json.loads(sys.stdin.readline())
            assert pong == {"jsonrpc": "2.0", "id": "s1", "result": {}}
            if message["params"]["name"] == "flood":
                _say("x" * 20_000_000)
            if message["params"]["name"] == "end":
                return
        if "blank" in sys.argv:
            _say("\n" * 5_000)
        if "method" in message and (answer := brain.answer(message)) is not None:
            _say(json.dumps(answer))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
