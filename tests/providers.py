"""The fake provider in tests, and short ways to say what it says.

``with FakeProvider(script) as provider:`` runs one on a free port: ``provider.openai_url``, ``.anthropic_url``, ``.requests``
(what it was asked, in order), ``.play(script)``, ``.forget()``. How scripts look: docs/how-to/test-agents.md.
"""

from __future__ import annotations

from typing import Any

from workflows.fake_provider import FakeProvider

__all__ = ["FakeProvider", "calls", "fails", "says"]


def says(text: str, **more: Any) -> dict[str, Any]:
    """Return an answer of text."""
    return {"text": text, **more}


def calls(tool: str, call_id: str | None = None, **arguments: Any) -> dict[str, Any]:
    """Return an answer that calls one tool."""
    call = {"name": tool, "arguments": arguments}
    return {"tool_calls": [call if call_id is None else {**call, "id": call_id}]}


def fails(status: int, *, retry_after: float | None = None, message: str = "") -> dict[str, Any]:
    """Return an answer that is an error."""
    return {"error": {"status": status, "message": message, "retry_after": retry_after}}
