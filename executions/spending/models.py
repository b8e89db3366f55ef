"""Prices of models, the ledger of their calls, and budgets."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from executions.spending.pricing import plain
from projects.constraints import one_of
from projects.ids import new_id
from projects.models import Project
from workflows.models import Workflow

# What a price without a beginning is valid from.
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
OPERATOR = "operator"


class ModelPrice(models.Model):
    """What a provider asks for the tokens of a model, in US dollars a million, from a moment on until the next row's.

    ``provider`` is the name that genai-prices has for it, or the host of a server of one's own.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=255)
    model = models.CharField(max_length=200)
    valid_from = models.DateTimeField(default=ALWAYS)
    input = models.DecimalField(max_digits=18, decimal_places=9)
    # Null: as any other input.
    cached_input = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    cache_write = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    output = models.DecimalField(max_digits=18, decimal_places=9)
    # "operator", or where it was taken from: "genai-prices 0.2.3". An operator's goes before all others.
    source = models.CharField(max_length=64, default=OPERATOR, editable=False)
    note = models.CharField(max_length=200, blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "model_prices"
        constraints = [
            models.UniqueConstraint(
                fields=["model", "provider", "valid_from"],
                condition=Q(source=OPERATOR),
                name="model_prices_operators_once",
            ),
            models.UniqueConstraint(
                fields=["model", "provider", "valid_from"],
                condition=~Q(source=OPERATOR),
                name="model_prices_published_once",
            ),
            models.CheckConstraint(
                condition=Q(input__gte=0, output__gte=0)
                & (Q(cached_input__isnull=True) | Q(cached_input__gte=0))
                & (Q(cache_write__isnull=True) | Q(cache_write__gte=0)),
                name="model_prices_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["model", "provider", "valid_from"], name="model_prices_lookup"),
            models.Index(fields=["-created_at", "-id"], name="model_prices_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}"

    @property
    def is_operators(self) -> bool:
        """Whether somebody has set it here."""
        return self.source == OPERATOR


class CallStatus(models.TextChoices):
    RESERVED = "reserved"  # May be under way; counts with what it can cost at most.
    SETTLED = "settled"  # Answered; counts with what it has cost.
    RELEASED = "released"  # Was not charged; counts with nothing.
    UNCERTAIN = "uncertain"  # Nobody knows whether it was charged; counts with what it can have cost at most.


class ModelCall(models.Model):
    """One call of a model: there from the commit on before which it cannot go out.

    It outlives its execution, which is cleaned up earlier, and so names it without a foreign key.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(
        Project, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="model_calls"
    )
    workflow = models.ForeignKey(
        Workflow, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="model_calls"
    )
    # The node run that makes it. These four are the key.
    execution_id = models.UUIDField()
    node_id = models.CharField(max_length=80)
    iteration = models.CharField(max_length=100, blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=1)
    agent_id = models.CharField(max_length=64)

    # The protocol, where it is spoken (empty: the provider's own address), and the model: asked for, or answering once settled.
    provider = models.CharField(max_length=64)
    base_url = models.CharField(max_length=500, blank=True, default="")
    model = models.CharField(max_length=200)

    status = models.CharField(max_length=16, choices=CallStatus.choices, default=CallStatus.RESERVED)
    # What it can cost at most, and what it has cost, in US dollars. Null: no price is known.
    reserved = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    cost = models.DecimalField(max_digits=18, decimal_places=9, null=True, blank=True)
    # Cached ones and those written to a cache are among the input, reasoning ones among the output.
    input_tokens = models.PositiveBigIntegerField(default=0)
    cached_input_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    reasoning_tokens = models.PositiveBigIntegerField(default=0)
    is_test = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # When it ceased to be reserved, whichever way.
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "model_calls"
        constraints = [
            one_of("model_calls", "status", CallStatus),
            models.UniqueConstraint(
                fields=["execution_id", "node_id", "iteration", "attempt"], name="model_calls_attempt_once"
            ),
            models.CheckConstraint(
                condition=Q(status=CallStatus.RESERVED, settled_at__isnull=True)
                | (~Q(status=CallStatus.RESERVED) & Q(settled_at__isnull=False)),
                name="model_calls_settled_check",
            ),
            models.CheckConstraint(
                condition=Q(cost__isnull=True) | Q(status=CallStatus.SETTLED), name="model_calls_cost_is_settled"
            ),
        ]
        indexes = [
            # With what is added up: every reservation under a budget does so.
            models.Index(fields=["project", "created_at", "status", "reserved", "cost"], name="model_calls_project"),
            models.Index(fields=["workflow", "created_at", "status", "reserved", "cost"], name="model_calls_workflow"),
            models.Index(fields=["-created_at", "-id"], name="model_calls_newest"),
            models.Index(fields=["execution_id"], name="model_calls_open", condition=Q(settled_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.model} for {self.node_id}"


class BudgetPeriod(models.TextChoices):
    EXECUTION = "execution"  # Each execution by itself.
    DAY = "day"
    MONTH = "month"


IN_WORDS = {
    BudgetPeriod.EXECUTION: "an execution",
    BudgetPeriod.DAY: "a day",
    BudgetPeriod.MONTH: "a month",
}


class Budget(models.Model):
    """How much money the models of a project, or of one of its workflows, may cost in a time."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="budgets", db_index=False)
    # Null: all workflows of the project together.
    workflow = models.ForeignKey(
        Workflow, on_delete=models.CASCADE, null=True, blank=True, related_name="budgets", db_index=False
    )
    period = models.CharField(max_length=16, choices=BudgetPeriod.choices)
    # US dollars.
    amount = models.DecimalField(max_digits=18, decimal_places=9)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    # Where days and months begin. After the moments, because it has the name of what they are made with.
    timezone = models.CharField(max_length=64, default="UTC")

    class Meta:
        db_table = "budgets"
        constraints = [
            one_of("budgets", "period", BudgetPeriod),
            models.CheckConstraint(condition=Q(amount__gte=0), name="budgets_not_negative"),
            models.UniqueConstraint(
                fields=["project", "period"], condition=Q(workflow__isnull=True), name="budgets_project_once"
            ),
            models.UniqueConstraint(
                fields=["workflow", "period"], condition=Q(workflow__isnull=False), name="budgets_workflow_once"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="budgets_project_newest"),
            models.Index(fields=["-created_at", "-id"], name="budgets_newest"),
        ]

    def __str__(self) -> str:
        of = self.workflow.name if self.workflow is not None else self.project.name
        return f"{plain(self.amount)} USD {IN_WORDS[BudgetPeriod(self.period)]} for {of}"
