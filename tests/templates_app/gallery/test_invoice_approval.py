"""An invoice is paid if somebody says so. Who says so, and how, is told in ``tests/journeys/test_patterns.py``."""

from __future__ import annotations

import pytest

from tests.templates_app.gallery.stage import body_of

INVOICE = {"number": "2026-17", "payee": "Ada", "amount": 900, "currency": "EUR"}


@pytest.fixture
def bookkeeping(stage, service, chat):
    service.expect_request(
        "/payments", method="POST", headers={"Authorization": "Bearer payments-token"}
    ).respond_with_json({"id": "P-1"})
    return stage(
        "invoice-approval",
        CHAT_WEBHOOK_URL=service.url_for("/chat"),
        PAYMENTS_URL=service.url_for("/payments"),
        PAYMENTS_TOKEN="payments-token",
        APPROVE_FROM=500,
    )


def post(bookkeeping, **changes):
    return bookkeeping.ask({**INVOICE, **changes}, x_invoice_token=bookkeeping.secret)


class TestInvoiceApproval:
    def test_is_not_paid_when_nobody_decides_in_time(self, bookkeeping, service, chat):
        post(bookkeeping)

        # The stage lets every time pass at once, that of the approval too.
        assert bookkeeping.ended().result == {
            "paid": False,
            "invoice": "2026-17",
            "rejected_by": None,
            "comment": "",
        }
        assert "/payments" not in [request.path for request, _ in service.log]
        assert chat()[0].startswith("Pay 900 EUR to Ada (invoice 2026-17)?\nhttp")

    @pytest.mark.parametrize(("amount", "asked"), [(499.99, 0), (500, 1)])
    def test_asks_from_the_limit_on(self, bookkeeping, chat, amount, asked):
        post(bookkeeping, amount=amount)

        assert bookkeeping.ended().result["paid"] is (asked == 0)
        assert len(chat()) == asked

    def test_is_paid_once_however_often_it_is_posted(self, bookkeeping, service):
        first = post(bookkeeping, amount=20)
        bookkeeping.ended()

        again = post(bookkeeping, amount=20)

        assert body_of(again)["execution_id"] == body_of(first)["execution_id"]
        assert [request.path for request, _ in service.log] == ["/payments"]

    @pytest.mark.parametrize("wrong", [{"amount": 0}, {"amount": "20"}, {"currency": "euro"}, {"number": "../1"}])
    def test_refuses_what_is_no_invoice(self, bookkeeping, wrong):
        assert post(bookkeeping, **wrong).status_code == 400
