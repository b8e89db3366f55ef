"""``manage.py load_model_prices``: know what models cost."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from executions.spending.prices import load_prices


class Command(BaseCommand):
    help = (
        "Load the prices of models that come with Segue (genai-prices; nothing is asked from outside). Prices that operators "
        "have set stay as they are. Safe to run again."
    )

    def handle(self, **_: Any) -> None:
        loaded = load_prices(now=timezone.now())
        self.stdout.write(
            f"Prices: {loaded.created} new, {loaded.updated} updated, {loaded.removed} removed, {loaded.unchanged} unchanged."
        )
