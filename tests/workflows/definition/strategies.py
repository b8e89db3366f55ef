"""JSON for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

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
    ["{{ input.a }}", "{{ nodes.a.output }}", "{{", "{{ item }}", "{{ 1 + }}", "#/$defs/a", "PT5M", "* * * * *"]
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
