"""The prices that come with genai-prices: which become rows, with which dates, and whose they are."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    Tier,
    TieredPrices,
    TimeOfDateConstraint,
)

from executions.spending import published as module
from executions.spending.models import ALWAYS
from executions.spending.pricing import Price
from executions.spending.published import DEAREST_KIND, DEAREST_TIER, DEAREST_TIME, known_as, published


def priced(**amounts: object) -> ModelPrice:
    return ModelPrice(
        **{
            f"{name}_mtok": amount if isinstance(amount, TieredPrices) else Decimal(str(amount))
            for name, amount in amounts.items()
        }
    )


@pytest.fixture
def of_one_model(monkeypatch):
    """Return what is published of a model with these prices."""

    def found(prices: object):
        model = ModelInfo(id="m", match=ClauseEquals("m"), prices=prices)
        providers = [Provider(id="p", name="P", api_pattern="https://p", models=[model])]
        monkeypatch.setattr(module, "_providers", lambda: providers)
        return list(published())

    return found


class TestPublished:
    def test_a_price_without_dates_is_valid_always(self, of_one_model):
        (found,) = of_one_model(priced(input=1, output=2, cache_read="0.1", cache_write="1.25"))

        assert (found.provider, found.model, found.valid_from, found.note) == ("p", "m", ALWAYS, "")
        assert found.price == Price(Decimal(1), Decimal(2), Decimal("0.1"), Decimal("1.25"), module.source())

    def test_what_is_not_said_stays_unsaid(self, of_one_model):
        (found,) = of_one_model(priced(input=1, output=2))

        assert (found.price.cached_input, found.price.cache_write) == (None, None)

    def test_dates_become_rows(self, of_one_model):
        found = of_one_model(
            [
                ConditionalPrice(prices=priced(input=4, output=8)),
                ConditionalPrice(StartDateConstraint(date(2026, 2, 1)), prices=priced(input=2, output=4)),
                ConditionalPrice(StartDateConstraint(date(2026, 6, 1)), prices=priced(input=1, output=2)),
            ]
        )

        assert [(each.valid_from, each.price.input) for each in found] == [
            (ALWAYS, Decimal(4)),
            (datetime(2026, 2, 1, tzinfo=UTC), Decimal(2)),
            (datetime(2026, 6, 1, tzinfo=UTC), Decimal(1)),
        ]

    def test_of_tiers_the_dearest_is_taken_and_it_is_said(self, of_one_model):
        tiers = TieredPrices(base=Decimal(1), tiers=[Tier(200_000, Decimal(2)), Tier(500_000, Decimal(3))])

        (found,) = of_one_model(priced(input=tiers, output=2))

        assert (found.price.input, found.note) == (Decimal(3), DEAREST_TIER)

    def test_of_the_times_of_a_day_the_dearest_is_taken_and_it_is_said(self, of_one_model):
        night = TimeOfDateConstraint(time(16, tzinfo=UTC), time(0, tzinfo=UTC))

        (found,) = of_one_model(
            [
                ConditionalPrice(prices=priced(input=4, output=8)),
                ConditionalPrice(night, prices=priced(input=1, output=9)),
            ]
        )

        assert (found.price.input, found.price.output, found.note) == (Decimal(4), Decimal(9), DEAREST_TIME)

    def test_images_and_reasoning_that_are_dearer_are_what_is_taken(self, of_one_model):
        (found,) = of_one_model(priced(input=4, input_image=5, output=8))

        assert (found.price.input, found.note) == (Decimal(5), DEAREST_KIND)

    def test_a_model_that_takes_a_fee_for_each_request_is_left_out(self, of_one_model):
        price = ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1), requests_kcount=Decimal(12))

        assert of_one_model(price) == []

    def test_a_model_that_puts_no_tokens_out_is_left_out(self, of_one_model):
        assert of_one_model(priced(input=1)) == []

    def test_the_real_ones_are_many_each_with_its_own_beginnings(self):
        found = list(published())

        keys = {(each.provider, each.model, each.valid_from) for each in found}
        assert len(keys) == len(found) > 1000
        assert all(each.price.input >= 0 and each.price.output >= 0 for each in found)
        assert {("openai", "gpt-4o"), ("anthropic", "claude-3-haiku")} <= {
            (each.provider, each.model) for each in found
        }


class TestKnownAs:
    @pytest.mark.parametrize(
        ("protocol", "base_url", "model", "server", "name"),
        [
            ("openai", "", "gpt-4o-2024-08-06", "openai", ("openai", "gpt-4o")),
            ("openai", "https://api.openai.com/v1", "gpt-4o", "openai", ("openai", "gpt-4o")),
            ("anthropic", "", "claude-3-haiku-20240307", "anthropic", ("anthropic", "claude-3-haiku")),
            ("openai", "https://here.openai.azure.com/openai", "gpt-4o", "azure", ("openai", "gpt-4o")),
            ("openai", "https://openrouter.ai/api/v1", "openai/gpt-4o", "openrouter", ("openrouter", "openai/gpt-4o")),
        ],
    )
    def test_finds_the_server_and_the_name_behind_an_alias(self, protocol, base_url, model, server, name):
        found, names = known_as(protocol, base_url, model)

        assert found == server
        assert name in names

    @pytest.mark.parametrize("base_url", ["http://127.0.0.1:8080/v1", "https://llm.example.com", "nonsense"])
    def test_a_server_that_nobody_knows_is_not_taken_for_another(self, base_url):
        assert known_as("openai", base_url, "gpt-4o") == (None, ())

    def test_a_model_that_nobody_knows_has_its_own_name_alone(self):
        assert known_as("openai", "", "nobody-knows-me") == ("openai", (("openai", "nobody-knows-me"),))
