"""The engine's health in a few figures, for the first page of the admin."""

from __future__ import annotations

from typing import Any

from django import template

from executions.health import health_context

register = template.Library()


@register.inclusion_tag("admin/segue/health.html")
def engine_health() -> dict[str, Any]:
    """Show what is due, and how the last hour went."""
    return health_context()
