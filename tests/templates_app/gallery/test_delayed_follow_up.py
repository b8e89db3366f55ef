"""A quote was sent. Days later, if it is still open, the customer is reminded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions.exceptions import InvalidInput

QUOTE = {"quote_id": "Q-17", "name": "Ada", "email": "ada@example.com"}
TOKEN = {"Authorization": "Bearer shop-token"}


@pytest.fixture
def shop(stage, service):
    return stage("delayed-follow-up", SHOP_API=service.url_for("").rstrip("/"), SHOP_TOKEN="shop-token")


def quote(service, **answer):
    return service.expect_request("/quotes/Q-17", headers=TOKEN).respond_with_json(answer)


class TestDelayedFollowUp:
    @pytest.mark.parametrize(("more", "hours"), [({}, 72), ({"after_hours": 1.5}, 1.5)])
    def test_waits_without_holding_a_worker(self, shop, service, more, hours):
        execution = shop.start({**QUOTE, **more})

        shop.worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.blocked_on, execution.lease_owner) == ("running", "timer", None)
        assert execution.wake_at - execution.started_at >= timedelta(hours=hours)
        assert execution.wake_at - execution.started_at < timedelta(hours=hours, minutes=5)
        assert execution.deadline_at is None or execution.deadline_at > execution.wake_at
        assert service.log == []

    def test_reminds_of_a_quote_that_is_still_open(self, shop, service):
        quote(service, status="open")
        service.expect_request("/quotes/Q-17/messages", method="POST", headers=TOKEN).respond_with_data(status=202)
        shop.start(QUOTE)

        assert shop.ended().result == {"reminded": True, "quote_id": "Q-17"}

        message = service.log[-1][0].json
        assert (message["to"], message["subject"]) == ("ada@example.com", "Your quote Q-17")
        assert message["text"].startswith("Hello Ada,\n\nyour quote Q-17 is still open.")
        assert shop.way() == ["start", "wait", "look", "open", "remind", "reminded"]

    def test_leaves_a_quote_alone_that_is_settled(self, shop, service):
        quote(service, status="accepted")
        shop.start(QUOTE)

        assert shop.ended().result == {"reminded": False, "quote_id": "Q-17"}
        assert shop.way() == ["start", "wait", "look", "open", "settled"]

    @pytest.mark.parametrize("body", ['{"error": "no such quote"}', "{}"])
    def test_leaves_a_quote_alone_that_is_gone(self, shop, service, body):
        service.expect_request("/quotes/Q-17").respond_with_data(body, status=404, content_type="application/json")
        shop.start(QUOTE)

        assert shop.ended().result["reminded"] is False

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"quote_id": "../admin"}, "/input/quote_id"),
            ({"email": "ada"}, "/input/email"),
            ({"after_hours": 1000}, "/input/after_hours"),
            ({"after_hours": "3"}, "/input/after_hours"),
            ({"hours": 3}, "/input"),
        ],
    )
    def test_refuses_an_input_that_does_not_fit(self, shelf, wrong, path):
        shop = shelf("delayed-follow-up", SHOP_API="https://shop.example", SHOP_TOKEN="shop-token")

        with pytest.raises(InvalidInput) as raised:
            shop.start({**QUOTE, **wrong})

        assert [problem["path"] for problem in raised.value.problems] == [path]
