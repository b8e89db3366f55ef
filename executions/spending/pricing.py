"""What tokens cost. Pure: prices and numbers in, money out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

# The last digit that is kept of US dollars.
_LAST_DIGIT = Decimal("1e-9")
_MILLION = Decimal(1_000_000)
# Of one call; a thousand times what the largest models take.
_MOST_TOKENS = 1_000_000_000
# In the order of the fields of Tokens.
_NAMES = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


@dataclass(frozen=True)
class Tokens:
    """How many of each kind a call has used. Cached ones and those written to a cache are among the input."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0

    @classmethod
    def of(cls, usage: Mapping[str, object] | None) -> Tokens:
        """Read what an adapter tells: ``input_tokens``, ``cached_input_tokens`` and so on.

        Where one of the numbers makes no sense, none is believed: they come from outside.
        """
        told = [(usage or {}).get(name, 0) for name in _NAMES]
        if not all(type(each) is int and 0 <= each <= _MOST_TOKENS for each in told):
            return cls()
        return cls(*told)  # type: ignore[arg-type]

    @property
    def are_known(self) -> bool:
        """Whether the provider has told them: no call goes without any."""
        return bool(self.input or self.output)


@dataclass(frozen=True)
class Price:
    """What a million tokens cost in US dollars. None: as any other input."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    source: str = ""

    def cost(self, tokens: Tokens) -> Decimal:
        """Return what a call has cost. A fraction of the last digit is rounded up."""
        # Never less than nothing, whatever a provider counts.
        uncached = max(tokens.input - tokens.cached_input - tokens.cache_write, 0)
        total = (
            uncached * self.input
            + tokens.cached_input * _or(self.cached_input, self.input)
            + tokens.cache_write * _or(self.cache_write, self.input)
            + tokens.output * self.output
        )
        return rounded(total / _MILLION)

    def most(self, *, input_tokens: int, output_tokens: int) -> Decimal:
        """Return what a call with no more tokens than these can cost at most."""
        dearest = max(self.input, _or(self.cached_input, self.input), _or(self.cache_write, self.input))
        return rounded((input_tokens * dearest + output_tokens * self.output) / _MILLION)


def rounded(amount: Decimal) -> Decimal:
    """Return an amount with as many digits as are kept, rounded up."""
    return amount.quantize(_LAST_DIGIT, rounding=ROUND_UP)


def plain(amount: Decimal) -> str:
    """Return an amount as people write it: without zeros at its end."""
    return f"{amount.normalize():f}"


def _or(price: Decimal | None, otherwise: Decimal) -> Decimal:
    return otherwise if price is None else price
