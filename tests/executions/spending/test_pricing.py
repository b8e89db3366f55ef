"""What tokens cost."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.spending.pricing import Price, Tokens, plain

counts = st.integers(0, 10**9)
amounts = st.decimals(0, 100_000, places=9)


@st.composite
def tokens(draw):
    """Tokens as a provider that counts rightly tells them."""
    total = draw(counts)
    cached = draw(st.integers(0, total))
    written = draw(st.integers(0, total - cached))
    output = draw(counts)
    return Tokens(total, cached, written, output, draw(st.integers(0, output)))


class TestCost:
    def test_is_that_of_each_kind_of_token(self):
        price = Price(Decimal(3), Decimal(15), cached_input=Decimal("0.3"), cache_write=Decimal("3.75"))

        cost = price.cost(Tokens(input=1_000_000, cached_input=400_000, cache_write=100_000, output=200_000))

        assert cost == Decimal("1.5") + Decimal("0.12") + Decimal("0.375") + Decimal(3)

    def test_of_cached_tokens_is_that_of_others_where_nothing_is_said_of_them(self):
        price = Price(Decimal(2), Decimal(4))

        assert price.cost(Tokens(input=10, cached_input=5, cache_write=5)) == price.cost(Tokens(input=10))

    def test_counts_reasoning_as_the_output_that_it_is(self):
        price = Price(Decimal(2), Decimal(4))

        assert price.cost(Tokens(output=10, reasoning=10)) == price.cost(Tokens(output=10))

    def test_is_rounded_up_so_that_it_is_never_nothing_for_something(self):
        assert Price(Decimal("0.0001"), Decimal(0)).cost(Tokens(input=1)) == Decimal("0.000000001")

    def test_is_never_negative_whatever_a_provider_counts(self):
        assert Price(Decimal(1), Decimal(1)).cost(Tokens(input=1, cached_input=5)) >= 0

    @given(tokens(), amounts, amounts, st.none() | amounts, st.none() | amounts)
    def test_is_never_more_than_was_reserved_for_as_many_tokens(self, used, input, output, cached, written):
        price = Price(input, output, cached, written)

        assert price.cost(used) <= price.most(input_tokens=used.input, output_tokens=used.output)


class TestTokens:
    def test_are_read_from_what_an_adapter_tells(self):
        usage = {
            "input_tokens": 5,
            "output_tokens": 4,
            "cached_input_tokens": 3,
            "cache_write_tokens": 2,
            "reasoning_tokens": 1,
        }

        assert Tokens.of(usage) == Tokens(input=5, cached_input=3, cache_write=2, output=4, reasoning=1)

    @pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 0, "output_tokens": 0}])
    def test_are_unknown_where_a_provider_tells_none(self, usage):
        assert not Tokens.of(usage).are_known

    @pytest.mark.parametrize("nonsense", [-1, 10**18, "12", None, 1.5, True])
    def test_are_not_believed_where_they_make_no_sense(self, nonsense):
        assert not Tokens.of({"input_tokens": nonsense, "output_tokens": 3}).are_known


@pytest.mark.parametrize(
    ("amount", "text"), [("10.000000000", "10"), ("0.500000000", "0.5"), ("0", "0"), ("1000000", "1000000")]
)
def test_amounts_are_written_without_zeros_at_their_end(amount, text):
    assert plain(Decimal(amount)) == text
