"""``workflow.run`` asks the engine to start another workflow; it does nothing itself."""

from __future__ import annotations

import pytest

from tests.workflows.nodes.runs import FakeContext, configured
from workflows.catalogue import tool_entries
from workflows.nodes.base import Effect, NodeError, StartWorkflow, catalogue


def run(context=None, **arguments):
    tool_node = catalogue()["tool"]
    config = {"tool": "workflow.run", "with": arguments}
    return tool_node.run(configured(tool_node, config, {}), context or FakeContext())


class TestCall:
    def test_waits_unless_told_otherwise(self):
        assert run(workflow="Bill", input={"total": 7}) == StartWorkflow("Bill", {"total": 7}, wait=True, trigger=None)

    def test_can_let_go_and_name_the_trigger(self):
        assert run(workflow="Bill", wait=False, trigger="start") == StartWorkflow(
            "Bill", {}, wait=False, trigger="start"
        )

    def test_hands_on_no_secret_however_deep_it_lies(self):
        with pytest.raises(NodeError) as raised:
            run(FakeContext(secrets={"TOKEN": "t0ken"}), workflow="Bill", input={"with": ["a ⟦TOKEN⟧"]})

        assert raised.value.code == "secret_refused"

    @pytest.mark.parametrize(
        ("arguments", "where"),
        [
            ({}, "/with/workflow"),
            ({"workflow": ""}, "/with/workflow"),
            ({"workflow": "Bill", "input": [1]}, "/with/input"),
            ({"workflow": "Bill", "wait": "yes"}, "/with/wait"),
            ({"workflow": "Bill", "trigger": "No Slug"}, "/with/trigger"),
            ({"workflow": "Bill", "inputs": {}}, "/with/inputs"),
        ],
    )
    def test_refuses_what_does_not_fit(self, arguments, where):
        with pytest.raises(NodeError, match=where) as raised:
            run(**arguments)

        assert raised.value.code == "invalid_config"


class TestWorkflowRun:
    def test_is_in_the_catalogue(self):
        entry = next(entry for entry in tool_entries() if entry.name == "workflow.run")

        assert entry.description == "Run another workflow of the project, and wait for its result."
        assert entry.effect == "write"

    def test_its_effect_is_to_write(self):
        assert catalogue()["tool"].effect({"tool": "workflow.run", "with": {"workflow": "Bill"}}) is Effect.WRITE


class TestWorkflows:
    def test_names_the_workflow_that_is_written_out(self):
        tool_node = catalogue()["tool"]

        assert tool_node.workflows({"tool": "workflow.run", "with": {"workflow": "Bill"}}) == [
            ("/with/workflow", "Bill")
        ]

    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"tool": 7},
            {"tool": "no.such"},
            {"tool": "workflow.run"},
            {"tool": "workflow.run", "with": []},
            {"tool": "workflow.run", "with": {"workflow": 7}},
            {"tool": "http.request", "with": {"workflow": "Bill"}},
        ],
    )
    def test_names_nothing_else(self, config):
        assert catalogue()["tool"].workflows(config) == []
