"""JSON-RPC 2.0 as the Model Context Protocol uses it, in both of its eras.

Since revision 2026-07-28 each request says everything by itself ("modern"); before it, a handshake came first ("legacy").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from projects.exceptions import Invalid
from projects.payloads import parse_json
from workflows.nodes.base import NodeError

MODERN = ("2026-07-28",)
LEGACY = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")  # The newest first.
CLIENT = {"name": "segue", "version": "0.1.0"}
META = "io.modelcontextprotocol/"
MAX_BYTES = 10 * 1024 * 1024
MAX_JSON_KEYS = 500_000
MAX_TEXT_CHARS = 500

METHOD_NOT_FOUND = -32601
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
# Errors that only a modern server knows, so that one who says them is one.
MODERN_ERRORS = frozenset({HEADER_MISMATCH, -32021, UNSUPPORTED_VERSION})


@dataclass(frozen=True)
class Answer:
    """What a server said to one request: a result, or an error. Neither, if it said nothing that makes sense.

    :param status: of HTTP; 200 for other transports.
    """

    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def error_code(self) -> int | None:
        """The error's code, if there is an error that has one."""
        code = (self.error or {}).get("code")
        return code if isinstance(code, int) else None


def request(id: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": dict(params)}


def notification(method: str) -> dict[str, Any]:
    """Return a notification, which has no answer."""
    return {"jsonrpc": "2.0", "method": method}


def with_meta(params: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return parameters of a modern request: with the version, who asks, and that they can do nothing beyond asking."""
    meta = {f"{META}protocolVersion": version, f"{META}clientInfo": CLIENT, f"{META}clientCapabilities": {}}
    return {**params, "_meta": meta}


def read(text: bytes) -> Any:
    """Return a message from outside.

    :raises NodeError: ``mcp_broken`` if it is no JSON, or nested too deep.
    """
    try:
        return parse_json(text, max_bytes=MAX_BYTES, max_keys=MAX_JSON_KEYS, max_string_bytes=MAX_BYTES)
    except Invalid as error:
        raise NodeError("mcp_broken", f"The MCP server's answer is no valid JSON: {error.message}") from error


def answer_in(messages: Sequence[Any], id: int, *, status: int, headers: Mapping[str, str]) -> Answer | None:
    """Return the answer to a request among messages; the others are about what happens meanwhile.

    An error without an id is one too: the server could not even read whom it answers.
    """
    for message in messages:
        if not isinstance(message, dict) or "method" in message:
            continue
        result, error = message.get("result"), message.get("error")
        if message.get("id") == id and isinstance(result, dict):
            return Answer(result=result, status=status, headers=headers)
        if message.get("id") in (id, None) and isinstance(error, dict):
            return Answer(error=error, status=status, headers=headers)
    return None


class EventStream:
    """Reads server-sent events (WHATWG HTML, 9.2) piece by piece, and yields the data of each message."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []  # Of a line whose end has not come.
        self._is_after_return = False
        self._type = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the data of every message that is complete by now. Events of other types are not for a client of the protocol."""
        # A carriage return at the very end may have been half a line end.
        piece = piece.removeprefix(b"\n") if self._is_after_return else piece
        self._is_after_return = piece.endswith(b"\r")
        first, *others = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._begun.append(first)
        for other in others:
            yield from self._line(b"".join(self._begun))
            self._begun = [other]

    def _line(self, line: bytes) -> Iterator[bytes]:
        if not line:
            if self._data and self._type in (b"", b"message"):
                yield b"\n".join(self._data)
            self._type, self._data = b"", []
            return
        name, _, value = line.removeprefix(b"\xef\xbb\xbf").partition(b":")
        match name:
            case b"data":
                self._data.append(value.removeprefix(b" "))
            case b"event":
                self._type = value.removeprefix(b" ")


def as_node_error(answer: Answer, what: str) -> NodeError:
    """Return what a node fails with when a server answered with an error."""
    error = answer.error or {}
    said = " ".join(str(error.get("message") or "no reason").split())[:MAX_TEXT_CHARS]
    return NodeError(
        "mcp_error", f"{what}: the MCP server refused ({error.get('code')}): {said}", details={"error": dict(error)}
    )
