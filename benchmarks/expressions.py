"""What an evaluation costs. Run it from the top level: ``python -m benchmarks.expressions``.

Times are medians of many; compare them within one run only.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from workflows.expressions import Evaluator, Expression, InProcessSandbox, Sandbox, analyse, render

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORDER = {"id": "o-1", "amount": 120.5, "country": "DE", "lines": [{"sku": f"s{i}", "qty": i} for i in range(20)]}
ROOTS: dict[str, Any] = {"input": {"body": ORDER}, "nodes": {"check": {"output": ORDER}}, "vars": {"LIMIT": 100}}
ITEMS = [{"id": i, "name": f"Item {i}", "qty": i % 7, "price": 2.5} for i in range(10_000)]
CONFIG = {
    "url": "https://example.com/orders/{{ input.body.id }}",
    "body": {"id": "{{ input.body.id }}", "total": "{{ input.body.lines.reduce((sum, line) => sum + line.qty, 0) }}"},
    "is_large": "{{ input.body.amount > vars.LIMIT && input.body.country === 'DE' }}",
}


def measure(name: str, action: Callable[[], object], *, rounds: int, pause: float = 0.0) -> None:
    """Print the median and the 95th percentile of an action in milliseconds."""
    action()
    times = []
    for _ in range(rounds):
        time.sleep(pause)
        start = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - start))
    times.sort()
    print(f"{name:58} p50 {statistics.median(times):9.3f} ms   p95 {times[int(rounds * 0.95)]:9.3f} ms")


def measure_evaluator(evaluator: Evaluator) -> None:
    """Print what is done most."""
    kind = type(evaluator).__name__

    def evaluate(*sources: str) -> Callable[[], object]:
        return lambda: evaluator.evaluate([Expression(source) for source in sources], ROOTS, now=NOW)

    condition = "input.body.amount > vars.LIMIT && input.body.country === 'DE'"
    measure(f"{kind}: plain path", evaluate("input.body.amount"), rounds=2000)
    measure(f"{kind}: condition, after a pause", evaluate(condition), rounds=1000, pause=0.002)
    measure(f"{kind}: condition, without pause", evaluate(condition), rounds=2000)
    measure(f"{kind}: five expressions", evaluate(*(f"{condition} ? {n} : 0" for n in range(5))), rounds=1000)
    measure(f"{kind}: a node's config", lambda: render(CONFIG, evaluator, ROOTS, now=NOW), rounds=1000)
    for source in ("item.qty > 3", "({id: item.id, total: item.qty * item.price})"):
        each = Expression(source)
        measure(
            f"{kind}: 10,000 items, {source[:24]}",
            lambda each=each: evaluator.evaluate_each(each, ITEMS, ROOTS, now=NOW),
            rounds=20,
        )


def main() -> None:
    """Measure both kinds of sandbox, the start of a child, and the static analysis."""
    for evaluator in (Sandbox(), InProcessSandbox()):
        measure_evaluator(evaluator)
        evaluator.close()
    sandbox = Sandbox()

    def start() -> None:
        sandbox.close()
        sandbox.evaluate([Expression("1 + 1")], {}, now=NOW)

    measure("Sandbox: start of a child", start, rounds=20)
    sandbox.close()
    numbers = iter(range(10**6))
    measure("analyse: a source not seen before", lambda: analyse(f"nodes.a?.output.x ?? {next(numbers)}"), rounds=1000)


if __name__ == "__main__":
    main()
