"""Every day exchange rates are fetched and stored. That they arrive in the table is told in ``tests/journeys/test_patterns.py``."""

from __future__ import annotations

import pytest

RATES = {"base": "EUR", "date": "2026-03-02", "rates": {"USD": 1.1785}}


class TestRatesToPostgresql:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"rates": {"USD": "1.1785"}},
            {"rates": {"USD": 0}},
            {"rates": {"US": 1.1}},
            {"date": "yesterday"},
            {"base": ""},
        ],
    )
    def test_stores_nothing_of_an_answer_that_has_no_rates(self, stage, service, wrong):
        service.expect_request("/rates").respond_with_json({**RATES, **wrong})
        morning = stage(
            "rates-to-postgresql", RATES_URL=service.url_for("/rates"), DATABASE="postgresql://nobody@127.0.0.1:9/none"
        )

        execution = morning.fire()

        assert (execution.status, execution.error["node_id"]) == ("failed", "rows")
        assert morning.way() == ["daily", "fetch", "rows"]
