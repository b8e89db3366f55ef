"""The ledger in the admin, and the pieces of answers that are coming in."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import LiveText
from executions.spending.models import ModelCall
from tests.admin.rows import url
from tests.factories import LiveTextFactory, ModelCallFactory

pytestmark = pytest.mark.django_db


class TestLedger:
    @pytest.fixture
    def call(self):
        ModelCallFactory(model="another-model")
        return ModelCallFactory(model="wanted-model")

    @pytest.mark.parametrize("column", ["pk", "execution_id", "model"])
    def test_finds_calls_by_their_ids_their_executions_and_their_models(self, browser, call, column):
        response = browser.get(url("changelist", ModelCall), {"q": f" {getattr(call, column)} "})

        assert list(response.context["cl"].result_list) == [call]

    def test_looks_for_an_id_by_its_index(self, browser, call):
        with CaptureQueriesContext(connection) as queries:
            browser.get(url("changelist", ModelCall), {"q": str(call.execution_id)})

        assert not [query["sql"] for query in queries if "LIKE" in query["sql"]]


class TestLiveTexts:
    def test_are_listed_without_what_went_into_their_executions(self, browser):
        LiveTextFactory()

        with CaptureQueriesContext(connection) as queries:
            browser.get(url("changelist", LiveText))

        assert not [query["sql"] for query in queries if '"execution_context"' in query["sql"]]
