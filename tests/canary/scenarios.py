"""One scenario for each node type and each tool. A new one without a scenario makes the canary test fail.

To add one: an entry in :data:`NODES` or :data:`TOOLS` that returns the node as it works, and as it fails. Where secrets may stand, let
it take ``{{ secret('NAME') }}`` and call the echo service, which repeats whatever it was ever told. ``nodes.tell.output`` is what the
service has answered to a node before, with all secrets in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.builders import definition, loop, node, parallel


class Pair(NamedTuple):
    """A node that works, and the same kind that fails."""

    works: dict[str, Any]
    fails: dict[str, Any]
    # What is attached to them as tools, by its id.
    attached: dict[str, dict[str, Any]] = {}


# A file that is there from the beginning.
FILE = "first.json"
OWN = "{{ secret('OWN_1') }}"
HEARD = "nodes.tell.output.body.repeated"
ABSENT = "{{ nodes.tell.output.body.nothing.here }}"


def request(url: str, **more: Any) -> dict[str, Any]:
    """Return a call that tells the service secrets in every way that it knows."""
    arguments = {
        "method": "POST",
        "url": url,
        "query": {"key": "{{ secret('PROJECT_1') }}"},
        "headers": {"X-Key": "{{ secret('PROJECT_2') }}", "X-Own": "{{ secret('OWN_1') }}"},
        "auth": {"type": "basic", "username": "alice", "password": "{{ secret('PROJECT_3') }}"},
        "json": {f"SECRET_{number}": f"{{{{ secret('{name}') }}}}" for number, name in enumerate(TOLD_IN_JSON)},
    }
    return node("tool", {"tool": "http.request", "with": arguments | more})


TOLD_IN_JSON = (
    *(f"PROJECT_{number}" for number in range(4, 10)),
    *(f"OWN_{number}" for number in range(2, 6)),
    "CONNECTION",
    "KEY_FILE",
)

Scenario = Callable[[str], Pair]

NODES: dict[str, Scenario] = {
    "trigger": lambda url: Pair(node("delay", {"for_seconds": 0}), node("delay", {"for_seconds": ABSENT})),
    "condition": lambda url: Pair(
        node("condition", {"cases": [{"port": "main", "when": f"{{{{ {HEARD}.length > 0 }}}}"}]}),
        node("condition", {"cases": [{"port": "main", "when": f"{{{{ {HEARD}[0] }}}}"}]}),
    ),
    "transform": lambda url: Pair(
        node("transform", {"value": f"{{{{ {HEARD} }}}}", "steps": SIGN_EACH}),
        node("transform", {"value": f"{{{{ {HEARD} }}}}", "steps": [{"operation": "map", "to": "{{ item.a.b }}"}]}),
    ),
    "delay": lambda url: Pair(node("delay", {"for_seconds": 1}), node("delay", {"for": f"{{{{ {HEARD}[0] }}}}"})),
    "loop": lambda url: Pair(
        loop({"items": f"{{{{ {HEARD} }}}}"}, "each", each=node("transform", SET_FIELD)),
        loop({"items": f"{{{{ {HEARD} }}}}"}, "each", each=node("delay", {"for": "{{ item }}"})),
    ),
    "parallel": lambda url: Pair(
        parallel({"items": f"{{{{ {HEARD}.slice(0, 20) }}}}"}, "each", each=node("transform", SET_FIELD)),
        parallel({"items": f"{{{{ {HEARD}.slice(0, 20) }}}}"}, "each", each=node("delay", {"for": "{{ item }}"})),
    ),
    "tool": lambda url: Pair(request(f"{url}/echo"), request(f"{url}/fail")),
    "webhook": lambda url: Pair(
        node("webhook", {"action": "respond", "value": f"{{{{ {HEARD} }}}}"}),
        node("webhook", {"action": "respond", "status": f"{{{{ {HEARD}[0] }}}}"}),
    ),
    "webhook send": lambda url: Pair(
        node("webhook", SEND | {"url": f"{url}/echo?key={OWN}"}),
        node("webhook", SEND | {"url": f"{url}/fail?key={OWN}"}),
    ),
    # In a scope, which goes on whichever way its node is left.
    "webhook wait": lambda url: Pair(
        parallel({}, "wait", wait=node("webhook", WAIT)),
        node("webhook", {"action": "wait", "timeout": f"{{{{ {HEARD}[0] }}}}"}),
    ),
    "webhook approve": lambda url: Pair(
        parallel({}, "ask", ask=node("webhook", APPROVE)),
        node("webhook", {"action": "approve", "title": f"{{{{ {HEARD}.join(' ') }}}}"}),
    ),
    # The model's key is a secret; what the tool brings, and what the model says, holds all of them.
    "agent": lambda url: Pair(
        node("agent", THINK | {"models": [{"provider": "openai", "base_url": f"{url}/v1", **MODEL}]}),
        node("agent", THINK | {"models": [{"provider": "anthropic", "base_url": f"{url}/fail", **MODEL}]}),
        {"repeat": {**request(f"{url}/echo"), "as_tool": {"description": "What was told."}}},
    ),
    "output": lambda url: Pair(
        node("output", {"value": f"{{{{ {HEARD} }}}}", "headers": {"X-Heard": f"{{{{ String({HEARD}.length) }}}}"}}),
        node("output", {"status": f"{{{{ {HEARD}[0] }}}}"}),
    ),
}

MODEL = {"model": "any", "api_key": OWN, "headers": {"X-Team": "{{ secret('OWN_2') }}"}}
THINK = {
    "instructions": f"{{{{ {HEARD}.join(' ').slice(0, 20000) }}}}",
    "prompt": f"{{{{ {HEARD}.join(' ').slice(0, 20000) }}}}",
    "memory": {"key": "canary"},
}

SEND = {
    "action": "send",
    "secret": "{{ secret('SIGNING') }}",
    # Not all that was heard: the service would repeat that it was told what it had repeated, and so on.
    "payload": {"told": OWN, "heard": f"{{{{ {HEARD}.length }}}}"},
    "headers": {"X-Key": OWN},
}
WAIT = {"action": "wait", "timeout": "PT2S", "on_timeout": "port", "proof": {"header": "X-Proof", "secret": OWN}}
APPROVE = {
    "action": "approve",
    "title": "Heard",
    "message": f"{{{{ {HEARD}.join(' ').slice(0, 5000) }}}}",
    "details": f"{{{{ {HEARD} }}}}",
    "timeout": "PT2S",
    "on_timeout": "approve",
}
SIGN_EACH = [
    {"operation": "map", "to": "{{ ({heard: item}) }}"},
    {"operation": "hash", "field": "heard", "into": "digest", "key": "{{ secret('OWN_1') }}"},
]
SET_FIELD = {"value": "{{ {item} }}", "steps": [{"operation": "set", "fields": {"heard": "{{ item.item }}"}}]}


def _tool(name: str, works: dict[str, Any], fails: dict[str, Any]) -> Pair:
    return Pair(node("tool", {"tool": name, "with": works}), node("tool", {"tool": name, "with": fails}))


TOOLS: dict[str, Scenario] = {
    "http.request": NODES["tool"],
    "feed.read": lambda url: _tool(
        "feed.read",
        {"url": f"{url}/feed?key={{{{ secret('OWN_1') }}}}"},
        {"url": f"{url}/echo?key={{{{ secret('OWN_1') }}}}"},
    ),
    "workflow.run": lambda url: _tool(
        "workflow.run",
        {"workflow": "child", "input": {"heard": f"{{{{ {HEARD} }}}}"}},
        {"workflow": "failing child", "input": {"heard": f"{{{{ {HEARD} }}}}"}},
    ),
    "event.emit": lambda url: _tool(
        "event.emit",
        {"name": "canary.heard", "data": f"{{{{ {HEARD} }}}}"},
        {"name": f"{{{{ {HEARD}[0] }}}}", "data": f"{{{{ {HEARD} }}}}"},
    ),
    "email.send": lambda url: _tool(
        "email.send",
        {"to": "alice@example.com", "subject": "Heard", "text": f"{{{{ {HEARD}.join(' ') }}}}"},
        {"to": f"{{{{ {HEARD}[0] }}}}", "subject": "Heard", "text": "{{ secret('OWN_1') }}"},
    ),
    # A database answers with what it was sent, and quotes it when it cannot read it.
    "sql.query": lambda url: _tool(
        "sql.query",
        {"connection": "{{ secret('DATABASE') }}", "sql": "SELECT $1::text AS heard", "parameters": [OWN]},
        {"connection": "{{ secret('DATABASE') }}", "sql": "SELECT $1::text::int AS heard", "parameters": [OWN]},
    ),
    "mcp.call": lambda url: _tool(
        "mcp.call",
        {"url": f"{url}/mcp", "token": OWN, "tool": "repeat", "arguments": {"told": OWN}},
        {"url": f"{url}/mcp", "token": OWN, "tool": "fail", "arguments": {"told": OWN}},
    ),
    "mcp.tools": lambda url: _tool(
        "mcp.tools", {"url": f"{url}/mcp", "token": OWN}, {"url": f"{url}/fail", "token": OWN}
    ),
    "storage.write": lambda url: _tool(
        "storage.write",
        {"name": "heard.json", "json": f"{{{{ {HEARD} }}}}"},
        {"name": "secret.txt", "text": OWN},
    ),
    "storage.read": lambda url: _tool("storage.read", {"name": FILE}, {"name": f"{{{{ {HEARD}[0] }}}}"}),
    "storage.list": lambda url: _tool("storage.list", {}, {"folder": f"{{{{ {HEARD}[0] }}}}"}),
    "storage.delete": lambda url: _tool("storage.delete", {"name": "nothing.txt"}, {"name": f"{{{{ {HEARD}[0] }}}}"}),
}

MODES = ("success", "failure", "timeout", "crash")
TRIES_ONCE = {"max_attempts": 1}


def made_for(scenario: Scenario, mode: str, url: str) -> dict[str, Any]:
    """Return a definition: tell the service the secrets, do what the scenario is about, and end as the mode says."""
    works, fails, attached = scenario(url)
    ways = [f"{name} -o it" for name in attached]
    tell = request(f"{url}/echo")
    end = node("output", {"value": "{{ nodes.tell.output }}"})
    if mode == "success":
        return definition("start > tell > it > end", *ways, tell=tell, it=works, end=end, **attached)
    if mode == "failure":
        once = {} if "body" in fails else {"retry": TRIES_ONCE}  # A scope is not tried again as a whole.
        return definition("start > tell > it", *ways, tell=tell, it={**fails, **once}, **attached)
    if mode == "timeout":
        late = request(f"{url}/hang", timeout_seconds=20)
        return definition(
            "start > tell > it > late > end",
            *ways,
            **attached,
            tell=tell,
            it=works,
            late={**late, "timeout_seconds": 2, "retry": TRIES_ONCE},
            end=end,
        )
    stuck = request(f"{url}/stuck")
    return definition("start > tell > it > stuck > end", *ways, tell=tell, it=works, stuck=stuck, end=end, **attached)
