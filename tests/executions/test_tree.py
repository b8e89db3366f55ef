"""What belongs together, found from anywhere in it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions import tree
from executions.models import WorkflowExecution
from executions.tree import tree_of
from tests.clock import NOON
from tests.factories import ExecutionFactory, ProjectFactory, VersionFactory, WorkflowFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def execution():
    """Return a maker of executions of one workflow, each a minute later than the one before."""
    version = VersionFactory()
    made = []

    def make(**attributes):
        created_at = NOON + timedelta(minutes=len(made))
        made.append(ExecutionFactory(workflow_version=version, ended=True, created_at=created_at, **attributes))
        return made[-1]

    return make


def lines(found):
    return [(each.execution.pk, each.relation, each.above) for each in found.executions]


class TestTreeOf:
    def test_an_execution_by_itself_is_its_own_root(self, execution):
        alone = execution()

        found = tree_of(alone)

        assert (found.root, lines(found), found.is_cut) == (alone.pk, [(alone.pk, None, None)], False)

    def test_is_the_same_from_wherever_it_is_asked_for(self, execution):
        root = execution()
        child = execution(parent=root)
        grandchild = execution(parent=child)
        handler = execution(failure_of=child)
        rerun = execution(rerun_of=root)
        rerun_of_handler = execution(rerun_of=handler)

        expected = [
            (root.pk, None, None),
            (child.pk, "child", root.pk),
            (grandchild.pk, "child", child.pk),
            (handler.pk, "failure", child.pk),
            (rerun.pk, "rerun", root.pk),
            (rerun_of_handler.pk, "rerun", handler.pk),
        ]
        for asked in (root, child, grandchild, handler, rerun, rerun_of_handler):
            found = tree_of(asked)
            assert (found.root, lines(found)) == (root.pk, expected)

    def test_begins_where_what_lay_above_was_removed(self, execution):
        removed = execution()
        child = execution(parent=removed)
        removed.delete()
        child.refresh_from_db()

        assert tree_of(child).root == child.pk

    def test_leaves_out_what_does_not_belong_to_it(self, execution):
        root = execution()
        execution()

        assert lines(tree_of(root)) == [(root.pk, None, None)]

    def test_never_leaves_the_project(self, execution):
        foreign = ExecutionFactory(workflow_version__workflow__project=ProjectFactory())
        below, above = execution(parent=foreign), execution()
        ExecutionFactory(rerun_of=above, workflow_version__workflow=WorkflowFactory())

        assert tree_of(below).root == below.pk
        assert lines(tree_of(above)) == [(above.pk, None, None)]

    def test_ends_though_rows_lead_round_in_a_circle(self, execution):
        first = execution()
        second = execution(rerun_of=first)
        WorkflowExecution.objects.filter(pk=first.pk).update(parent=second)

        assert {each.execution.pk for each in tree_of(second).executions} == {first.pk, second.pk}

    def test_shows_so_many_and_says_that_there_are_more(self, execution, monkeypatch):
        monkeypatch.setattr(tree, "MOST", 3)
        root = execution()
        near = [execution(parent=root) for _ in range(2)]
        execution(parent=near[0])

        found = tree_of(root)

        assert [each.execution.pk for each in found.executions] == [root.pk, *(each.pk for each in near)]
        assert found.is_cut

    def test_asks_two_queries_however_large_it_is(self, execution):
        root = execution()
        for _ in range(5):
            execution(parent=root)
            root = execution(rerun_of=root)

        with CaptureQueriesContext(connection) as captured:
            tree_of(root)

        assert len(captured) == 2
