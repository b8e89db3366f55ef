"""What a model costs at a moment, and what operators do about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from executions.exceptions import InvalidPrice, PriceExists, PriceIsPublished
from executions.spending import published
from executions.spending.models import OPERATOR, ModelPrice
from executions.spending.pricing import Price, plain
from executions.spending.published import Published
from projects import audit
from projects.access import Actor
from projects.locking import locked

# US dollars a million tokens; nobody asks for more, and what calls cost fits the ledger.
MOST = Decimal(100_000)

_AMOUNTS = ("input", "cached_input", "cache_write", "output")


def price_of(provider: str, model: str, at: datetime, base_url: str = "") -> Price | None:
    """Return what a model's tokens cost at a moment; None if nobody knows.

    An operator's price goes before a published one, and the name that is asked for before the one that it is an alias of.

    :param provider: the protocol: ``openai`` or ``anthropic``.
    :param base_url: where it is spoken; empty: at the provider's own address. Published prices are those of the server at this
        address, if it is one that is known.
    """
    server, names = published.known_as(provider, base_url, model)
    models = dict.fromkeys([model, *(name for _, name in names)])
    # A server of one's own goes by its host, or by the protocol that it speaks.
    owners = [*([host_of(base_url)] if base_url else []), server or provider]
    rows = ModelPrice.objects.filter(
        model__in=list(models),
        provider__in=list(dict.fromkeys([*owners, *(name for name, _ in names)])),
        valid_from__lte=at,
    )
    latest: dict[tuple[bool, str, str], ModelPrice] = {
        (row.is_operators, row.provider, row.model): row for row in rows.order_by("valid_from")
    }
    wanted = [
        *((True, owner, each) for owner in owners for each in models),
        *((False, owner, each) for owner, each in names),
    ]
    found = next((latest[each] for each in wanted if each in latest), None)
    return None if found is None else _price(found)


def host_of(base_url: str) -> str:
    """Return the host of a URL, with its port if it names one."""
    return urlsplit(base_url).netloc.rpartition("@")[2].lower()[:255]


def _price(row: ModelPrice) -> Price:
    return Price(row.input, row.output, row.cached_input, row.cache_write, row.source)


# --- Published prices ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loaded:
    """What became of the rows of published prices."""

    created: int
    updated: int
    removed: int
    unchanged: int


@transaction.atomic
def load_prices(*, now: datetime) -> Loaded:
    """Make rows of the published prices that come with this version of Segue. Operators' rows stay as they are.

    Of a model that is published, the dates are those of now; one that is no longer published keeps its last prices.
    """
    existing: defaultdict[tuple[str, str], dict[datetime, ModelPrice]] = defaultdict(dict)
    for row in ModelPrice.objects.select_for_update().exclude(source=OPERATOR).order_by("pk"):
        existing[row.provider, row.model][row.valid_from] = row
    created: list[ModelPrice] = []
    updated: list[ModelPrice] = []
    unchanged = 0
    found = _by_model(published.published())
    for model, prices in found.items():
        for price in prices:
            known = existing[model].pop(price.valid_from, None)
            row = known or ModelPrice(
                provider=price.provider, model=price.model, valid_from=price.valid_from, created_at=now
            )
            if known is not None and _price(known) == price.price and known.note == price.note:
                unchanged += 1
                continue
            for column in _AMOUNTS:
                setattr(row, column, getattr(price.price, column))
            row.source, row.note = price.price.source, price.note
            (created if known is None else updated).append(row)
    gone = [row.pk for model in found for row in existing[model].values()]
    # Somebody else may be loading them too.
    ModelPrice.objects.bulk_create(created, batch_size=500, ignore_conflicts=True)
    ModelPrice.objects.bulk_update(updated, [*_AMOUNTS, "source", "note"], batch_size=200)
    ModelPrice.objects.filter(pk__in=gone).delete()
    return Loaded(len(created), len(updated), len(gone), unchanged)


def _by_model(prices: Iterable[Published]) -> dict[tuple[str, str], list[Published]]:
    found: defaultdict[tuple[str, str], list[Published]] = defaultdict(list)
    for price in prices:
        found[price.provider, price.model].append(price)
    return found


# --- Operators' prices --------------------------------------------------------------------------------------------------


@transaction.atomic
def set_price(*, by: Actor | None, now: datetime, **values: Any) -> ModelPrice:
    """Say what a model costs, from a moment on. It goes before what is published of it.

    :param values: the columns of :class:`ModelPrice`.
    :raises InvalidPrice: with everything that is wrong.
    :raises PriceExists: if there is one of an operator from the same moment on.
    """
    row = ModelPrice(source=OPERATOR, created_by=by.person if by else None, created_at=now, **values)
    _save(row)
    audit.record("model_price.created", row, project=None, by=by, details=_described(row))
    return row


@transaction.atomic
def change_price(row: ModelPrice, *, by: Actor | None, **values: Any) -> ModelPrice:
    """Change an operator's price. What calls have cost before stays.

    :raises PriceIsPublished: if it is none of an operator.
    :raises InvalidPrice: with everything that is wrong.
    :raises PriceExists: if there is another one from the same moment on.
    :raises NotFound: if somebody has deleted it meanwhile.
    """
    _refuse_published(row)
    row = locked(row)
    for column, value in values.items():
        setattr(row, column, value)
    _save(row)
    audit.record("model_price.changed", row, project=None, by=by, details=_described(row))
    return row


@transaction.atomic
def delete_price(row: ModelPrice, *, by: Actor | None) -> None:
    """Remove an operator's price.

    :raises PriceIsPublished: if it is none of an operator.
    :raises NotFound: if somebody was faster.
    """
    _refuse_published(row)
    row = locked(row)
    audit.record("model_price.deleted", row, project=None, by=by, details=_described(row))
    row.delete()


def _refuse_published(row: ModelPrice) -> None:
    if not row.is_operators:
        raise PriceIsPublished(
            f"This price comes from {row.source}.", hint="Add one of your own: it goes before this one."
        )


def check(row: ModelPrice) -> None:
    """Bring a price into its one form.

    :raises InvalidPrice: with everything that is wrong.
    """
    row.provider, row.model = row.provider.strip().lower(), row.model.strip()
    problems = list(_problems(row))
    if problems:
        raise InvalidPrice(problems[0]["message"], problems=problems, path=problems[0]["path"])


def _save(row: ModelPrice) -> None:
    check(row)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise PriceExists(f"There is a price for {row} from then on already.", path="/valid_from") from error


def _problems(row: ModelPrice) -> Iterator[dict[str, Any]]:
    for column in ("provider", "model"):
        if not getattr(row, column):
            yield {"code": InvalidPrice.code, "path": f"/{column}", "message": "It must have a name."}
    for column in _AMOUNTS:
        amount = getattr(row, column)
        if amount is not None and not 0 <= amount <= MOST:
            message = f"It must be from 0 to {MOST:,} US dollars a million tokens."
            yield {"code": InvalidPrice.code, "path": f"/{column}", "message": message}


def _described(row: ModelPrice) -> dict[str, Any]:
    amounts = {column: getattr(row, column) for column in _AMOUNTS}
    return {
        "provider": row.provider,
        "model": row.model,
        "valid_from": row.valid_from.isoformat(),
        **{column: None if amount is None else plain(amount) for column, amount in amounts.items()},
        "note": row.note,
    }
