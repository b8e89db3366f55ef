"""Prices that others have collected: the data that comes with genai-prices. Nothing is asked from outside.

The library is loaded where it is needed: it holds thousands of models, and most processes never ask for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import ROUND_UP, Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from executions.spending.models import ALWAYS
from executions.spending.pricing import Price

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, Provider, TieredPrices

_DIGITS = Decimal("1e-9")

DEAREST_TIER = "The dearest of its tiers."
DEAREST_TIME = "The dearest time of the day."
DEAREST_KIND = "The dearest kind of token."


@dataclass(frozen=True)
class Published:
    """A price with whose it is, since when, and what there is to say of it."""

    provider: str
    model: str
    valid_from: datetime
    price: Price
    note: str = ""


@cache
def source() -> str:
    """Return what the prices come from, as rows say it."""
    return f"genai-prices {version('genai-prices')}"


def published() -> Iterator[Published]:
    """Return the price of every model that is paid by tokens in and out, with all its dates.

    Left out are those that cost something else besides, such as a fee for each request: whatever the tokens cost would be too
    little, and an unknown price is better than a wrong one.
    """
    for provider in _providers():
        for model in provider.models:
            yield from _of_model(provider.id, model)


@lru_cache(maxsize=1024)
def known_as(protocol: str, base_url: str, model: str) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Return whose server this is, and under which names (provider, model) its price may be published.

    :param protocol: ``openai`` or ``anthropic``; without a URL that is the provider.
    :returns: None and nothing for a server that nobody knows.
    """
    provider = _provider_of(protocol, base_url)
    if provider is None:
        return None, ()
    names = [(provider.id, model)]
    by_id = {each.id: each for each in _providers()}
    # Some sell the models of others at their prices.
    for each in [provider, *(by_id[name] for name in provider.fallback_model_providers or () if name in by_id)]:
        if (found := each.find_model(model)) is not None:
            names.append((each.id, found.id))
            break
    return provider.id, tuple(dict.fromkeys(names))


def _providers() -> list[Provider]:
    from genai_prices.data import providers

    return providers


def _provider_of(protocol: str, base_url: str) -> Provider | None:
    for provider in _providers():
        if re.match(provider.api_pattern, base_url) if base_url else provider.id == protocol:
            return provider
    return None


def _of_model(provider: str, model: ModelInfo) -> Iterator[Published]:
    before: tuple[Price, str] | None = None
    for since in _dates(model):
        try:
            found = _dearest(_valid(model, since))
        except _NotByTokens:
            return
        if found != before:
            yield Published(provider, model.id, since, *found)
        before = found


class _NotByTokens(Exception):
    """The model is not paid by tokens in and out alone."""


def _conditional(model: ModelInfo) -> list[ConditionalPrice]:
    from genai_prices.types import ConditionalPrice

    return model.prices if isinstance(model.prices, list) else [ConditionalPrice(prices=model.prices)]


def _dates(model: ModelInfo) -> list[datetime]:
    """Return when its prices change: from the oldest on, which has been valid always."""
    from genai_prices.types import StartDateConstraint

    constraints = [each.constraint for each in _conditional(model)]
    starts = {each.start_date for each in constraints if isinstance(each, StartDateConstraint)}
    return [ALWAYS, *(datetime.combine(day, time(), UTC) for day in sorted(starts))]


def _valid(model: ModelInfo, moment: datetime) -> list[ModelPrice]:
    """Return the prices that are valid on the day of a moment; several, if it depends on the time of the day.

    In the library's own order: the last one that is valid wins, and the first one if none is.
    """
    from genai_prices.types import TimeOfDateConstraint

    found: list[ModelPrice] = []
    for each in reversed(_conditional(model)):
        if isinstance(each.constraint, TimeOfDateConstraint):
            found.append(each.prices)
        elif each.constraint is None or each.constraint.active(moment):
            return [*found, each.prices]
    return [*found, _conditional(model)[0].prices]


def _dearest(prices: list[ModelPrice]) -> tuple[Price, str]:
    """Return the most that each kind of token can cost, and a note if there was a choice."""
    notes = {DEAREST_TIME} if len(prices) > 1 else set()

    def most(*names: str) -> Decimal | None:
        given = [
            (name, _tiers(value)) for price in prices for name in names if (value := vars(price).get(name)) is not None
        ]
        notes.update(DEAREST_TIER for _, tiers in given if len(tiers) > 1)
        notes.update(DEAREST_KIND for name, _ in given if name != names[0])
        amounts = [amount for _, tiers in given for amount in tiers]
        return max(amounts).quantize(_DIGITS, rounding=ROUND_UP) if amounts else None

    input, output = most("input_mtok", "input_image_mtok"), most("output_mtok", "output_reasoning_mtok")
    if input is None or output is None or any(vars(price).get("requests_kcount") is not None for price in prices):
        raise _NotByTokens
    price = Price(input, output, most("cache_read_mtok"), most("cache_write_mtok"), source())
    return price, " ".join(sorted(notes))


def _tiers(given: Decimal | TieredPrices) -> list[Decimal]:
    return [given] if isinstance(given, Decimal) else [given.base, *(tier.price for tier in given.tiers)]
