"""The order webhook: it needs nothing, and answers with the bill."""

from __future__ import annotations

import pytest

from executions.models import WorkflowExecution
from tests.templates_app.gallery.stage import body_of


def order(*items, order_id="A-1001", **changes):
    lines = [{"sku": sku, "quantity": quantity, "unit_price": price} for sku, quantity, price in items]
    return {"order_id": order_id, "customer": {"name": "Ada"}, "currency": "EUR", "items": lines, **changes}


@pytest.fixture
def shop(stage):
    return stage("order-webhook")


class TestOrderWebhook:
    def test_bills_a_small_order_with_shipping(self, shop):
        response = shop.send(order(("mug", 2, 12.5), ("tea", 1, 19.99)))

        bill = body_of(response)
        assert response.status_code == 201
        assert bill.pop("execution_id") == str(WorkflowExecution.objects.get().pk)
        assert bill == {
            "accepted": True,
            "order_id": "A-1001",
            "message": "Thank you, Ada. 3 pieces are on the way.",
            "currency": "EUR",
            "items": [
                {"sku": "mug", "quantity": 2, "unit_price": 12.5, "line_total": 25},
                {"sku": "tea", "quantity": 1, "unit_price": 19.99, "line_total": 19.99},
            ],
            "subtotal": 44.99,
            "discount": 0,
            "shipping": 4.9,
            "total": 49.89,
        }
        assert shop.way() == ["order", "lines", "kind", "shipping", "confirm"]

    @pytest.mark.parametrize(("price", "discount", "total"), [(33.34, 5, 95.02), (100, 15, 285)])
    def test_gives_a_large_order_a_discount_and_free_shipping(self, shop, price, discount, total):
        bill = body_of(shop.send(order(("mug", 3, price))))

        assert (bill["discount"], bill["shipping"], bill["total"]) == (discount, 0, total)
        assert shop.way() == ["order", "lines", "kind", "discount", "confirm"]

    def test_speaks_of_one_piece_as_one(self, shop):
        assert body_of(shop.send(order(("mug", 1, 5))))["message"] == "Thank you, Ada. 1 piece is on the way."

    def test_refuses_an_article_that_is_listed_twice(self, shop):
        response = shop.send(order(("mug", 1, 5), ("tea", 1, 5), ("mug", 2, 5), ("mug", 1, 5)))

        answer = body_of(response)
        assert response.status_code == 422
        assert (answer["accepted"], answer["articles"]) == (False, ["mug"])
        assert shop.way() == ["order", "lines", "kind", "refuse"]

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            (order(), "/items"),
            (order(("mug", 0, 5)), "/items/0/quantity"),
            (order(("mug", 1, -5)), "/items/0/unit_price"),
            (order(("mug", 1, 5), currency="BTC"), "/currency"),
            (order(("mug", 1, 5), order_id="../etc"), "/order_id"),
            (order(("mug", 1, 5), customer={}), "/customer"),
            ([], ""),
        ],
    )
    def test_refuses_what_is_no_order_without_an_execution(self, shelf, wrong, path):
        response = shelf("order-webhook").ask(wrong)

        assert response.status_code == 400
        assert [problem["path"] for problem in body_of(response)["problems"]] == [path]
        assert not WorkflowExecution.objects.exists()

    def test_takes_an_order_once_however_often_it_is_sent(self, shop):
        first = body_of(shop.send(order(("mug", 1, 5)), idempotency_key="order-1"))

        again = body_of(shop.send(order(("mug", 1, 5)), idempotency_key="order-1"))

        assert (again["duplicate"], again["execution_id"]) == (True, first["execution_id"])
        assert WorkflowExecution.objects.count() == 1
