"""Two workers, one for each queue: each takes what is its own, woken by a bell of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import installed
from tests.journeys.conftest import KINDS

LOOKS_SELDOM = {"ENGINE_SWEEP_SECONDS": "600"}

DEFINITION = {
    "schema": 1,
    "nodes": [
        {"id": "start", "type": "trigger", "config": {"kind": "manual"}},
        {"id": "end", "type": "output", "config": {"value": "done"}},
    ],
    "edges": [{"source": "start", "target": "end"}],
}

# Publishes the same once more, as a version with an agent would be.
MAKE_IT_AN_AGENTS = """
from workflows.models import Workflow, WorkflowVersion
workflow = Workflow.objects.get(pk="{workflow_id}")
version = WorkflowVersion.objects.get(workflow=workflow, number=1)
version.pk, version._state.adding, version.number, version.has_agent = None, True, 2, True
version.id = __import__("projects.ids").ids.new_id()
version.save()
Workflow.objects.filter(pk=workflow.pk).update(version=2)
"""


@pytest.fixture(scope="module", params=KINDS)
def segue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Return an installation of which only the web process runs."""
    folder: Path = tmp_path_factory.mktemp(f"queues-{request.param}")
    with installed(request.param, folder, request.getfixturevalue("broker")) as running:
        running.start("web", ENGINE_IN_PLACE="0")
        yield running


@pytest.fixture(scope="module")
def workflows(segue):
    """Return a workflow without an agent, and one whose newest version counts as one with an agent."""
    ordinary, agents = (segue.publish(name, DEFINITION) for name in ("Ordinary", "Agents"))
    segue.manage("shell", "--verbosity=0", "-c", MAKE_IT_AN_AGENTS.format(workflow_id=agents))
    return ordinary, agents


@pytest.fixture(autouse=True)
def no_worker_stays(segue):
    """End the workers of each test with it, and let them strike themselves off the list."""
    yield
    for name in ("worker", "worker-2"):
        if name in segue.names():
            segue.terminate(name)


def test_each_worker_takes_what_is_its_own(segue, workflows):
    ordinary, agents = (segue.run(workflow_id) for workflow_id in workflows)
    assert (ordinary["queue"], agents["queue"]) == ("default", "agents")

    segue.launch("worker", WORKER_QUEUES="agents")
    assert segue.ended(agents["id"], seconds=60)["status"] == "completed"
    assert segue.execution(ordinary["id"])["status"] == "pending"

    # It serves agents alone, so the other one says, once it has waited for a while, that nobody will take it.
    segue.wait_for(
        lambda: "No worker serves the queue default" in segue.execution(ordinary["id"])["blocked_detail"],
        seconds=60,
        what="the execution to say that no worker serves its queue",
    )

    segue.launch("worker-2", WORKER_QUEUES="default")
    assert segue.ended(ordinary["id"], seconds=60)["status"] == "completed"


def test_each_worker_is_woken_by_its_own_bell(segue, workflows):
    segue.launch("worker", WORKER_QUEUES="agents", **LOOKS_SELDOM)
    segue.launch("worker-2", WORKER_QUEUES="default", **LOOKS_SELDOM)

    # They look for themselves in five minutes at the earliest: what is done before was rung for.
    for workflow_id in workflows:
        segue.wait_for(
            lambda workflow_id=workflow_id: segue.run(workflow_id, wait_seconds=2)["status"] == "completed",
            seconds=120,
            what="an execution to be done as soon as it came",
        )
