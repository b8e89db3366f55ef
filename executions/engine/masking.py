"""Masking what comes to an execution from outside while no worker has it."""

from __future__ import annotations

from executions.engine.versions import compiled
from executions.models import WorkflowExecution
from projects.masking import Masker
from workflows.services import secrets_of


def masker_of(execution: WorkflowExecution) -> Masker:
    """Return what knows every secret that an execution's version mentions: nodes may have sent them to whoever calls back."""
    names = compiled(execution.workflow_version_id).secrets
    found = secrets_of(execution.workflow, names) if names else {}
    return Masker(secret.value for secret in found.values())
