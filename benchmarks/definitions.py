"""The workflows that are measured."""

from __future__ import annotations

from typing import Any

from tests.builders import definition, node

# The body of every request: small, and with what the workflows read.
ORDER = {"total": 150, "customer": "c-17", "lines": [{"sku": "a", "quantity": 2}]}


def webhook_of_four(*, respond: str) -> dict[str, Any]:
    """W1: trigger, condition, transform, output."""
    return definition(
        "hook > check.big > shape > end",
        hook=node("trigger", {"kind": "webhook", "respond": respond}),
        check=node("condition", {"cases": [{"port": "big", "when": "{{ input.body.total > 100 }}"}]}),
        shape=_set("{{ trigger.body.total }}"),
        end=node("output", {"value": "{{ input.total }}"}),
    )


def chain(length: int, *, value: str) -> dict[str, Any]:
    """A webhook and a chain of transforms, each of which sets one field."""
    steps = [f"n{number}" for number in range(length)]
    return definition(
        " > ".join(["hook", *steps]),
        hook=node("trigger", {"kind": "webhook"}),
        **{step: _set("{{ trigger.body.total }}" if step == "n0" else value) for step in steps},
    )


def loop_of_one() -> dict[str, Any]:
    """A loop over as many items as the input says, with one transform in it."""
    return definition(
        "start > each > end",
        start=node("trigger", {"kind": "manual"}),
        each=node("loop", {"items": "{{ Array.from({length: trigger.count}, (_, n) => ({n})) }}", "results": "none"}),
        double=node("transform", {"steps": [{"operation": "set", "fields": {"done": "{{ item.n }}"}}]}, parent="each"),
        end=node("output", {"value": "{{ input.count }}"}),
    )


def parallel_calls(url: str, count: int) -> dict[str, Any]:
    """As many calls at once as are asked for."""
    arguments = {"method": "GET", "url": url}
    return definition(
        "start > each > end",
        start=node("trigger", {"kind": "manual"}),
        each=node("parallel", {"items": list(range(count)), "max_concurrent": count}),
        call=node("tool", {"tool": "http.request", "with": arguments}, parent="each"),
        end=node("output", {"value": "{{ input.count }}"}),
    )


def sleeper() -> dict[str, Any]:
    """Wait until the moment that the request names."""
    return definition(
        "hook > wait > end",
        hook=node("trigger", {"kind": "webhook"}),
        wait=node("delay", {"until": "{{ trigger.body.at }}"}),
        end=node("output", {"value": "{{ trigger.body.at }}"}),
        settings={"timeout_seconds": 3600},
    )


def call_of(url: str) -> dict[str, Any]:
    """One call to a service, that has an effect there."""
    arguments = {"method": "POST", "url": url, "json": {"total": "{{ trigger.body.total }}"}}
    return definition(
        "hook > call > end",
        hook=node("trigger", {"kind": "webhook"}),
        call=node("tool", {"tool": "http.request", "with": arguments}),
        end=node("output", {"value": "{{ input.status }}"}),
    )


def _set(value: str) -> dict[str, Any]:
    return node("transform", {"steps": [{"operation": "set", "fields": {"total": value}}]})
