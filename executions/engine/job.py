"""One node run that is being done, in place or in the pool."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from executions.engine.context import RunContext
from executions.engine.scopes import Pass
from executions.engine.versions import CompiledNode
from executions.models import WorkflowExecutionLog
from workflows.http import Cancelled, Postponed, abandonable
from workflows.http.secrets import bound_by
from workflows.nodes.base import Done, NodeError, Outcome

if TYPE_CHECKING:
    from executions.engine.turn import Turn

logger = logging.getLogger(__name__)


class Job:
    """A node run with all that it needs. Doing it touches neither the database nor the turn."""

    def __init__(
        self,
        turn: Turn,
        compiled: CompiledNode,
        here: Pass,
        row: WorkflowExecutionLog,
        *,
        config: BaseModel,
        context: RunContext,
        allowed: Callable[[], datetime],
    ) -> None:
        self.turn = turn
        self.compiled = compiled
        self.here = here
        self.row = row
        self.context = context
        self.deadline: datetime | None = None  # Known once it runs: it may have to wait for a thread first.
        self.config = config
        self._allowed = allowed
        self.put_off: Postponed | None = None  # A call of it has to wait: it is to run again then.
        self._outcome: Outcome | None = None
        self._error: NodeError | None = None

    @property
    def node_id(self) -> str:
        """The node that it runs."""
        return self.compiled.node.id

    @property
    def execution_id(self) -> UUID:
        """The execution that it belongs to."""
        return self.turn.execution.pk

    @property
    def is_abandoned(self) -> bool:
        """Whether its result will not be asked for."""
        return self.context.cancel.is_cancelled

    def do(self, *, may_begin: Callable[[], bool]) -> None:
        """Run the node and keep what comes of it. Never raises.

        :param may_begin: whether the lease is sure to hold long enough; else nothing is begun.
        """
        try:
            if not may_begin():
                raise NodeError("lease_unsure", "The worker could not renew its lease in time.", retryable=True)
            self.deadline = self._allowed()
            self.context.ends_at = time.monotonic() + (self.deadline - self.turn.now()).total_seconds()
            with abandonable(self.context.cancel), bound_by(self.context.filled_in):
                self._outcome = self._checked(self.compiled.type.run(self.config, self.context))
        except NodeError as error:
            self._error = error
        except Postponed as put_off:
            self.put_off = put_off
        except Cancelled:
            self._error = NodeError("abandoned", "The node was abandoned before it ended.")
        except BaseException as error:
            # Such as a sys.exit() of a library: it would end a thread of the pool, and nobody would ever hear of the job. In the
            # main thread it may be a signal's, which ends this process.
            if not isinstance(error, Exception) and threading.current_thread() is threading.main_thread():
                raise
            logger.exception("A node raised what it should not.", extra={"node_id": self.node_id})
            self._error = NodeError("node_fault", f"The node's own code failed with {type(error).__name__}.")

    def _checked(self, outcome: Any) -> Outcome:
        """Return an outcome, if it is one: node types of other packages may return anything."""
        if not isinstance(outcome, Outcome):
            message = f"The node's own code is wrong: it returned {type(outcome).__name__[:50]} instead of an outcome, Done(…)."
            raise NodeError("node_fault", message)
        if isinstance(outcome, Done) and (
            unknown := [port for port in outcome.ports if port not in self.compiled.ports]
        ):
            message = f"The node's own code is wrong: it leaves through {str(unknown[0])[:50]!r}, and has no such port."
            raise NodeError("node_fault", message)
        return outcome

    def result(self) -> Outcome:
        """Return what the node answered, unless it was put off.

        :raises NodeError: what it raised.
        """
        if self._error is not None:
            raise self._error
        assert self._outcome is not None  # noqa: S101 - do() came first.
        return self._outcome

    def abandon(self) -> None:
        """Let an outside call that is in flight end now. Its result will not be asked for."""
        self.context.cancel.cancel()
