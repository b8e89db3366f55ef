"""Running executions again from a node, from their list or their page, with what is asked on a page of its own."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
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
from workflows.admin.fields import JsonField


class RerunForm(forms.Form):
    """From where, and with what."""

    from_node = forms.CharField(
        label="From node", required=False, max_length=64, help_text="Its id. Left out, everything runs again."
    )
    iteration = forms.CharField(
        label="Pass",
        required=False,
        max_length=100,
        help_text="Of a node in a loop or a parallel: 3, or 3.1. Of a scope itself, the pass that begins anew.",
    )
    version = forms.IntegerField(
        label="Version", required=False, min_value=1, max_value=2**31 - 1, help_text="Left out, the one that ran."
    )
    input = JsonField(label="Input", required=False, rows=6, help_text="JSON. Left out, what it was.")
    outputs = JsonField(
        label="Outputs", required=False, rows=6, help_text='Of nodes before that node: {"fetch": {"total": 7}}.'
    )

    def clean_outputs(self) -> dict[str, Any]:
        """Return other outputs by node id."""
        outputs = self.cleaned_data["outputs"]
        if outputs is not None and not isinstance(outputs, dict):
            raise ValidationError("It is an object: an output for each node id.")
        return outputs or {}


@admin.action(description="Run again from…", permissions=["operate"])
def rerun_from(page: Any, request: HttpRequest, executions: QuerySet[WorkflowExecution]) -> HttpResponse | None:
    """Ask from where and with what, and run each of the executions again."""
    form = RerunForm(request.POST) if "confirmed" in request.POST else RerunForm(initial={"input": "", "outputs": ""})
    if form.is_bound and form.is_valid():
        for_each(request, executions, lambda request, execution: _rerun(request, execution, form.cleaned_data))
        return None
    context = {
        **page.admin_site.each_context(request),
        "title": "Run again",
        "opts": page.opts,
        "form": form,
        "action": "rerun_from",
        "executions": list(executions[:20]),
        "chosen": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "select_across": request.POST.get("select_across", "0"),
    }
    return TemplateResponse(request, "admin/segue/rerun.html", context)


rerun_from.applies = lambda execution: execution.has_ended  # type: ignore[attr-defined]


def _rerun(request: HttpRequest, execution: WorkflowExecution, asked: dict[str, Any]) -> SafeString:
    again = services.rerun_execution(
        execution,
        by=Actor.of(request),
        now=timezone.now(),
        input=services.SAME if asked["input"] is None else asked["input"],
        number=asked["version"],
        from_node=asked["from_node"] or None,
        iteration=asked["iteration"],
        outputs=asked["outputs"],
    )
    return format_html("runs again as {}.", values.link(again))
