from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        """Fill the catalogues of node types and tools, and choose where expressions are evaluated."""
        from workflows.expressions import InProcessSandbox, share
        from workflows.nodes.loading import load

        load()
        if settings.EXPRESSION_SANDBOX == "in_process":
            share(InProcessSandbox())
