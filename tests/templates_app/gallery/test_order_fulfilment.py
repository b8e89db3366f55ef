"""An order's lines go different ways by their kind, and come together again."""

from __future__ import annotations

import pytest

from executions.models import WorkflowExecution
from tests.templates_app.gallery.stage import body_of

TEA = {"sku": "tea", "kind": "goods", "quantity": 1}
APP = {"sku": "app", "kind": "download", "quantity": 1}


@pytest.fixture
def variables(service):
    return {
        "WAREHOUSE_URL": service.url_for("/reservations"),
        "LICENCES_URL": service.url_for("/licences"),
        "SERVICES_TOKEN": "services-token",
    }


@pytest.fixture
def shop(stage, service, variables):
    service.expect_request("/reservations", method="POST").respond_with_json({"lines": [{"sku": "tea", "bay": 7}]})
    return Shop(stage("order-fulfilment", **variables))


class Shop:
    """A shop that knows its secret."""

    def __init__(self, stage):
        self.way = stage.way
        self._stage = stage

    def order(self, *lines, order_id="A-1"):
        return self._stage.send({"order_id": order_id, "lines": list(lines)}, x_shop_token=self._stage.secret)


class TestOrderFulfilment:
    def test_takes_only_the_ways_that_the_order_has_lines_for(self, shop):
        response = shop.order(TEA)

        assert (response.status_code, body_of(response)["lines"]) == (201, [{**TEA, "bay": 7}])
        assert shop.way() == ["order", "kinds", "goods", "reserve", "together", "answer"]

    def test_keeps_lines_of_which_the_service_says_nothing(self, shop, service):
        service.expect_request("/licences").respond_with_json({"lines": []})

        assert body_of(shop.order(APP, TEA))["lines"] == [APP, {**TEA, "bay": 7}]

    def test_does_not_multiply_lines_of_the_same_article(self, shop, service):
        service.clear()
        service.expect_request("/reservations").respond_with_json({"lines": [{"sku": "tea", "bay": 7}] * 2})

        assert body_of(shop.order(TEA, TEA))["lines"] == [{**TEA, "bay": 7}] * 2

    def test_takes_an_order_once(self, shop, service):
        first, again = shop.order(TEA), shop.order(TEA)

        assert (first.status_code, again.status_code) == (201, 200)
        assert body_of(again)["duplicate"] is True
        assert len(service.log) == 1

    def test_answers_502_when_a_service_stays_away(self, shop, service):
        service.expect_request("/licences").respond_with_data("down", status=503)

        assert shop.order(TEA, APP).status_code == 502
        assert [request.path for request, _ in service.log].count("/licences") == 4

    @pytest.mark.parametrize("lines", [[], [{**TEA, "kind": "service"}], [{**TEA, "quantity": 0}], [{"sku": "tea"}]])
    def test_refuses_what_is_no_order(self, shelf, variables, lines):
        installed = shelf("order-fulfilment", **variables)

        refused = installed.ask({"order_id": "A-1", "lines": lines}, x_shop_token=installed.secret)

        assert refused.status_code == 400
        assert not WorkflowExecution.objects.exists()
