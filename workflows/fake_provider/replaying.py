"""Answering from recorded exchanges."""

from __future__ import annotations

from collections import Counter, defaultdict
from threading import Lock

from workflows.fake_provider.asking import Asking
from workflows.fake_provider.delivery import Delivery, json_delivery
from workflows.fake_provider.fixtures import Exchange, Fixtures, closest, key_of
from workflows.fake_provider.ledger import keys_in
from workflows.fake_provider.refusals import Refused
from workflows.fake_provider.stripping import Stripper


class Replayer:
    """Answers each request as it was answered when it was recorded.

    Recorded several times, it is answered in that order, and at last always the same: after a crash the same call comes again.
    """

    def __init__(self, fixtures: Fixtures) -> None:
        self._fixtures = fixtures
        self._lock = Lock()
        self._given: Counter[str] = Counter()
        self._recorded: defaultdict[str, list[Exchange]] = defaultdict(list)
        for exchange in fixtures.exchanges:
            self._recorded[exchange.key(fixtures.ignore)].append(exchange)

    def answer(self, asking: Asking) -> Delivery:
        """Return the recorded answer, or what keeps the request from having one."""
        body = Stripper(keys_in(asking.headers)).data(asking.body)
        key = key_of(asking.method, asking.path, body, self._fixtures.ignore)
        recorded = self._recorded.get(key)
        if recorded is None:
            refused = Refused(self._miss(asking, body), status=404, code="not_recorded")
            return json_delivery(refused.status, asking.protocol.refusal(refused))
        with self._lock:
            number = min(self._given[key], len(recorded) - 1)
            self._given[key] += 1
        return recorded[number].answer.to_delivery()

    def close(self) -> None:
        """Do nothing: nothing is under way."""

    def _miss(self, asking: Asking, body: object) -> str:
        alike = [
            exchange
            for exchange in self._fixtures.exchanges
            if (exchange.method, exchange.path) == (asking.method, asking.path)
        ]
        if not alike:
            known = sorted({f"{exchange.method} {exchange.path}" for exchange in self._fixtures.exchanges})
            return f"No {asking.method} {asking.path} was recorded; only {', '.join(known) or 'nothing at all'}."
        return f"This request was not recorded. {closest(body, alike, self._fixtures.ignore)}"
