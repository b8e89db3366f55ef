"""The admin's pages of prices, budgets and the ledger, and what the pages of projects and workflows show of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from executions import statistics as all_statistics
from executions.spending import budgets, prices, statistics
from executions.spending.models import Budget, ModelCall, ModelPrice
from executions.spending.pricing import plain
from executions.spending.statistics import ModelFigures
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.counting import TooSlow, patience
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import Page, ReadOnlyPage
from projects.backoffice.panels import panel
from projects.backoffice.searching import found_by_id
from projects.models import Project
from workflows.models import Workflow

PERMISSION = "executions.view_modelcall"
MOST_MODELS = 20

_PRICE = ("provider", "model", "valid_from", "input", "cached_input", "cache_write", "output", "note")


@admin.register(ModelPrice)
class ModelPricePage(Page[ModelPrice]):
    """What models cost. Those that come with Segue are read; one that an operator adds goes before them."""

    list_display = ("model", "provider", "valid_from", "input", "cached_input", "cache_write", "output", "source")
    list_filter = ("source", "provider")
    search_fields = ("model", "provider")
    search_help_text = "A part of the model's or the provider's name."
    fields = (*_PRICE, "source", "created_by", "created_at")
    readonly_fields = ("source", "created_by", "created_at")

    def has_change_permission(self, request: HttpRequest, obj: ModelPrice | None = None) -> bool:
        return (obj is None or obj.is_operators) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: ModelPrice | None = None) -> bool:
        return (obj is None or obj.is_operators) and super().has_delete_permission(request, obj)

    def save_model(
        self, request: HttpRequest, obj: ModelPrice, form: forms.ModelForm[ModelPrice], change: bool
    ) -> None:
        by = Actor.of(request)
        asked: dict[str, Any] = {name: form.cleaned_data[name] for name in _PRICE}
        if change:
            prices.change_price(obj, by=by, **asked)
        else:
            obj.pk = prices.set_price(by=by, now=timezone.now(), **asked).pk

    def delete_model(self, request: HttpRequest, obj: ModelPrice) -> None:
        prices.delete_price(obj, by=Actor.of(request))


@admin.register(Budget)
class BudgetPage(Page[Budget]):
    """How much models may cost."""

    list_display = ("__str__", "project_link", "period", "amount", "timezone", "created_at")
    list_select_related = ("project", "workflow")
    list_filter = ("period", ProjectFilter)
    search_fields = ("project__name", "workflow__name")
    search_help_text = "A part of the project's or the workflow's name."
    autocomplete_fields = ("project", "workflow")

    def get_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        settled = ("spent", "reserved", "created_at", "updated_at") if obj else ()
        return ("project", "workflow", "period", "amount", "timezone", *settled)

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        return ("project", "workflow", "period", "spent", "reserved", "created_at", "updated_at") if obj else ()

    @admin.display(description="project")
    def project_link(self, budget: Budget) -> SafeString | str:
        return values.link(budget.project)

    @admin.display(description="spent now")
    def spent(self, budget: Budget) -> str:
        standing = budgets.standings([budget], now=timezone.now())[budget.pk]
        if standing is None:
            return values.NOTHING
        unknown = f", and {standing.unknown_calls} calls of unknown cost" if standing.unknown_calls else ""
        return f"{plain(standing.spent)} USD{unknown}"

    @admin.display(description="reserved now")
    def reserved(self, budget: Budget) -> str:
        standing = budgets.standings([budget], now=timezone.now())[budget.pk]
        return values.NOTHING if standing is None else f"{plain(standing.reserved)} USD"

    def save_model(self, request: HttpRequest, obj: Budget, form: forms.ModelForm[Budget], change: bool) -> None:
        by, asked = Actor.of(request), form.cleaned_data
        if change:
            budgets.change_budget(obj, by=by, amount=asked["amount"], timezone=asked["timezone"])
        else:
            obj.pk = budgets.create_budget(**asked, by=by, now=timezone.now()).pk

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        budgets.delete_budget(obj, by=Actor.of(request))


@admin.register(ModelCall)
class ModelCallPage(ReadOnlyPage[ModelCall]):
    """The ledger."""

    list_display = (
        "model",
        "status_shown",
        "project_link",
        "workflow_link",
        "agent_id",
        "tokens",
        "reserved",
        "cost",
        "created_at",
    )
    list_select_related = ("project", "workflow")
    list_filter = ("status", "provider", "is_test", ProjectFilter)
    search_fields = ("model",)
    search_help_text = "A part of the model's name, or the id of a call or of an execution."
    fields = (
        "project_link",
        "workflow_link",
        "execution_link",
        "agent_id",
        "node_id",
        "iteration",
        "attempt",
        "provider",
        "base_url",
        "model",
        "status_shown",
        "reserved",
        "cost",
        "input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "is_test",
        "created_at",
        "settled_at",
    )
    readonly_fields = ("project_link", "workflow_link", "execution_link", "status_shown")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ModelCall], search_term: str
    ) -> tuple[QuerySet[ModelCall], bool]:
        found = found_by_id(queryset, search_term.strip(), belonging_to="execution_id")
        return super().get_search_results(request, queryset, search_term) if found is None else (found, False)

    @admin.display(description="status")
    def status_shown(self, call: ModelCall) -> SafeString | str:
        return values.pill(call.status)

    @admin.display(description="project")
    def project_link(self, call: ModelCall) -> SafeString | str:
        return values.link(call.project)

    @admin.display(description="workflow")
    def workflow_link(self, call: ModelCall) -> SafeString | str:
        return values.link(call.workflow)

    @admin.display(description="tokens")
    def tokens(self, call: ModelCall) -> int:
        return call.input_tokens + call.output_tokens

    @admin.display(description="execution")
    def execution_link(self, call: ModelCall) -> SafeString:
        # It may be cleaned up by now; then the link leads to the list.
        url = reverse("admin:executions_workflowexecution_change", args=[call.execution_id])
        return format_html('<a href="{}">{}</a>', url, call.execution_id)


@panel(Project, title="Models, the last 30 days", permission=PERMISSION)
def project_models(request: HttpRequest, project: Project) -> str:
    """Show what models cost a project."""
    return _models(project_id=project.pk)


@panel(Workflow, title="Models, the last 30 days", permission=PERMISSION)
def workflow_models(request: HttpRequest, workflow: Workflow) -> str:
    """Show what models cost a workflow."""
    return _models(workflow_id=workflow.pk)


def _models(**of: Any) -> str:
    zone = timezone.get_current_timezone()
    period = all_statistics.period(now=timezone.now(), zone=all_statistics.zone_of(str(zone)))
    try:
        with patience():
            summary = statistics.summarize(ModelCall.objects.filter(**of), period)
    except TooSlow:
        return "There are too many calls to add up here; ask the API for a shorter time."
    if not summary.total.calls:
        return ""
    headings = ("Calls", "Input", "of it cached", "Output", "of it reasoning", "Cost")
    by_model = [(each.model, *_row(each.figures)) for each in summary.by_model]
    by_workflow = [
        (each.name or str(each.workflow_id), *_row(each.figures)) for each in summary.by_workflow if "project_id" in of
    ]
    by_day = [(day.isoformat(), *_row(figures)) for day, figures in summary.by_day.items() if figures.calls]
    context = {
        "total": summary.total,
        "cost": _cost(summary.total),
        "open": values.money(summary.total.open_cost),
        "by_model": values.table(("Model", *headings), by_model, most=MOST_MODELS, more="The API has the others."),
        "by_workflow": values.table(
            ("Workflow", *headings), by_workflow, most=MOST_MODELS, more="The API has the others."
        ),
        "by_day": values.table(("Day", *headings), by_day[::-1], most=len(summary.by_day)),
    }
    return render_to_string("admin/segue/models.html", context)


def _row(figures: ModelFigures) -> tuple[Any, ...]:
    return (
        figures.calls,
        figures.input_tokens,
        figures.cached_input_tokens,
        figures.output_tokens,
        figures.reasoning_tokens,
        _cost(figures),
    )


def _cost(figures: ModelFigures) -> str:
    return values.money(figures.cost, is_complete=not figures.unknown_calls) or "0 USD"
