"""What belongs together: an execution, its sub-workflows, its reruns and its error workflows, and theirs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, models
from django.db.models.expressions import RawSQL

from executions.models import WorkflowExecution

# Executions of one tree that are shown, and steps from one of them up to its root.
MOST = 500


class Relation(models.TextChoices):
    """What an execution is to the one above it."""

    CHILD = "child"  # A node of it started this one.
    RERUN = "rerun"  # It was run again as this one.
    FAILURE = "failure"  # This one is its error workflow.


# By the column that leads up.
RELATIONS = {"parent_id": Relation.CHILD, "rerun_of_id": Relation.RERUN, "failure_of_id": Relation.FAILURE}


@dataclass(frozen=True)
class Tree:
    """A root and what lies below it.

    :param executions: the oldest first; each has ``relation`` and ``of``, the id of the execution above it.
    :param is_cut: whether there are more.
    """

    root: UUID
    executions: list[WorkflowExecution]
    is_cut: bool


def tree_of(execution: WorkflowExecution) -> Tree:
    """Return the tree that an execution belongs to: two queries, however large it is.

    Of a tree that is cut, the executions nearest to the root are there.
    """
    root = _root(execution, _reached(execution, upwards=True))
    executions = list(_reached(root, upwards=False))
    shown = sorted(executions[:MOST], key=lambda each: (each.created_at, each.pk))
    known = {each.pk for each in shown}
    for each in shown:
        each.relation, each.of = _relation(each, known) if each.pk != root.pk else (None, None)
    return Tree(root.pk, shown, is_cut=len(executions) > MOST)


def _root(execution: WorkflowExecution, above: Iterable[WorkflowExecution]) -> WorkflowExecution:
    """Return the oldest of those above that has nothing above it itself; what was removed is not there any more."""
    by_id = {each.pk: each for each in above}
    tops = [each for each in by_id.values() if _relation(each, by_id.keys()) == (None, None)]
    return min(tops, key=lambda each: (each.created_at, each.pk), default=execution)


def _relation(execution: WorkflowExecution, known: Iterable[UUID]) -> tuple[Relation | None, UUID | None]:
    for column, relation in RELATIONS.items():
        above = getattr(execution, column)
        if above is not None and above in known:
            return relation, above
    return None, None


def _reached(execution: WorkflowExecution, *, upwards: bool) -> models.QuerySet[WorkflowExecution]:
    """Return an execution and those that lie above it, or below it, nearest first, at most one more than are shown."""
    step = "{up} = known.id" if not upwards else "execution.id = known.{column}"
    steps = " OR ".join(step.format(up=f"execution.{column}", column=column) for column in RELATIONS)
    columns = ", ".join(RELATIONS)
    # UNION, not UNION ALL: what was reached already is not followed again, so that this ends whatever the rows say.
    reached = f"""
        WITH RECURSIVE known(id, {columns}) AS (
            SELECT id, {columns} FROM workflow_executions WHERE id = %s
            UNION
            SELECT execution.id, {", ".join(f"execution.{column}" for column in RELATIONS)}
            FROM workflow_executions execution JOIN known ON ({steps})
            WHERE execution.project_id = %s
        )
        SELECT id FROM known LIMIT {MOST + 1}
    """  # noqa: S608 - made of names of columns alone
    pk = WorkflowExecution._meta.get_field("id").get_db_prep_value(execution.pk, connection)
    project = WorkflowExecution._meta.get_field("id").get_db_prep_value(execution.project_id, connection)
    return (
        WorkflowExecution.objects.filter(pk__in=RawSQL(reached, [pk, project]))  # noqa: S611 - see above
        .select_related("workflow_version")
        .defer("execution_context", "result", "error", "workflow_version__definition")
    )
