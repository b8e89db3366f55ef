"""The page that says whether the engine is well."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from executions import operations
from executions.admin.words import WAITS_FOR
from executions.engine.clock import database_now
from executions.models import BlockedOn
from projects.backoffice import values
from projects.backoffice.counting import TooSlow, patience
from projects.backoffice.panels import panels_of

PERMISSION = "executions.view_workflowexecution"
# Apps above add their panels to this page by this name.
OPERATIONS = "operations"


# Executions that wait longer than this for a worker wait too long.
LATE = timedelta(seconds=30)


@require_safe
def operations_view(request: HttpRequest) -> HttpResponse:
    """Show what is due, who works, what waits for what, and whether the broker answers."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    context = health_context()
    engine, now = context["engine"], context["now"]
    context |= {
        **admin.site.each_context(request),
        "title": "Operations",
        "waiting": [(name, count, WAITS_FOR[BlockedOn(name)]) for name, count in engine.waiting.items()]
        if engine
        else [],
        "owners": [(owner, values.ago(owner.expires_at, now=now)) for owner in engine.owners] if engine else [],
        "processes": [(process, values.ago(process.seen_at, now=now)) for process in engine.processes]
        if engine
        else [],
        "broker": operations.broker(),
        "panels": panels_of(OPERATIONS, request, now),
    }
    return TemplateResponse(request, "admin/segue/operations.html", context)


def health_context() -> dict[str, Any]:
    """Return how the engine is, for a template; ``engine`` is None when the database is too busy to say."""
    now = database_now()
    try:
        with patience():
            engine = operations.operations(now)
    except TooSlow:
        return {"engine": None, "now": now}
    return {
        "engine": engine,
        "now": now,
        "due_since": values.ago(engine.due_since, now=now),
        "is_late": engine.due_since is not None and now - engine.due_since > LATE,
    }
