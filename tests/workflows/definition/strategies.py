"""JSON for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from workflows.definition.schema import Concurrency, Definition, Edge, Node, OnFailure, RetryPolicy, Settings

# A slow machine is no failure.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
# Keys and words that mean something in a definition, so that random JSON gets further than its first check.
words = st.sampled_from(
    [
        "schema",
        "nodes",
        "edges",
        "inputs",
        "settings",
        "ui",
        "id",
        "type",
        "name",
        "config",
        "retry",
        "timeout_seconds",
        "on_error",
        "join",
        "parent",
        "on",
        "when_lost",
        "concurrency",
        "max",
        "key",
        "on_limit",
        "on_failure",
        "workflow",
        "items",
        "while",
        "accumulator",
        "initial",
        "next",
        "break_when",
        "done_when",
        "loop",
        "parallel",
        "disabled",
        "notes",
        "source",
        "target",
        "source_port",
        "transform",
        "timezone",
        "max_attempts",
        "backoff",
        "base_seconds",
        "max_seconds",
        "jitter",
        "kind",
        "path",
        "methods",
        "auth",
        "scheme",
        "header",
        "body_schema",
        "cron",
        "start_date",
        "end_date",
        "cases",
        "port",
        "when",
        "else",
        "for_seconds",
        "for",
        "until",
        "value",
        "status",
        "headers",
        "tool",
        "with",
        "steps",
        "operation",
        "fields",
        "where",
        "to",
        "by",
        "manual",
        "webhook",
        "schedule",
        "trigger",
        "condition",
        "transform",
        "delay",
        "output",
        "main",
        "error",
        "data",
        "processed_data",
        "action",
        "set",
        "filter",
        "sort",
        "aggregate",
        "merge",
        "split_out",
        "map",
        "a",
        "b",
        "c",
        "$literal",
        "$ref",
        "$defs",
        "properties",
        "object",
    ]
) | st.sampled_from(
    [
        "{{ input.a }}",
        "{{ nodes.a.output }}",
        "{{",
        "{{ item }}",
        "{{ scopes.a.item + accumulator }}",
        "{{ 1 + }}",
        "#/$defs/a",
        "PT5M",
        "* * * * *",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | words
)
any_json: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=5) | st.dictionaries(words | texts, below, max_size=5),
    max_leaves=25,
)


# Definitions of every shape, whether or not they make sense.
slugs = st.sampled_from(["a", "b", "start", "n_1"])
retry_policies = st.builds(
    RetryPolicy,
    max_attempts=st.none() | st.integers(1, 10),
    backoff=st.sampled_from(["exponential", "fixed"]),
    base_seconds=st.sampled_from([0.5, 1.0, 60.0]),
    jitter=st.booleans(),
    on=st.none() | st.lists(slugs, min_size=1, unique=True).map(tuple),
    when_lost=st.sampled_from(["again", "fail"]),
)
nodes = st.builds(
    Node,
    id=slugs,
    type=words,
    name=st.just("A name"),
    config=st.dictionaries(words, any_json, max_size=3),
    retry=st.none() | retry_policies.filter(lambda policy: policy != RetryPolicy()),
    timeout_seconds=st.none() | st.sampled_from([0.5, 3600.0]),
    on_error=st.sampled_from(["fail", "continue", "port"]),
    join=st.sampled_from(["all", "any"]),
    parent=st.none() | slugs,
    disabled=st.booleans(),
    notes=texts,
)
edges = st.builds(
    Edge,
    source=slugs,
    target=slugs,
    source_port=slugs,
    type=st.sampled_from(["data", "tool", "processed_data", "action", "condition"]),
    transform=st.none() | texts,
)
endings = st.lists(st.sampled_from(["failed", "timeout", "cancelled"]), min_size=1, unique=True).map(tuple)
definitions = st.builds(
    Definition,
    nodes=st.lists(nodes, max_size=4).map(tuple),
    edges=st.lists(edges, max_size=4).map(tuple),
    inputs=st.none() | st.dictionaries(words, any_json, max_size=2),
    settings=st.builds(
        Settings,
        timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
        timeout_seconds=st.none() | st.integers(1, 100),
        concurrency=st.none()
        | st.builds(
            Concurrency,
            max=st.integers(1, 10),
            key=st.none() | texts,
            on_limit=st.sampled_from(["queue", "skip", "cancel_oldest"]),
        ),
        on_failure=st.none() | st.builds(OnFailure, workflow=slugs, on=endings),
    ),
    ui=st.dictionaries(words, any_json, max_size=2),
)


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """A value in which a few places have been replaced, removed or added to."""
    for _ in range(draw(st.integers(1, 4))):
        value = _mutated(draw, value)
    return value


def _mutated(draw: st.DrawFn, value: Any) -> Any:
    if draw(st.integers(0, 5)) and isinstance(value, dict) and value:
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 4)) == 0:
            return {other: item for other, item in value.items() if other != key} | draw(
                st.dictionaries(words, any_json, max_size=1)
            )
        return {**value, key: _mutated(draw, value[key])}
    if draw(st.integers(0, 5)) and isinstance(value, list) and value:
        index = draw(st.integers(0, len(value) - 1))
        if draw(st.integers(0, 4)) == 0:
            return [*value, value[index]]
        return [*value[:index], _mutated(draw, value[index]), *value[index + 1 :]]
    return draw(any_json)
