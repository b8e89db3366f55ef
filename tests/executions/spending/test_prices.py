"""What a model costs at a moment, and what operators do about it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection

from executions.exceptions import InvalidPrice, PriceExists, PriceIsPublished
from executions.spending import prices, published
from executions.spending.models import ALWAYS, ModelPrice
from executions.spending.prices import change_price, delete_price, load_prices, price_of, set_price
from executions.spending.pricing import Price
from executions.spending.published import Published
from projects.access import Actor
from projects.exceptions import NotFound
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import ModelPriceFactory, UserFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db

GROQ = "https://api.groq.com/openai/v1"
OWN = "http://llm.internal:8080/v1"


def from_package(model, provider="openai", **more):
    return ModelPriceFactory(model=model, provider=provider, source="genai-prices 0", **more)


def input_price(provider, model, base_url="", at=NOON):
    found = price_of(provider, model, at, base_url)
    return found and found.input


class TestPriceOf:
    def test_is_none_where_nobody_knows(self):
        from_package("gpt-4o")

        assert price_of("openai", "nobody-knows-me", NOON) is None
        assert price_of("anthropic", "gpt-4o", NOON) is None

    def test_is_that_of_the_latest_row_that_has_begun(self):
        from_package("gpt-4o", input=3)
        from_package("gpt-4o", input=2, valid_from=NOON)
        from_package("gpt-4o", input=1, valid_from=NOON + timedelta(days=1))

        assert input_price("openai", "gpt-4o", at=NOON - timedelta(seconds=1)) == 3
        assert input_price("openai", "gpt-4o", at=NOON) == 2
        assert input_price("openai", "gpt-4o", at=NOON + timedelta(days=2)) == 1

    def test_an_operators_goes_before_a_later_one_that_is_published(self):
        ModelPriceFactory(model="gpt-4o", input=5)
        from_package("gpt-4o", input=1, valid_from=NOON - timedelta(days=1))

        assert input_price("openai", "gpt-4o") == 5

    def test_an_exact_name_goes_before_what_it_is_an_alias_of(self):
        from_package("gpt-4o", input=1)
        assert input_price("openai", "gpt-4o-2024-08-06") == 1

        from_package("gpt-4o-2024-08-06", input=2)
        assert input_price("openai", "gpt-4o-2024-08-06") == 2

    def test_an_operators_for_a_model_is_also_that_of_its_aliases(self):
        ModelPriceFactory(model="gpt-4o", input=5)
        from_package("gpt-4o-2024-08-06", input=2)

        assert input_price("openai", "gpt-4o-2024-08-06") == 5

    def test_of_a_known_server_its_own_prices_count(self):
        from_package("llama-3.3-70b-versatile", provider="groq", input=2)
        from_package("llama-3.3-70b-versatile", provider="openai", input=1)

        assert input_price("openai", "llama-3.3-70b-versatile", GROQ) == 2
        assert input_price("openai", "gpt-4o", GROQ) is None

    def test_an_operators_for_the_protocol_is_not_for_other_providers_who_speak_it(self):
        ModelPriceFactory(model="gpt-4o", provider="openai")

        assert price_of("openai", "gpt-4o", NOON, GROQ) is None

    def test_of_a_server_that_nobody_knows_only_operators_prices_count(self):
        from_package("gpt-4o", input=1)
        assert price_of("openai", "gpt-4o", NOON, OWN) is None

        ModelPriceFactory(model="gpt-4o", provider="openai", input=2)
        assert input_price("openai", "gpt-4o", OWN) == 2

        ModelPriceFactory(model="gpt-4o", provider="llm.internal:8080", input=0)
        assert input_price("openai", "gpt-4o", OWN) == 0

    def test_asks_one_query(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            price_of("openai", "gpt-4o", NOON)


@pytest.fixture
def publishes(monkeypatch):
    """Have these (model, beginning, input price) published, and no others."""

    def publish(*found):
        rows = [
            Published("openai", model, since, Price(Decimal(amount), Decimal(9), source="genai-prices 9"))
            for model, since, amount in found
        ]
        monkeypatch.setattr(published, "published", lambda: iter(rows))

    return publish


def rows():
    return sorted((row.model, row.valid_from, row.input) for row in ModelPrice.objects.all())


class TestLoadPrices:
    def test_makes_rows_and_does_it_once(self, publishes):
        publishes(("a", ALWAYS, 1), ("a", NOON, 2), ("b", ALWAYS, 3))

        first, second = load_prices(now=NOON), load_prices(now=NOON)

        assert (first.created, second.created, second.unchanged) == (3, 0, 3)
        assert rows() == [("a", ALWAYS, 1), ("a", NOON, 2), ("b", ALWAYS, 3)]
        assert set(ModelPrice.objects.values_list("source", flat=True)) == {"genai-prices 9"}

    def test_takes_over_what_has_changed(self, publishes):
        publishes(("a", ALWAYS, 1), ("a", NOON, 2))
        load_prices(now=NOON)
        publishes(("a", ALWAYS, 5))

        loaded = load_prices(now=NOON)

        assert (loaded.updated, loaded.removed) == (1, 1)
        assert rows() == [("a", ALWAYS, 5)]

    def test_keeps_the_last_price_of_a_model_that_is_no_longer_published(self, publishes):
        publishes(("retired", ALWAYS, 1))
        load_prices(now=NOON)
        publishes(("a", ALWAYS, 1))

        load_prices(now=NOON)

        assert ("retired", ALWAYS, 1) in rows()

    def test_leaves_what_operators_have_set(self, publishes):
        own = ModelPriceFactory(model="a", provider="openai", input=7)
        publishes(("a", ALWAYS, 1))

        load_prices(now=NOON)

        own.refresh_from_db()
        assert own.input == 7
        assert input_price("openai", "a") == 7

    def test_the_command_says_what_it_did_with_the_real_ones(self, capsys):
        call_command("load_model_prices")
        call_command("load_model_prices")

        first, second = capsys.readouterr().out.splitlines()
        assert first.startswith("Prices: ")
        assert "0 updated, 0 removed, 0 unchanged." in first
        assert second.startswith("Prices: 0 new, 0 updated, 0 removed, ")
        assert input_price("anthropic", "claude-3-haiku-20240307") == Decimal("0.25")


@pytest.mark.django_db(transaction=True)
def test_two_who_load_at_once_make_each_row_once():
    if connection.vendor == "sqlite":
        pytest.skip("One transaction at a time anyway.")

    at_once(lambda: load_prices(now=NOON), lambda: load_prices(now=NOON))

    loaded = load_prices(now=NOON)
    assert (loaded.created, loaded.updated, loaded.removed) == (0, 0, 0)


class TestOperatorsPrices:
    VALUES = {"provider": " OpenAI ", "model": "mine", "input": Decimal(1), "output": Decimal(2)}

    @pytest.fixture
    def by(self):
        return Actor(UserFactory())

    def test_are_set_changed_and_removed_and_that_is_noted(self, by):
        row = set_price(**self.VALUES, by=by, now=NOON)
        assert (row.provider, row.source, row.created_by) == ("openai", "operator", by.user)

        change_price(row, by=by, input=Decimal("0.5"))
        assert input_price("openai", "mine") == Decimal("0.5")

        delete_price(row, by=by)
        assert price_of("openai", "mine", NOON) is None
        actions = AuditEntry.objects.order_by("created_at", "id").values_list("action", flat=True)
        assert list(actions) == ["model_price.created", "model_price.changed", "model_price.deleted"]

    def test_one_that_somebody_has_deleted_meanwhile_stays_deleted(self, by):
        row = set_price(**self.VALUES, by=by, now=NOON)
        ModelPrice.objects.all().delete()

        with pytest.raises(NotFound, match="no such model price any more"):
            change_price(row, by=by, input=Decimal("0.5"))

        assert not ModelPrice.objects.exists()

    def test_can_be_nothing_for_what_costs_nothing(self, by):
        set_price(**{**self.VALUES, "input": Decimal(0), "output": Decimal(0)}, by=by, now=NOON)

        assert input_price("openai", "mine") == 0

    @pytest.mark.parametrize(
        ("wrong", "path"),
        [
            ({"input": Decimal(-1)}, "/input"),
            ({"cached_input": prices.MOST + 1}, "/cached_input"),
            ({"model": "  "}, "/model"),
            ({"provider": ""}, "/provider"),
        ],
    )
    def test_that_make_no_sense_are_refused(self, by, wrong, path):
        with pytest.raises(InvalidPrice) as raised:
            set_price(**{**self.VALUES, **wrong}, by=by, now=NOON)

        assert raised.value.path == path

    def test_are_one_for_a_moment(self, by):
        set_price(**self.VALUES, by=by, now=NOON)

        with pytest.raises(PriceExists):
            set_price(**self.VALUES, by=by, now=NOON)

    @pytest.mark.parametrize(
        "do", [lambda row, by: change_price(row, by=by, input=1), lambda row, by: delete_price(row, by=by)]
    )
    def test_published_ones_are_not_touched(self, by, do):
        with pytest.raises(PriceIsPublished, match="genai-prices 0"):
            do(from_package("gpt-4o"), by)
