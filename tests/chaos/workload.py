"""What is executed: branches, a join, a loop, calls that fail at first, a timer; and the senders, who try until they are heard."""

from __future__ import annotations

import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.builders import definition, node

ITEMS = (1, 2, 3)
# Of a hundred keys, so many are refused once, and so many twice, before they are served.
FAIL_ONCE, FAIL_TWICE = 15, 5


def workflow(url: str) -> dict[str, Any]:
    """Return the definition. Every call carries the delivery's number, and is tried up to ten times."""
    hook = node("trigger", {"kind": "webhook", "dedupe_header": "X-Delivery-Id"})
    check = node("condition", {"cases": [{"port": "even", "when": "{{ trigger.body.n % 2 == 0 }}"}]})
    loop = {
        "items": list(ITEMS),
        "accumulator": {
            "initial": 0,
            "next": "{{ accumulator + nodes.charge.output.body.done.item * trigger.body.n }}",
        },
    }
    return definition(
        "hook > check",
        "check.even > each > rest > ship > end",
        "check.else > shape > note > end",
        "hook > audit > end",
        hook=hook,
        check=check,
        each=node("loop", loop),
        charge=_call(url, {"n": "{{ trigger.body.n }}", "item": "{{ item }}"}, parent="each"),
        rest=node("delay", {"for_seconds": 1}),
        ship=_call(url, {"n": "{{ trigger.body.n }}"}),
        shape=node(
            "transform",
            {"value": {"n": "{{ trigger.body.n }}"}, "steps": [{"operation": "rename", "fields": {"n": "m"}}]},
        ),
        note=_call(url, {"m": "{{ input.m }}"}),
        audit=_call(url, {"n": "{{ trigger.body.n }}"}),
        end=node(
            "output",
            {
                "value": {
                    "n": "{{ trigger.body.n }}",
                    "total": "{{ nodes.each?.output.accumulator ?? null }}",
                    "noted": "{{ nodes.note?.output.body.done.m ?? null }}",
                    "audited": "{{ nodes.audit.output.body.done.n }}",
                }
            },
        ),
    )


def expected(n: int) -> dict[str, Any]:
    """Return the result of the execution that the nth delivery starts."""
    even = n % 2 == 0
    return {"n": n, "total": sum(ITEMS) * n if even else None, "noted": None if even else n, "audited": n}


def failures(key: str) -> int:
    """Return how often a key is refused before it is served. The same key, the same answer."""
    lot = zlib.crc32(key.encode()) % 100
    return 2 if lot < FAIL_TWICE else 1 if lot < FAIL_TWICE + FAIL_ONCE else 0


def _call(url: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    policy = {"max_attempts": 10, "backoff": "fixed", "base_seconds": 0.3, "jitter": False}
    return node(
        "tool", {"tool": "http.request", "with": {"method": "POST", "url": url, "json": body}}, retry=policy, **more
    )


@dataclass
class Delivery:
    """One delivery, and what its sender heard."""

    n: int
    delivery_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    tries: int = 0
    # The executions of which an answer of 2xx spoke. There may be one at most.
    heard: set[str] = field(default_factory=set)


class Senders:
    """Several senders, each of which sends one delivery after the other until it is accepted; some twice, as senders do."""

    def __init__(self, url: str, count: int, *, senders: int, per_second: float) -> None:
        self.deliveries = [Delivery(n) for n in range(count)]
        self._url = url
        self._left = iter(self.deliveries)
        self._lock = threading.Lock()
        self._pause = senders / per_second
        self._threads = [threading.Thread(target=self._send_all, daemon=True) for _ in range(senders)]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    @property
    def accepted(self) -> int:
        """How many deliveries have been answered with 2xx."""
        return sum(1 for delivery in self.deliveries if delivery.heard)

    @property
    def are_done(self) -> bool:
        """Whether everything is accepted."""
        return not any(thread.is_alive() for thread in self._threads)

    def _send_all(self) -> None:
        with httpx2.Client(timeout=5, trust_env=False) as client:
            while True:
                with self._lock:
                    delivery = next(self._left, None)
                if delivery is None:
                    return
                began = time.monotonic()
                while not self._send(client, delivery):
                    time.sleep(0.2)
                if delivery.n % 10 == 0:
                    self._send(client, delivery)
                time.sleep(max(self._pause - (time.monotonic() - began), 0))

    def _send(self, client: httpx2.Client, delivery: Delivery) -> bool:
        delivery.tries += 1
        try:
            answer = client.post(self._url, json={"n": delivery.n}, headers={"X-Delivery-Id": delivery.delivery_id})
        except httpx2.TransportError:
            return False
        if not answer.is_success:
            assert answer.status_code >= 500, answer.text
            return False
        delivery.heard.add(answer.json()["execution_id"])
        return True
