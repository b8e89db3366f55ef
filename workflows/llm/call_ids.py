"""The ids of tool calls, where a provider is particular about them."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import count

from workflows.llm.messages import AssistantMessage, AssistantPart, Message, ToolMessage, ToolResultPart


def with_plain_ids(messages: Sequence[Message]) -> Iterator[Message]:
    """Yield messages in which each tool call has an id of its own, of letters, digits, ``_`` and ``-``: Anthropic takes no others.

    A conversation may have begun with another server, which calls the calls of each answer the same, or ``functions.add:0``.
    """
    taken: set[str] = set()
    renamed: defaultdict[str, deque[str]] = defaultdict(deque)
    for message in messages:
        match message["role"]:
            case "assistant":
                renamed.clear()  # Results follow their calls at once.
                yield _with_calls_renamed(message, taken, renamed)
            case "tool":
                results: list[ToolResultPart] = [
                    {**part, "id": _next(renamed, part["id"])} for part in message["parts"]
                ]
                yield ToolMessage(role="tool", parts=results)
            case _:
                yield message


def _with_calls_renamed(
    message: AssistantMessage, taken: set[str], renamed: defaultdict[str, deque[str]]
) -> AssistantMessage:
    parts: list[AssistantPart] = []
    for part in message["parts"]:
        if part["type"] == "tool_call":
            plain = re.sub(r"[^a-zA-Z0-9_-]", "_", part["id"]) or "_"
            numbered = (f"{plain}_{number}" for number in count(2))
            new = plain if plain not in taken else next(each for each in numbered if each not in taken)
            taken.add(new)
            renamed[part["id"]].append(new)
            parts.append({**part, "id": new})
        else:
            parts.append(part)
    return AssistantMessage(role="assistant", parts=parts)


def _next(renamed: defaultdict[str, deque[str]], call_id: str) -> str:
    return renamed[call_id].popleft() if renamed[call_id] else call_id
