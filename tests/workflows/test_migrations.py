"""What the database itself keeps true of workflows."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from tests.factories import DEFINITION, UserFactory, VersionFactory
from workflows.models import ConnectionType, WorkflowVersion

pytestmark = pytest.mark.django_db


def with_edge_type(edge_type: object) -> dict[str, object]:
    return {**DEFINITION, "edges": [{"source": "start", "target": "end", "type": edge_type}]}


class TestVersionsNeverChange:
    @pytest.mark.parametrize(
        "change",
        [
            {"number": 2},
            {"definition": {"schema": 1, "nodes": []}},
            {"content_hash": "0" * 64},
            {"message": "rewritten"},
            {"created_at": "2020-01-01T00:00:00Z"},
        ],
    )
    def test_no_column_can_be_rewritten(self, change):
        version = VersionFactory()

        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            WorkflowVersion.objects.filter(pk=version.pk).update(**change)

        assert WorkflowVersion.objects.get(pk=version.pk).definition == DEFINITION

    def test_a_version_cannot_move_to_another_workflow(self):
        version, other = VersionFactory(number=1), VersionFactory(number=2)

        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            WorkflowVersion.objects.filter(pk=version.pk).update(workflow=other.workflow)

    def test_nobody_else_can_be_made_its_publisher(self):
        version = VersionFactory(created_by=UserFactory())

        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            WorkflowVersion.objects.filter(pk=version.pk).update(created_by=UserFactory())

    def test_its_publisher_can_leave(self):
        version = VersionFactory(created_by=UserFactory())

        version.created_by.delete()

        version.refresh_from_db()
        assert version.created_by is None


class TestConnectionTypes:
    @pytest.mark.parametrize("edge_type", ConnectionType.values)
    def test_each_of_the_five_is_an_edges_type(self, edge_type):
        assert VersionFactory(definition=with_edge_type(edge_type)).pk

    @pytest.mark.parametrize("edge_type", ["wire", "", "Data", 7, None, ["data"], {"data": "data"}])
    def test_no_other_is(self, edge_type):
        with pytest.raises(IntegrityError, match="connection_type_check"), transaction.atomic():
            VersionFactory(definition=with_edge_type(edge_type))

    def test_an_edge_need_not_name_its_type(self):
        assert VersionFactory(definition={**DEFINITION, "edges": [{"source": "start", "target": "end"}]}).pk

    def test_a_definition_need_not_have_edges(self):
        assert VersionFactory(definition={"schema": 1, "nodes": []}).pk
