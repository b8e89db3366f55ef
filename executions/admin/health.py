"""The page that says whether the engine is well."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from executions import operations
from executions.admin.words import WAITS_FOR
from executions.health import health_context
from executions.models import BlockedOn
from projects.backoffice import values
from projects.backoffice.panels import panels_of

PERMISSION = "executions.view_workflowexecution"
# Apps above add their panels to this page by this name.
OPERATIONS = "operations"


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
