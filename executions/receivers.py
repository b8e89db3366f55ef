"""What executions do when something happens to their workflow."""

from __future__ import annotations

from django.dispatch import receiver

from executions import services
from workflows.models import Workflow, WorkflowStatus
from workflows.signals import status_changed


@receiver(status_changed)
def wake_what_the_pause_held(*, workflow: Workflow, previous: WorkflowStatus, **_: object) -> None:
    """Whatever a paused workflow becomes, what it accepted goes on."""
    if previous == WorkflowStatus.PAUSED:
        services.wake_parked(workflow)
