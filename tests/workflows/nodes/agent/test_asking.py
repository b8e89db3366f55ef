"""The forms in which people look at what an agent wants to do, and change it."""

from __future__ import annotations

import pytest

from workflows.nodes.agent.asking import AS_JSON, form_of
from workflows.nodes.webhook.form import answer_problems

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}}
LIST = {"type": "object", "properties": {"texts": {"type": "array"}}}


class TestFormOf:
    @pytest.mark.parametrize(
        ("parameters", "arguments", "field"),
        [(TEXT, {"text": "a" * 50_000}, "text"), (LIST, {"texts": ["a" * 50_000]}, AS_JSON)],
    )
    def test_has_room_for_what_stands_in_it(self, parameters, arguments, field):
        form = form_of(parameters, arguments)

        filled_in = form["properties"][field]["default"]
        assert answer_problems(form, {field: filled_in}) == []
