from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        """Register the system checks and beat's ticks."""
        import_module("config.checks").register_all()
        import_module("config.ticks").connect()
