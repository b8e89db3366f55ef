"""An execution as a picture: its version's graph, and what became of each node."""

from __future__ import annotations

from executions.models import WorkflowExecution
from executions.states import node_states
from workflows.drawing import draw


def picture_of(execution: WorkflowExecution) -> str:
    """Return an execution as SVG, with everything escaped that its version holds."""
    version = execution.workflow_version
    try:
        states = node_states(execution)
    except ValueError:  # The version is no definition; its drawing shows what there is.
        states = {}
    title = f"{execution.workflow_name} {version.label}: {execution.status}"
    return draw(version.definition, states=states, title=title)
