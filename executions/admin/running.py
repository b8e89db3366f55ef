"""Starting workflows by hand, from their list or their page, with an input: what is published, or the draft."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from executions import services
from executions.models import WorkflowExecution
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import for_each
from projects.clients import client_address, client_user_agent
from workflows.admin.fields import JsonField
from workflows.models import Workflow, WorkflowStatus


class RunForm(forms.Form):
    """What to start with."""

    input = JsonField(label="Input", rows=10, help_text="JSON that fits the workflow's inputs.")
    trigger = forms.CharField(
        label="Begin at", required=False, max_length=64, help_text="The id of a trigger node, where there are several."
    )


@admin.action(description="Run…", permissions=["operate"])
def run(page: Any, request: HttpRequest, workflows: QuerySet[Workflow]) -> HttpResponse | None:
    """Ask for the input, and start each of the workflows with it."""
    return _asking(page, request, workflows, services.start_manually, action="run", what="the newest version")


@admin.action(description="Try the draft…", permissions=["change"])
def try_draft(page: Any, request: HttpRequest, workflows: QuerySet[Workflow]) -> HttpResponse | None:
    """Ask for the input, and run each of the workflows' drafts with it."""
    return _asking(page, request, workflows, services.start_test, action="try_draft", what="the draft, as it stands,")


def _asking(
    page: Any,
    request: HttpRequest,
    workflows: QuerySet[Workflow],
    start: Callable[..., WorkflowExecution],
    *,
    action: str,
    what: str,
) -> HttpResponse | None:
    form = RunForm(request.POST) if "confirmed" in request.POST else RunForm(initial={"input": {}})
    if form.is_bound and form.is_valid():
        for_each(request, workflows, lambda request, workflow: _start(request, workflow, start, form.cleaned_data))
        return None
    context = {
        **page.admin_site.each_context(request),
        "title": "Run by hand",
        "opts": page.opts,
        "form": form,
        "action": action,
        "what": what,
        "workflows": list(workflows[:20]),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "select_across": request.POST.get("select_across", "0"),
    }
    return TemplateResponse(request, "admin/segue/run.html", context)


run.applies = lambda workflow: workflow.status in services.RUNNABLE  # type: ignore[attr-defined]
try_draft.applies = lambda workflow: workflow.status != WorkflowStatus.ARCHIVED  # type: ignore[attr-defined]


def _start(
    request: HttpRequest, workflow: Workflow, start: Callable[..., WorkflowExecution], asked: dict[str, Any]
) -> SafeString:
    execution = start(
        workflow,
        input=asked["input"],
        node_id=asked["trigger"] or None,
        by=Actor.of(request),
        now=timezone.now(),
        ip_address=client_address(request),
        user_agent=client_user_agent(request),
    )
    return format_html("started as {}.", values.link(execution))


# The page of workflows lies below and knows nothing of executions.
_workflow_page = admin.site.get_model_admin(Workflow)
_workflow_page.actions = (run, try_draft, *(_workflow_page.actions or ()))
