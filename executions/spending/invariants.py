"""What must hold of the ledger in a live database at every moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from executions.invariants import invariant
from executions.models import WorkflowExecution
from executions.spending.ledger import FORGOTTEN_AFTER
from executions.spending.models import CallStatus, ModelCall

# The clean-up comes every minute, and may be late.
CLEAN_UP = timedelta(minutes=5)
# SQLite adds in floating point.
_LAST_DIGIT = Decimal("1e-9")


@invariant("nothing_stays_reserved", "No money stays reserved for an execution that has ended.")
def _nothing_stays_reserved(now: datetime) -> QuerySet[Any]:
    # The clean-up puts right what was reserved in the moment in which the execution ended.
    before = now - FORGOTTEN_AFTER - CLEAN_UP
    awake = WorkflowExecution.objects.filter(pk=OuterRef("execution_id")).exclude(completed_at__lt=before)
    return ModelCall.objects.filter(~Exists(awake), settled_at__isnull=True, created_at__lt=before)


@invariant("cost_is_the_ledgers", "An ended execution cost what its settled calls of models cost.")
def _cost_is_the_ledgers(now: datetime) -> QuerySet[Any]:
    settled = ModelCall.objects.filter(execution_id=OuterRef("pk"), status=CallStatus.SETTLED)
    total = settled.order_by().values("execution_id").annotate(total=Sum("cost")).values("total")
    money = DecimalField(max_digits=18, decimal_places=9)
    ended = WorkflowExecution.objects.ended().filter(pk__in=ModelCall.objects.values("execution_id"))
    summed = ended.annotate(ledger=Coalesce(Subquery(total), Decimal(0), output_field=money))
    return summed.filter(Q(cost__gt=F("ledger") + _LAST_DIGIT) | Q(cost__lt=F("ledger") - _LAST_DIGIT))


@invariant("unknown_is_said", "An ended execution with a cost that nobody knows says so.")
def _unknown_is_said(now: datetime) -> QuerySet[Any]:
    unknown = ModelCall.objects.filter(cost__isnull=True).exclude(status=CallStatus.RELEASED)
    return WorkflowExecution.objects.ended().filter(is_cost_complete=True, pk__in=unknown.values("execution_id"))
