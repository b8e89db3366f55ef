from __future__ import annotations

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        """Fill the catalogues of node types and tools."""
        from workflows.nodes.loading import load

        load()
