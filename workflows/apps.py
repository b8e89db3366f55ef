from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        """Fill the catalogues of node types and tools, and choose where expressions are evaluated."""
        from workflows.expressions import SCRIPT_LIMITS, InProcessSandbox, share, share_for_scripts
        from workflows.nodes.loading import load

        load()
        if settings.EXPRESSION_SANDBOX == "in_process":
            share(InProcessSandbox())
            share_for_scripts(InProcessSandbox(SCRIPT_LIMITS))
