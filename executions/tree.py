"""What belongs together: an execution, its sub-workflows, its reruns and its error workflows, and theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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


# The nearest first. UNION, not UNION ALL: what was reached already is not followed again, so that this ends whatever the rows say.
_ABOVE = """
WITH RECURSIVE known(id, parent_id, rerun_of_id, failure_of_id) AS (
    SELECT id, parent_id, rerun_of_id, failure_of_id FROM workflow_executions WHERE id = %s
    UNION
    SELECT above.id, above.parent_id, above.rerun_of_id, above.failure_of_id
    FROM known JOIN workflow_executions above
        ON above.id = known.parent_id OR above.id = known.rerun_of_id OR above.id = known.failure_of_id
    WHERE above.project_id = %s
)
SELECT id FROM known LIMIT %s
"""
_BELOW = """
WITH RECURSIVE known(id) AS (
    SELECT id FROM workflow_executions WHERE id = %s
    UNION
    SELECT below.id
    FROM known JOIN workflow_executions below
        ON below.parent_id = known.id OR below.rerun_of_id = known.id OR below.failure_of_id = known.id
    WHERE below.project_id = %s
)
SELECT id FROM known LIMIT %s
"""

# By the column that leads up.
RELATIONS = {"parent_id": Relation.CHILD, "rerun_of_id": Relation.RERUN, "failure_of_id": Relation.FAILURE}


@dataclass(frozen=True)
class Relative:
    """An execution of a tree, and what it is to the one above it. The root has none above it."""

    execution: WorkflowExecution
    relation: Relation | None = None
    above: UUID | None = None


@dataclass(frozen=True)
class Tree:
    """A root and what lies below it.

    :param executions: the oldest first.
    :param is_cut: whether there are more.
    """

    root: UUID
    executions: list[Relative]
    is_cut: bool


def tree_of(execution: WorkflowExecution) -> Tree:
    """Return the tree that an execution belongs to: two queries, however large it is.

    Of a tree that is cut, the executions nearest to the root are there.
    """
    root = _root(execution, _reached(execution, _ABOVE))
    executions = _nearest_first(root, list(_reached(root, _BELOW)))
    shown = sorted(executions[:MOST], key=lambda each: (each.created_at, each.pk))
    known = {each.pk for each in shown}
    relatives = [Relative(each, *_relation(each, known if each != root else ())) for each in shown]
    return Tree(root.pk, relatives, is_cut=len(executions) > MOST)


def _nearest_first(root: WorkflowExecution, executions: list[WorkflowExecution]) -> list[WorkflowExecution]:
    """Return executions of a tree level by level."""
    levels = {root.pk: 0}
    waiting = {each.pk: each for each in executions if each.pk != root.pk}
    while waiting:
        near = {
            pk: 1 + min(levels[above] for above in _aboves(each) if above in levels)
            for pk, each in waiting.items()
            if any(above in levels for above in _aboves(each))
        }
        if not near:
            break  # What leads to these was removed meanwhile.
        levels |= near
        waiting = {pk: each for pk, each in waiting.items() if pk not in near}
    return sorted(executions, key=lambda each: (levels.get(each.pk, len(executions)), each.created_at, each.pk))


def _aboves(execution: WorkflowExecution) -> list[UUID]:
    return [above for column in RELATIONS if (above := getattr(execution, column)) is not None]


def _root(execution: WorkflowExecution, above: Iterable[WorkflowExecution]) -> WorkflowExecution:
    """Return the oldest of those above that has nothing above it itself; what was removed is not there any more."""
    by_id = {each.pk: each for each in above}
    tops = [each for each in by_id.values() if _relation(each, by_id.keys()) == (None, None)]
    return min(tops, key=lambda each: (each.created_at, each.pk), default=execution)


def _relation(execution: WorkflowExecution, known: Collection[UUID]) -> tuple[Relation | None, UUID | None]:
    for column, relation in RELATIONS.items():
        above = getattr(execution, column)
        if above is not None and above in known:
            return relation, above
    return None, None


def _reached(execution: WorkflowExecution, sql: str) -> models.QuerySet[WorkflowExecution]:
    """Return an execution and those that a query finds from it, at most one more than are shown."""
    keys = [execution.pk, execution.project_id]
    id_, project_id = (WorkflowExecution._meta.pk.get_db_prep_value(key, connection) for key in keys)
    return (
        WorkflowExecution.objects.filter(pk__in=RawSQL(sql, [id_, project_id, MOST + 1]))  # noqa: S611 - a constant
        .select_related("workflow_version")
        .defer("execution_context", "result", "workflow_version__definition")
    )
