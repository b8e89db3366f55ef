"""The admin's pages of prices, budgets and the ledger, and what the pages of projects and workflows show of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, get_args

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
from executions.models import WorkflowExecution
from executions.spending import budgets, prices, statistics
from executions.spending.ledger import Standing
from executions.spending.models import Budget, CallStatus, ModelCall, ModelPrice
from executions.spending.pricing import plain
from executions.spending.statistics import ModelFigures
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.counting import TooSlow, patience
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.forms import CheckedForm
from projects.backoffice.pages import Page, ReadOnlyPage
from projects.backoffice.panels import panel
from projects.backoffice.searching import found_by_id
from projects.models import Project
from workflows.models import Workflow
from workflows.nodes.agent.config import Provider

PERMISSION = "executions.view_modelcall"
MOST_MODELS = 20

MOST_CALLS = 50

_PRICE = ("provider", "model", "valid_from", "input", "cached_input", "cache_write", "output", "note")
_UNIT = "US dollars for a million tokens."
_PRICE_HELP = {
    "provider": "Its name among the published prices (openai, anthropic, groq), or the host of a server of your own, "
    "with its port: llm.internal:8080.",
    "model": "As agents name it.",
    "valid_from": "Calls from then on have this price, until a later one.",
    "input": _UNIT,
    "cached_input": f"{_UNIT} Empty: as any other input.",
    "cache_write": f"{_UNIT} Empty: as any other input.",
    "output": f"{_UNIT} 0 where nothing is asked for.",
    "note": "For people.",
}
_BUDGET_HELP = {
    "workflow": "Empty: all workflows of the project together.",
    "period": "An execution: each by itself.",
    "amount": "US dollars. A call of a model goes out only if what it can cost at most fits; with 0, none that costs.",
    "timezone": "Where days and months begin, such as Europe/Berlin.",
}


class PriceForm(CheckedForm[ModelPrice]):
    check = prices.check


class BudgetForm(CheckedForm[Budget]):
    check = budgets.check


@admin.register(ModelPrice)
class ModelPricePage(Page[ModelPrice]):
    """What models cost. Those that come with Segue are read; one that an operator adds goes before them."""

    form = PriceForm
    list_display = (
        "model",
        "provider",
        "valid_from",
        "input_shown",
        "cached_input_shown",
        "cache_write_shown",
        "output_shown",
        "source",
    )
    list_filter = ("source", "provider")
    search_fields = ("model", "provider")
    search_help_text = "A part of the model's or the provider's name. Prices are US dollars for a million tokens."
    fields = (*_PRICE, "source", "created_by", "created_at")
    readonly_fields = ("source", "created_by", "created_at")

    def get_form(self, request: HttpRequest, obj: ModelPrice | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{"help_texts": _PRICE_HELP, **kwargs})

    @admin.display(description="input")
    def input_shown(self, price: ModelPrice) -> str:
        return _price(price.input)

    @admin.display(description="cached input")
    def cached_input_shown(self, price: ModelPrice) -> str:
        return _price(price.cached_input)

    @admin.display(description="cache write")
    def cache_write_shown(self, price: ModelPrice) -> str:
        return _price(price.cache_write)

    @admin.display(description="output")
    def output_shown(self, price: ModelPrice) -> str:
        return _price(price.output)

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

    form = BudgetForm
    list_display = ("__str__", "project_link", "spent", "reserved", "timezone", "created_at")
    list_select_related = ("project", "workflow")
    list_filter = ("period", ProjectFilter)
    search_fields = ("project__name", "workflow__name")
    search_help_text = "A part of the project's or the workflow's name."
    autocomplete_fields = ("project", "workflow")

    def get_form(self, request: HttpRequest, obj: Budget | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **{"help_texts": _BUDGET_HELP, **kwargs})

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        # Of all that the page lists at once.
        found = budgets.standings(changelist.result_list, now=timezone.now())
        for budget in changelist.result_list:
            vars(budget)["standing"] = found[budget.pk]
        return changelist

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Budget | None:
        budget = super().get_object(request, object_id, from_field)
        if budget is not None:
            vars(budget)["standing"] = budgets.standings([budget], now=timezone.now())[budget.pk]
        return budget

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
        standing: Standing | None = vars(budget)["standing"]
        if standing is None:
            return values.NOTHING
        calls = "1 call" if standing.unknown_calls == 1 else f"{standing.unknown_calls} calls"
        unknown = f", and {calls} of unknown cost" if standing.unknown_calls else ""
        return f"{plain(standing.spent)} USD{unknown}"

    @admin.display(description="reserved now")
    def reserved(self, budget: Budget) -> str:
        standing: Standing | None = vars(budget)["standing"]
        return values.NOTHING if standing is None else f"{plain(standing.reserved)} USD"

    def save_model(self, request: HttpRequest, obj: Budget, form: forms.ModelForm[Budget], change: bool) -> None:
        by, asked = Actor.of(request), form.cleaned_data
        if change:
            budgets.change_budget(obj, by=by, amount=asked["amount"], timezone=asked["timezone"])
        else:
            obj.pk = budgets.create_budget(**asked, by=by, now=timezone.now()).pk

    def delete_model(self, request: HttpRequest, obj: Budget) -> None:
        budgets.delete_budget(obj, by=Actor.of(request))


class _ProviderFilter(admin.SimpleListFilter):
    """By protocol. Those that there are, are not looked for: that would read the whole ledger each time it is opened."""

    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(name, name) for name in get_args(Provider)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ModelCall]) -> QuerySet[ModelCall]:
        return queryset if self.value() is None else queryset.filter(provider=self.value())


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
        "cost_shown",
        "created_at",
    )
    list_select_related = ("project", "workflow")
    list_filter = ("status", _ProviderFilter, "is_test", ProjectFilter)
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
        "reserved_shown",
        "cost_shown",
        "input_tokens",
        "cached_input_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "is_test",
        "created_at",
        "settled_at",
    )
    readonly_fields = (
        "project_link",
        "workflow_link",
        "execution_link",
        "status_shown",
        "reserved_shown",
        "cost_shown",
    )

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

    @admin.display(description="cost")
    def cost_shown(self, call: ModelCall) -> str:
        return _cost_of(call)

    @admin.display(description="can cost at most")
    def reserved_shown(self, call: ModelCall) -> str:
        return _amount(call.reserved)

    @admin.display(description="tokens")
    def tokens(self, call: ModelCall) -> int:
        return call.input_tokens + call.output_tokens

    @admin.display(description="execution")
    def execution_link(self, call: ModelCall) -> SafeString:
        # It may be cleaned up by now; then the link leads to the list.
        url = reverse("admin:executions_workflowexecution_change", args=[call.execution_id])
        return format_html('<a href="{}">{}</a>', url, call.execution_id)


@panel(WorkflowExecution, title="Calls of models", permission=PERMISSION)
def calls_of_execution(request: HttpRequest, execution: WorkflowExecution) -> str:
    """Show which models an execution has called, and what each call took."""
    calls = ModelCall.objects.filter(execution_id=execution.pk).order_by("created_at", "id")
    rows = [
        (
            values.link(each, each.model),
            each.node_id,
            each.iteration,
            values.pill(each.status),
            each.input_tokens,
            each.cached_input_tokens,
            each.output_tokens,
            each.reasoning_tokens,
            _cost_of(each),
        )
        for each in calls[: MOST_CALLS + 1]
    ]
    headings = ("Model", "Node", "Pass", "Status", "Input", "of it cached", "Output", "of it reasoning", "Cost")
    return values.table(
        headings, rows, most=MOST_CALLS, more=values.list_link(ModelCall, execution_id__exact=execution.pk)
    )


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


def _price(amount: Decimal | None) -> str:
    return values.NOTHING if amount is None else plain(amount)


def _amount(amount: Decimal | None) -> str:
    return "unknown" if amount is None else f"{plain(amount)} USD"


def _cost_of(call: ModelCall) -> str:
    """Return what a call has cost; what it can cost at most, while nobody knows."""
    if call.status == CallStatus.RELEASED:
        return "0 USD"
    if call.status == CallStatus.SETTLED:
        return _amount(call.cost)
    return "unknown" if call.reserved is None else f"at most {plain(call.reserved)} USD"


def _cost(figures: ModelFigures) -> str:
    return values.money(figures.cost, is_complete=not figures.unknown_calls) or "0 USD"
