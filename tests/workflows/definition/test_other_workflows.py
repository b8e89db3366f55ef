"""A draft that names workflows that are not there is told so before it is published."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from workflows.definition.other_workflows import Found
from workflows.definition.validation import check
from workflows.nodes.base import catalogue

PROJECT = {"Bill": Found.OTHER, "Me": Found.ITSELF}


class Finder:
    """A project with two workflows, that counts how often it is asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, names):
        self.asked.append(set(names))
        return {name: PROJECT.get(name, Found.NOTHING) for name in names}


def run(workflow):
    return node("tool", {"tool": "workflow.run", "with": {"workflow": workflow}})


def problems(find=None, **nodes):
    raw = definition("start > first > second", **nodes)
    found = check(raw, node_types=catalogue(), variables={}, find_workflows=find or Finder())
    return [(problem.code, problem.path) for problem in found]


class TestWorkflowProblems:
    @pytest.mark.parametrize("name", ["Bill", "Me", "{{ input.name }}", {"$literal": "Bill"}])
    def test_finds_nothing_wrong_with_those_that_are_there_and_those_that_are_not_known_yet(self, name):
        assert problems(first=run(name)) == []

    def test_says_where_one_is_named_that_is_not_there(self):
        assert problems(first=run("Bil"), second=run("Bill")) == [("unknown_workflow", "/nodes/1/config/with/workflow")]

    def test_says_that_it_may_be_published_later(self):
        raw = definition("start > first", first=run("Bil"))

        (problem,) = check(raw, node_types=catalogue(), variables={}, find_workflows=Finder())

        assert "no workflow with the name or id `Bil`" in problem.message
        assert problem.hint == "Create it first; it can be published later."

    def test_looks_for_the_error_workflow_too(self):
        assert problems(settings={"on_failure": {"workflow": "Nobody"}}) == [
            ("unknown_workflow", "/settings/on_failure/workflow")
        ]
        assert problems(settings={"on_failure": {"workflow": "Bill"}}) == []

    def test_a_workflow_is_not_its_own_error_workflow(self):
        assert problems(settings={"on_failure": {"workflow": "Me"}}) == [
            ("own_error_workflow", "/settings/on_failure/workflow")
        ]

    def test_asks_once_for_all(self):
        find = Finder()

        problems(find, first=run("Bill"), second=run("Me"), settings={"on_failure": {"workflow": "Bill"}})

        assert find.asked == [{"Bill", "Me"}]

    def test_asks_nothing_when_nothing_is_named(self):
        find = Finder()

        problems(find)

        assert find.asked == []

    @pytest.mark.parametrize("config", [None, [], {"tool": None}, {"tool": "workflow.run", "with": None}])
    def test_survives_every_draft(self, config):
        assert problems(first={"type": "tool", "config": config}) != []
