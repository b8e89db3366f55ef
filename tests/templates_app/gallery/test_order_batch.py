"""A batch of orders: a workflow for all, and one that it runs for each."""

from __future__ import annotations

import pytest

from workflows.exceptions import InvalidDefinition
from workflows.models import Workflow


class TestOrderBatch:
    def test_is_refused_without_the_workflow_that_it_runs(self, shelf):
        with pytest.raises(InvalidDefinition) as refused:
            shelf("order-batch", CHAT_WEBHOOK_URL="https://chat.example.com/hooks/1")

        (problem,) = refused.value.problems
        assert problem["code"] == "unknown_workflow"
        assert "Handle one order" in problem["message"]
        assert not Workflow.objects.exists()


class TestOrderOfABatch:
    def test_is_priced_and_then_placed(self, stage, service):
        auth = {"Authorization": "Bearer shop-token"}
        service.expect_request("/prices", method="POST", headers=auth).respond_with_json({"total": 12.5})
        service.expect_request("/orders", method="POST", headers=auth).respond_with_json({"number": "N-1"})
        shop = stage("order-of-a-batch", SHOP_API=service.url_for("").rstrip("/"), SHOP_TOKEN="shop-token")
        order = {"order_id": "A-1", "items": [{"sku": "tea", "quantity": 2}]}
        shop.start(order)

        assert shop.ended().result == {"order_id": "A-1", "number": "N-1", "total": 12.5}
        assert service.log[-1][0].json == {**order, "total": 12.5}
