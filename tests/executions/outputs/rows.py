"""Rows whose outputs lie in files."""

from __future__ import annotations

from executions.outputs.files import write
from executions.outputs.reference import file_columns
from tests.clock import NOON
from tests.factories import ExecutionFactory, NodeRunFactory

VALUE = {"value": {"text": "x" * 1000, "title": "grüße"}, "status": None, "headers": {}}


def run_with_file(project):
    """Return a node run with a large output, which is the result of its execution."""
    execution = ExecutionFactory(ended=True, workflow_version__workflow__project=project)
    file = write(VALUE, project_id=project.pk, execution_id=execution.pk, now=NOON)
    run = NodeRunFactory(execution=execution, node_id="end", node_type="output", **file_columns(file))
    execution.result_in = run.pk
    execution.save(update_fields=["result_in"])
    return run
