"""Senders that wait for the result, or for what a node answers earlier. Each holds a thread, and some are left to answer everybody else."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import Error as AnyDatabaseError

from executions.exceptions import OutputUnreadable, StorageDown
from executions.models import WorkflowExecution
from executions.services import answer_of, early_answer_of
from executions.waiting import places, wait_for_answer, wait_for_end

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class End:
    """What a sender waited for: the end of an execution, with what its output node made, if one ran; or what a node answered
    before that."""

    execution: WorkflowExecution
    answer: Mapping[str, Any] | None
    is_early: bool = False


def end_of(execution: WorkflowExecution, *, by_node: bool = False) -> End | None:
    """Return how an execution has ended; None if it has not, or if that cannot be told. It is accepted all the same.

    :param by_node: whether a node's answer counts as well, and first.
    """
    try:
        if by_node and (early := early_answer_of(execution)) is not None:
            return End(execution, early, is_early=True)
        if not execution.has_ended:
            return None
        return End(execution, answer_of(execution))
    except (AnyDatabaseError, OutputUnreadable, StorageDown):
        logger.exception("Could not read the answer of an execution.", extra={"execution_id": str(execution.pk)})
        return None


def end_within(execution_id: UUID, seconds: float, *, by_node: bool = False) -> End | None:
    """Return how an execution ends, if it does so in time; None if it does not, or if too many wait already.

    Whatever goes wrong here, the execution is accepted, and the sender must hear that.

    :param by_node: whether a node's answer counts as well.
    """
    if not places.acquire(blocking=False):
        return None
    try:
        execution = (wait_for_answer if by_node else wait_for_end)(execution_id, timeout=seconds)
        return end_of(execution, by_node=by_node)
    except (AnyDatabaseError, WorkflowExecution.DoesNotExist):
        logger.exception("Could not wait for the end of an execution.", extra={"execution_id": str(execution_id)})
        return None
    finally:
        places.release()
