"""Every operation shows what it does, and does what it shows."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import problems
from tests.workflows.nodes.runs import node_type, output
from workflows.nodes.transform.node import Step, TransformConfig
from workflows.nodes.transform.operation import Operation

OPERATIONS: tuple[type[Operation], ...] = get_args(get_args(Step)[0])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name())
class TestEveryOperation:
    def test_does_what_its_example_shows(self, operation):
        example = operation.example

        step = {"operation": operation.name(), **example.settings}

        shown = output("transform", {"value": example.value, "steps": [step]})
        if isinstance(example.output, str) and example.output.endswith("…"):
            shown = f"{shown[: len(example.output) - 1]}…"
        assert shown == example.output

    def test_has_an_example_that_can_be_published(self, operation):
        step = {"operation": operation.name(), **operation.example.settings}

        assert problems(definition("start > it", it=node("transform", {"steps": [step]}))) == []

    def test_shows_it_in_the_catalogue(self, operation):
        described = node_type("transform").Config.model_json_schema()["$defs"][operation.__name__]

        assert described["examples"] == [{"operation": operation.name(), **operation.example.settings}]
        assert described["x-example"] == {"input": operation.example.value, "output": operation.example.output}

    def test_says_in_a_line_what_it_is_for(self, operation):
        first_line = (operation.__doc__ or "").splitlines()[0]

        assert first_line.endswith(".")
        assert len(first_line) <= 140


class TestOperations:
    def test_have_a_file_and_a_name_each(self):
        assert len({operation.__module__ for operation in OPERATIONS}) == len(OPERATIONS)
        assert len({operation.name() for operation in OPERATIONS}) == len(OPERATIONS)

    def test_have_all_a_place_in_the_node(self):
        def below(cls: type) -> set[type]:
            return {cls, *(deeper for child in cls.__subclasses__() for deeper in below(child))}

        concrete = {cls for cls in below(Operation) if "operation" in cls.__annotations__}

        assert concrete == set(OPERATIONS)
        assert "steps" in TransformConfig.model_fields
