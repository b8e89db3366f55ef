from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class TriggersConfig(AppConfig):
    name = "triggers"

    def ready(self) -> None:
        """Listen to workflows and executions, keep what they emit, and take part in every sweep and every check."""
        import_module("triggers.receivers")
        import_module("triggers.invariants")
        recovery = import_module("executions.engine.recovery")
        services = import_module("triggers.services")
        import_module("executions.emitting").register(services.plan_emission)
        recovery.register_sweeper(services.let_waiting_go)
        recovery.register_sweeper(services.fire_due_schedules)
        recovery.register_sweeper(services.carry_on_backfills)
        recovery.register_sweeper(services.remove_old_deliveries)
        recovery.register_sweeper(services.remove_old_tests)
        recovery.register_sweeper(services.remove_old_events)
        recovery.register_sweeper(import_module("triggers.polling.worker").look)
        recovery.register_sweeper(services.remove_old_skips)
