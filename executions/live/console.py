"""Live events on a terminal."""

from __future__ import annotations

import re
import time
from typing import Any
from uuid import UUID

from django.core.management.base import OutputWrapper

from executions.live.events import Event, Kind
from executions.live.reader import Reader, looks
from executions.models import Approval, BlockedOn, WorkflowExecution
from executions.services import approvals

# What models and services say must not steer the terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def watch(execution_id: UUID, *, seconds: float, out: OutputWrapper) -> WorkflowExecution:
    """Print what happens to an execution until it has ended or the time is over, and return it as it is then.

    :raises WorkflowExecution.DoesNotExist: if it is not there, or was removed meanwhile.
    """
    until = time.monotonic() + seconds
    printer = _Printer(out)
    for events in looks(Reader(execution_id)):
        for event in events:
            printer.show(event)
        if time.monotonic() > until:
            break
    printer.end_line()
    return WorkflowExecution.objects.get(pk=execution_id)


class _Printer:
    """Prints events as lines, and texts as they come: several answers at once take turns."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out
        self._names: dict[str, str] = {}
        self._speaker: str | None = None  # Whose text the present line is.
        self._asked: set[UUID] = set()  # Approvals that were told of.

    def show(self, event: Event) -> None:
        match event.kind:
            case Kind.EXECUTION:
                self._execution(event.data)
            case Kind.NODE_RUN:
                self._node_run(event.data)
            case Kind.TEXT:
                self._text(event.data)

    def end_line(self) -> None:
        if self._speaker is not None:
            self._write("")
            self._speaker = None

    def _execution(self, told: dict[str, Any]) -> None:
        if told["blocked_detail"]:
            self.end_line()
            self._write(f"  ({told['blocked_on']}: {told['blocked_detail']})")
        if told["blocked_on"] in (BlockedOn.APPROVAL, BlockedOn.BUDGET):
            self._approvals(told["id"])

    def _approvals(self, execution_id: str) -> None:
        waiting = Approval.objects.open().filter(execution=UUID(execution_id)).exclude(pk__in=self._asked)
        for approval in waiting.only("pk").order_by("created_at", "id"):
            self._asked.add(approval.pk)
            self._write(f"  decide at {approvals.url_of(approval)}")

    def _node_run(self, told: dict[str, Any]) -> None:
        self.end_line()
        state = "waiting" if told["waits_for"] else told["status"]
        where = f" in pass {told['iteration']}" if told["iteration"] else ""
        problem = f"  {told['error'].get('message', '')}" if told["error"] else ""
        self._names[told["id"]] = told["node_id"] + where
        self._write(f"  {state:<10} {told['node_id']}{where} (attempt {told['attempt']}){problem}")

    def _text(self, told: dict[str, Any]) -> None:
        speaker = told["node_run"]
        if speaker != self._speaker or told["reset"]:
            self.end_line()
            self._write(f"  {self._names.get(speaker, speaker)}: ", ending="")
            self._speaker = speaker
        self._write(told["text"], ending="")
        self._out.flush()

    def _write(self, text: str, *, ending: str = "\n") -> None:
        self._out.write(_CONTROLS.sub("\ufffd", text), ending=ending)
