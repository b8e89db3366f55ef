"""What the workflows app announces. Sent with ``send`` inside the transaction: a receiver that raises undoes it."""

from __future__ import annotations

from django.dispatch import Signal

# A draft became a version. Arguments: version (WorkflowVersion), by (projects.access.Actor or None), now.
version_published = Signal()

# A workflow's status changed. Arguments: workflow (Workflow, with its new status), previous (WorkflowStatus), now.
status_changed = Signal()
