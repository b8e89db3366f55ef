"""What people do about budgets, and how much of each is left."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from pydantic import TypeAdapter, ValidationError

from executions.exceptions import BudgetExists, InvalidBudget
from executions.spending.ledger import Standing, standing_of, sums
from executions.spending.models import Budget, BudgetPeriod, ModelCall
from executions.spending.pricing import plain
from executions.spending.windows import window
from projects import audit
from projects.access import Actor
from projects.locking import locked
from projects.models import Project
from workflows.models import Workflow
from workflows.nodes.moments import TimeZoneName

# US dollars. With nine digits behind the point, as many before it fit the column.
MOST = Decimal(100_000_000)


@transaction.atomic
def create_budget(
    project: Project, *, workflow: Workflow | None = None, by: Actor | None, now: datetime, **values: Any
) -> Budget:
    """Bound what the models of a project, or of one of its workflows, may cost.

    :param values: ``period``, ``amount`` and perhaps ``timezone``.
    :raises InvalidBudget: with everything that is wrong.
    :raises BudgetExists: if there is one for the same workflows and the same period.
    """
    budget = Budget(project=project, workflow=workflow, created_at=now, **values)
    _save(budget)
    audit.record("budget.created", budget, project=project, by=by, details=_described(budget))
    return budget


@transaction.atomic
def change_budget(budget: Budget, *, by: Actor | None, **values: Any) -> Budget:
    """Change how much it allows, or where its days begin. What is reserved already goes out.

    :raises InvalidBudget: with everything that is wrong.
    :raises NotFound: if somebody has deleted it meanwhile.
    """
    budget = locked(budget)
    for column, value in values.items():
        setattr(budget, column, value)
    _save(budget)
    audit.record("budget.changed", budget, project=budget.project, by=by, details=_described(budget))
    return budget


@transaction.atomic
def delete_budget(budget: Budget, *, by: Actor | None) -> None:
    """Remove a budget.

    :raises NotFound: if somebody was faster.
    """
    budget = locked(budget)
    audit.record("budget.deleted", budget, project=budget.project, by=by, details=_described(budget))
    budget.delete()


def standings(budgets: Iterable[Budget], *, now: datetime) -> dict[UUID, Standing | None]:
    """Return how much of each budget is spent and reserved now; None of those for an execution each.

    Asks a query for each kind of budget: one for all that count over the same time.
    """
    found: dict[UUID, Standing | None] = {}
    by_time: dict[tuple[datetime, datetime, bool], list[Budget]] = {}
    for budget in budgets:
        since_until = window(BudgetPeriod(budget.period), ZoneInfo(budget.timezone), now)
        if since_until is None:
            found[budget.pk] = None
        else:
            by_time.setdefault((*since_until, budget.workflow_id is None), []).append(budget)
    for (since, until, is_for_project), alike in by_time.items():
        column = "project_id" if is_for_project else "workflow_id"
        ids = {getattr(budget, column) for budget in alike}
        calls = ModelCall.objects.filter(**{f"{column}__in": ids}, created_at__gte=since, created_at__lt=until)
        rows = {row[column]: standing_of(row) for row in calls.order_by().values(column).annotate(**sums())}
        found |= {budget.pk: rows.get(getattr(budget, column), Standing()) for budget in alike}
    return found


def check(budget: Budget) -> None:
    """Look at what people have set.

    :raises InvalidBudget: with everything that is wrong.
    """
    problems = _problems(budget)
    if problems:
        raise InvalidBudget(problems[0]["message"], problems=problems, path=problems[0]["path"])


def _save(budget: Budget) -> None:
    check(budget)
    try:
        with transaction.atomic():
            budget.save()
    except IntegrityError as error:
        raise BudgetExists(
            f"There is a budget for {budget.get_period_display().lower()} already.", hint="Change that one."
        ) from error


def _problems(budget: Budget) -> list[dict[str, Any]]:
    problems = []
    if not 0 <= budget.amount <= MOST:
        problems.append(_problem("/amount", f"It must be from 0 to {MOST:,} US dollars."))
    if budget.period not in BudgetPeriod.values:
        problems.append(_problem("/period", f"It must be one of {', '.join(BudgetPeriod.values)}."))
    if budget.workflow is not None and budget.workflow.project_id != budget.project_id:
        problems.append(_problem("/workflow", "This workflow belongs to another project."))
    try:
        TypeAdapter(TimeZoneName).validate_python(budget.timezone)
    except ValidationError as error:
        (problem,) = error.errors()
        problems.append(_problem("/timezone", problem["msg"]))
    return problems


def _problem(path: str, message: str) -> dict[str, Any]:
    return {"code": InvalidBudget.code, "path": path, "message": message}


def _described(budget: Budget) -> dict[str, Any]:
    return {
        "workflow": None if budget.workflow_id is None else str(budget.workflow_id),
        "period": budget.period,
        "amount": plain(budget.amount),
        "timezone": budget.timezone,
    }
