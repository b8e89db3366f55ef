"""What whoever changes a workflow does first."""

from __future__ import annotations

from projects import locking
from workflows.exceptions import WorkflowArchived
from workflows.models import Workflow, WorkflowStatus


def locked(workflow: Workflow) -> Workflow:
    """Read a workflow's row, and let nobody else change it until the transaction's end.

    Two who publish, pause or change variables take turns. Without the key, so that executions can start meanwhile.

    :raises NotFound: if somebody has deleted it.
    """
    return locking.locked(workflow, no_key=True)


def refuse_archived(workflow: Workflow) -> None:
    """Do nothing, unless the workflow is read-only.

    :raises WorkflowArchived: if so.
    """
    if workflow.status == WorkflowStatus.ARCHIVED:
        raise WorkflowArchived(
            f"Workflow {workflow.name!r} is archived and read-only.", hint="Restore it from the archive first."
        )
