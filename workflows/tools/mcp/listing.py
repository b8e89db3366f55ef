"""The tool ``mcp.tools``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from workflows.http.secrets import Secrets
from workflows.nodes.base import Context, Effect
from workflows.tools.base import Tool, register
from workflows.tools.mcp.connecting import ServerArguments, connected


class ListArguments(ServerArguments):
    """What ``mcp.tools`` takes."""


@register("mcp.tools")
class McpTools(Tool[ListArguments]):
    """List the tools of a server that speaks the Model Context Protocol.

    The output is ``{"server": {…}, "tools": [{"name": …, "title": …, "description": …, "input_schema": {…}, "output_schema": …}]}``, as the
    server describes itself and them. What it says is text from outside.
    """

    Arguments = ListArguments
    icon = "plug"
    items_at = "/tools"
    url_argument = "url"
    authors_alone = ("server", "token")
    item_key = "{{ item.name }}"
    example: ClassVar[dict[str, Any]] = {
        "url": "https://mcp.example.com/mcp",
        "token": "{{ secret('MCP_TOKEN') }}",
    }

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Looking changes nothing."""
        return Effect.READ

    def call(self, arguments: ListArguments, context: Context) -> dict[str, Any]:
        """List them.

        :raises NodeError: as ``mcp.call``.
        :raises Cancelled: if the engine abandoned the node.
        """
        secrets = Secrets(context)
        with connected(arguments, secrets, context) as client:
            found = client.tools()
        output: dict[str, Any] = secrets.mask(
            {
                "server": dict(client.server),
                "tools": [
                    {
                        "name": tool.get("name"),
                        "title": tool.get("title"),
                        "description": tool.get("description"),
                        "input_schema": tool.get("inputSchema"),
                        "output_schema": tool.get("outputSchema"),
                    }
                    for tool in found
                ],
            }
        )
        return output
