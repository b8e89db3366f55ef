from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        """Listen to workflows and to Celery's worker processes, and add what must hold of the ledger."""
        import_module("executions.receivers")
        import_module("executions.processes")
        import_module("executions.spending.invariants")
