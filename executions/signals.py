"""What the executions app announces. Sent with ``send`` inside the transaction: a receiver that raises undoes it."""

from __future__ import annotations

from django.dispatch import Signal

# An execution reached a terminal status. Arguments: execution (WorkflowExecution), now.
execution_ended = Signal()
