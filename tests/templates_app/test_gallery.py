"""Every template that comes with Segue, as it lies in its file. What they do is told in ``gallery/``."""

from __future__ import annotations

import json
import re
from itertools import combinations

import pytest

from templates_app.files import read_gallery
from workflows.definition.validation import check
from workflows.drawing.placement import CARD_SIZE
from workflows.expressions import shared_evaluator
from workflows.nodes.base import catalogue

FILES = {file.slug: file for file in read_gallery()}
BY_SLUG = pytest.mark.parametrize("file", FILES.values(), ids=FILES)


def test_there_are_twenty_one():
    assert sorted(FILES) == [
        "contact-import",
        "customer-answers",
        "daily-issue-digest",
        "delayed-follow-up",
        "failure-email",
        "feed-to-chat",
        "file-report",
        "github-to-chat",
        "invoice-approval",
        "issue-triage",
        "lead-intake",
        "order-batch",
        "order-fulfilment",
        "order-lookup",
        "order-of-a-batch",
        "order-refund",
        "order-webhook",
        "rates-to-postgresql",
        "research-and-post",
        "sheet-tasks",
        "website-health-check",
    ]


def test_together_they_show_every_node_type_that_there_is():
    used = {node["type"] for file in FILES.values() for node in file.workflow_definition["nodes"]}

    assert used == set(catalogue())


def test_names_are_unique():
    assert len({file.name for file in FILES.values()}) == len(FILES)


def test_workflows_that_one_names_are_made_by_another():
    """A template that belongs to another one finds the other's workflow by the name that installing gives it."""
    named = {
        node["config"]["with"]["workflow"]
        for file in FILES.values()
        for node in file.workflow_definition["nodes"]
        if node["config"].get("tool") == "workflow.run"
    }

    assert named
    assert named <= {file.name for file in FILES.values()}


@BY_SLUG
class TestTemplate:
    def test_can_be_published(self, file):
        problems = check(
            file.workflow_definition,
            node_types=catalogue(),
            variables={variable.name: variable.is_secret for variable in file.required_variables},
            compile=shared_evaluator().check,
        )

        assert problems == []

    def test_asks_for_nothing_that_it_does_not_use(self, file):
        text = json.dumps(file.workflow_definition)
        used = set(re.findall(r"vars\.([A-Z_0-9]+)", text)) | set(re.findall(r"secret\('([A-Z_0-9]+)'\)", text))

        assert {variable.name for variable in file.required_variables} == used

    def test_names_the_models_that_it_asks(self, file):
        """What is asked without changes: the default where the name is a variable."""
        defaults = {f"{{{{ vars.{each.name} }}}}": each.default for each in file.required_variables if each.has_default}
        agents = [node["config"] for node in file.workflow_definition["nodes"] if node["type"] == "agent"]
        asked = {model["model"] for agent in agents for model in agent["models"]}

        assert set(file.required_models) == {defaults.get(name, name) for name in asked}

    def test_says_what_each_variable_must_be(self, file):
        assert all(variable.value_schema for variable in file.required_variables)

    def test_places_every_node_and_no_two_on_each_other(self, file):
        positions = file.workflow_definition["ui"]["positions"]
        width, height = CARD_SIZE

        assert set(positions) == {node["id"] for node in file.workflow_definition["nodes"]}
        for (one, here), (other, there) in combinations(positions.items(), 2):
            is_apart = abs(here["x"] - there["x"]) > width or abs(here["y"] - there["y"]) > height
            assert is_apart, f"{one} and {other} lie on each other"

    def test_is_one_of_ours(self, file):
        assert (file.author, file.is_verified) == ("Segue", True)
        assert file.tags
