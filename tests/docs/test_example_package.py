"""docs/examples/segue-greetings: installed as its users would, found by its entry points, and used in an execution."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from executions import services
from tests.docs.pages import ROOT, blocks
from tests.executions.engine.carrying import carry
from tests.executions.engine.carrying import worker as worker
from tests.factories import WorkflowFactory
from workflows import catalogue
from workflows.nodes import base as nodes
from workflows.nodes.loading import load
from workflows.tools import base as tools

PACKAGE = ROOT / "docs" / "examples" / "segue-greetings"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the package into a folder of its own, and load what it adds."""
    folder = tmp_path_factory.mktemp("greetings")
    source, target = folder / "source", folder / "target"
    shutil.copytree(PACKAGE, source)
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--no-deps",
    ]
    subprocess.run([*command, "--no-build-isolation", "--target", target, source], check=True)
    sys.path.insert(0, str(target))
    try:
        load()
        yield target
    finally:
        sys.path.remove(str(target))
        nodes.catalogue().pop("greetings.mood", None)
        tools.catalogue().pop("greetings.write", None)
        for name in [name for name in sys.modules if name.split(".")[0] == "segue_greetings"]:
            del sys.modules[name]


@pytest.mark.usefixtures("installed")
class TestCatalogue:
    def test_has_the_node_type_with_all_that_a_form_needs(self) -> None:
        (entry,) = (entry for entry in catalogue.node_types() if entry.key == "greetings.mood")

        assert entry.description.startswith("Leave through `loud`")
        assert (entry.icon, entry.ports, entry.effect) == ("volume-2", ("calm", "loud"), "none")
        assert entry.config_schema["properties"]["text"]["description"]

    def test_has_the_tool(self) -> None:
        (entry,) = (entry for entry in catalogue.tool_entries() if entry.name == "greetings.write")

        assert (entry.icon, entry.effect) == ("smile", "read")
        assert entry.arguments_schema["properties"].keys() == {"name", "language"}

    @pytest.mark.django_db
    def test_tells_of_both_on_the_api(self, api) -> None:
        client = api("viewer")

        assert client.get("/api/tools/greetings.write/").json()["example"]["language"] == "fr"
        assert client.get("/api/node-types/greetings.mood/").json()["ports"] == ["calm", "loud"]


@pytest.mark.usefixtures("installed")
@pytest.mark.django_db(transaction=True)
class TestExecution:
    def start(self, name: str):
        (block,) = (block for block in blocks(PACKAGE / "README.md") if block.language == "json")
        workflow = WorkflowFactory(published=True, definition=json.loads(block.text))
        return services.start_manually(workflow, input={"name": name}, by=None, now=timezone.now())

    def test_uses_the_tool_and_the_node_type(self, worker) -> None:
        execution = carry(worker, self.start("Ann"))

        assert (execution.status, execution.result) == ("completed", "Hello, Ann!")
        assert execution.node_runs.get(node_id="listen").node_type == "greetings.mood"

    def test_fails_as_the_tool_says(self, worker) -> None:
        execution = carry(worker, self.start("Nobody"))

        assert (execution.status, execution.error["code"]) == ("failed", "nobody_there")
