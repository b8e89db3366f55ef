"""Large outputs as the engine meets them: whatever goes wrong with a file is an error of a node."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from executions.exceptions import OutputNotKept, OutputUnreadable, StorageDown
from executions.outputs.files import read, write
from executions.outputs.reference import OutputFile
from projects.exceptions import SegueError
from workflows.nodes.base import NodeError


def opened(output: Any, node_id: str) -> Any:
    """Return an output of a node: itself, or what lies in its file.

    :raises NodeError: if the file is lost or changed; ``retryable`` if the storage cannot be reached now.
    """
    if type(output) is not OutputFile:
        return output
    try:
        return read(output, node_id=node_id)
    except OutputUnreadable as error:
        raise _node_error(error) from error
    except StorageDown as error:
        raise _node_error(error, retryable=True) from error


def put_away(value: Any, *, project_id: UUID, execution_id: UUID, now: datetime) -> OutputFile:
    """Write what a node has put out into a file.

    :raises NodeError: if the storage does not take it. Not to be retried by itself: the node has done its work.
    """
    try:
        return write(value, project_id=project_id, execution_id=execution_id, now=now)
    except OutputNotKept as error:
        raise _node_error(error) from error


def _node_error(error: SegueError, *, retryable: bool = False) -> NodeError:
    return NodeError(error.code, " ".join(filter(None, [error.message, error.hint])), retryable=retryable)
