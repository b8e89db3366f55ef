"""The tool ``mcp.call``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workflows.http.secrets import Secrets
from workflows.nodes.base import Context, Effect, NodeError
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register
from workflows.tools.mcp.connecting import ServerArguments, connected
from workflows.tools.mcp.messages import MAX_TEXT_CHARS


class CallArguments(ServerArguments):
    """What ``mcp.call`` takes."""

    tool: Dynamic[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        description="The name of the tool on that server."
    )
    arguments: Dynamic[dict[str, Any]] = Field({}, description="The tool's arguments.")
    read_only: bool = Field(False, description="You know that this tool only reads: it may then be repeated freely.")


@register("mcp.call")
class McpCall(Tool[CallArguments]):
    """Call a tool of a server that speaks the Model Context Protocol.

    The output is ``{"content": […], "structured": …, "text": …}``: what the tool returned, its structured content (else null), and its
    texts together. A tool that says that it failed fails the node. Over HTTP each attempt carries the same ``Idempotency-Key``.
    """

    Arguments = CallArguments
    icon = "plug"
    items_at = "/structured"
    url_argument = "url"
    authors_alone = ("server", "token")
    example: ClassVar[dict[str, Any]] = {
        "url": "https://mcp.example.com/mcp",
        "token": "{{ secret('MCP_TOKEN') }}",
        "tool": "search_documents",
        "arguments": {"query": "{{ input.question }}"},
    }

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """A tool counts as one that writes, unless its caller knows better."""
        return Effect.READ if arguments.get("read_only", False) is True else Effect.WRITE

    def call(self, arguments: CallArguments, context: Context) -> dict[str, Any]:
        """Call it.

        :raises NodeError: ``mcp_tool_failed`` if the tool says so; ``mcp_error``, ``mcp_version``, ``mcp_broken``, ``mcp_input_required``,
            ``mcp_unknown_server``, ``mcp_not_started``, ``http_status``, ``timeout``, ``connection_lost``; else the door's own code.
        :raises Cancelled: if the engine abandoned the node.
        """
        secrets = Secrets(context)
        with connected(arguments, secrets, context) as client:
            result = client.call(arguments.tool, secrets.fill(arguments.arguments))
        content = result.get("content", [])
        if not isinstance(content, list):
            raise NodeError("mcp_broken", f"Tool `{arguments.tool[:100]}`: its content is no list.")
        texts = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
        text = "\n".join(each for each in texts if isinstance(each, str))
        if result.get("isError") is True:
            said: str = secrets.mask(text)
            raise NodeError(
                "mcp_tool_failed",
                f"Tool `{arguments.tool[:100]}` failed: {said[:MAX_TEXT_CHARS] or 'it does not say why.'}",
            )
        output: dict[str, Any] = secrets.mask(
            {"content": content, "structured": result.get("structuredContent"), "text": text}
        )
        return output
