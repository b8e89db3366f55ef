"""A conversation with one MCP server, of either era, over any transport."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from workflows.nodes.base import NodeError
from workflows.tools.mcp import messages
from workflows.tools.mcp.http import header_value
from workflows.tools.mcp.messages import HEADER_MISMATCH, LEGACY, MODERN, MODERN_ERRORS, UNSUPPORTED_VERSION, Answer

MAX_PAGES = 50
MAX_TOOLS = 2_000
# A program of the older era may say nothing at all to what it does not know.
PROBE_SECONDS = 2.0


class Transport(Protocol):
    """How messages get to a server and back."""

    speaks_http: bool

    def ask(self, message: Mapping[str, Any], headers: Mapping[str, str], *, seconds: float | None = None) -> Answer:
        """Send a request and return its answer."""

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a notification."""

    def settle(self, version: str, first: Answer) -> None:
        """Keep what a handshake has settled."""

    def close(self) -> None:
        """Take leave."""


class Client:
    """Speaks with a server. :meth:`begin` comes first.

    :param call_headers: go with calls of tools, where there are headers.
    """

    def __init__(self, transport: Transport, *, call_headers: Mapping[str, str]) -> None:
        self._transport = transport
        self._call_headers = call_headers
        self._asked = 0
        self._modern = ""  # The version, if the server is of that era.
        self.server: Mapping[str, Any] = {}

    def begin(self) -> None:
        """Find out what the server speaks, and shake hands if it wants to.

        :raises NodeError: ``mcp_version`` if there is no version that both know; what the transport says.
        """
        self._modern = MODERN[0]
        answer = self._ask("server/discover", {}, seconds=PROBE_SECONDS if not self._transport.speaks_http else None)
        if self._is_modern(answer):
            return
        offered, self._modern = _offered(answer), ""
        if answer.error_code in MODERN_ERRORS and not set(LEGACY) & set(offered):
            raise _no_common_version(offered)
        self._shake_hands()

    def _is_modern(self, answer: Answer) -> bool:
        common = [version for version in MODERN if version in _offered(answer)]
        if common:
            self._modern = common[0]
            result = answer.result or {}
            named = result.get("serverInfo") or _object(result.get("_meta")).get(f"{messages.META}serverInfo")
            self.server = _object(named)
        return bool(common)

    def tools(self) -> list[Mapping[str, Any]]:
        """Return the server's tools, as it describes them.

        :raises NodeError: ``mcp_error``, ``mcp_broken``; what the transport says.
        """
        found: list[Mapping[str, Any]] = []
        cursor: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            result = self._result("tools/list", cursor, what="Listing the tools")
            page = result.get("tools")
            if not isinstance(page, list) or not all(isinstance(tool, dict) for tool in page):
                raise NodeError("mcp_broken", "The MCP server's list of tools is none.")
            found += page
            if not (following := result.get("nextCursor")) or len(found) >= MAX_TOOLS:
                return found[:MAX_TOOLS]
            cursor = {"cursor": following}
        return found

    def call(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Call a tool and return its result, as the server gives it.

        :raises NodeError: ``mcp_error``, ``mcp_input_required``, ``mcp_broken``; what the transport says.
        """
        params = {"name": name, "arguments": dict(arguments)}
        answer = self._ask("tools/call", params, self._call_headers)
        if answer.error_code == HEADER_MISMATCH and self._modern and self._transport.speaks_http:
            # The tool wants some of its arguments in headers too; nothing has been done yet.
            named = next((tool for tool in self.tools() if tool.get("name") == name), {})
            wanted = _parameter_headers(_object(named.get("inputSchema")), arguments)
            answer = self._ask("tools/call", params, {**self._call_headers, **wanted})
        result = _result_of(answer, what=f"Tool `{name[:100]}`")
        if result.get("resultType") == "input_required":
            raise NodeError(
                "mcp_input_required", f"Tool `{name[:100]}` asks a person for more, and there is none here."
            )
        return result

    def _shake_hands(self) -> None:
        params = {"protocolVersion": LEGACY[0], "capabilities": {}, "clientInfo": messages.CLIENT}
        answer = self._ask("initialize", params)
        if self._is_modern(answer):
            return  # It has only begun too late to answer the first question in time.
        result = _result_of(answer, what="The handshake")
        version = result.get("protocolVersion")
        if version not in LEGACY:
            raise _no_common_version([str(version)[:40]])
        self.server = _object(result.get("serverInfo"))
        self._transport.settle(version, answer)
        self._transport.tell(messages.notification("notifications/initialized"))

    def _result(self, method: str, params: Mapping[str, Any], *, what: str) -> Mapping[str, Any]:
        return _result_of(self._ask(method, params), what=what)

    def _ask(
        self,
        method: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        self._asked += 1
        own: dict[str, str] = {}
        if self._modern:
            own = {"MCP-Protocol-Version": self._modern, "Mcp-Method": method}
            if "name" in params:
                own["Mcp-Name"] = header_value(params["name"])
            params = messages.with_meta(params, self._modern)
        message = messages.request(self._asked, method, params)
        return self._transport.ask(message, {**own, **(headers or {})}, seconds=seconds)


def _offered(answer: Answer) -> list[str]:
    if answer.error_code == UNSUPPORTED_VERSION:
        versions = _object((answer.error or {}).get("data")).get("supported")
    else:
        versions = (answer.result or {}).get("supportedVersions")
    return [version for version in versions if isinstance(version, str)] if isinstance(versions, list) else []


def _result_of(answer: Answer, *, what: str) -> Mapping[str, Any]:
    if answer.result is not None:
        return answer.result
    if answer.error is not None:
        raise messages.as_node_error(answer, what)
    raise NodeError(
        "mcp_broken",
        f"{what}: the answer (status {answer.status}) is none of the Model Context Protocol. Look whether the URL is that of the "
        "server's MCP endpoint.",
    )


def _parameter_headers(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers that mirror arguments, where a tool's schema asks for it (``x-mcp-header``)."""
    found: dict[str, str] = {}
    for name, described in _object(schema.get("properties")).items():
        value, wanted = arguments.get(name), _object(described).get("x-mcp-header")
        if isinstance(value, dict):
            found |= _parameter_headers(_object(described), value)
        elif isinstance(wanted, str) and isinstance(value, str | int):
            text = str(value).lower() if isinstance(value, bool) else str(value)
            found[f"Mcp-Param-{wanted}"] = header_value(text)
    return found


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _no_common_version(offered: list[str]) -> NodeError:
    return NodeError(
        "mcp_version",
        f"The MCP server speaks {', '.join(offered) or 'no version that it names'}; Segue speaks {', '.join((*MODERN, *LEGACY))}.",
    )
