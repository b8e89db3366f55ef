"""W1: a webhook with four pure nodes, every execution and node run recorded.

``accepted``: the caller has its answer when the execution is committed, and the time to its end is read from the row.
``finished``: the caller waits for the result.
"""

from __future__ import annotations

import argparse
from uuid import UUID

from benchmarks import options
from benchmarks.definitions import ORDER, webhook_of_four
from benchmarks.installations import Measured, running
from benchmarks.load import Answers, post
from benchmarks.tables import load_average, median_of, percentile, print_table

WARM_UP = 300


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("webhooks", __doc__)
    parser.add_argument("--requests", type=int, default=3000, help="requests of each round with many connections")
    parser.add_argument("--alone", type=int, default=300, help="requests of each round with one connection")
    parser.add_argument("--connections", type=int, default=16)
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure both modes, each alone and with many connections."""
    rows = []
    for mode in ("accepted", "finished"):
        workflow_id, path = segue.hook(f"W1 {mode}", webhook_of_four(respond=mode))
        post(segue.port, path, ORDER, requests=min(WARM_UP, chosen.requests), connections=chosen.connections)
        segue.wait_until_idle()
        for requests, connections in ((chosen.alone, 1), (chosen.requests, chosen.connections)):
            rounds = [
                measure(segue, workflow_id, path, requests=requests, connections=connections)
                for _ in range(chosen.rounds)
            ]
            rows.append({"answer": mode, "connections": connections, **median_of(rounds), "load": load_average()})
    print_table("W1: webhook of four pure nodes (milliseconds; processor time for each execution)", rows)


def measure(segue: Measured, workflow_id: str, path: str, *, requests: int, connections: int) -> dict[str, float]:
    """Send requests, wait for the last end, and return what it took."""
    before = segue.cpu_seconds()
    answers = post(segue.port, path, ORDER, requests=requests, connections=connections)
    segue.wait_until_idle()
    after = segue.cpu_seconds()
    ends = segue.ends(workflow_id)
    first = min(answers.sent_at)
    found = sum(end >= first for end in ends.values())
    assert found == requests, f"{found} of {requests} completed since {first}: {segue.others(workflow_id)}"
    figures = {
        "executions/s": requests / (max(ends.values()) - first),
        "answers/s": requests / answers.duration,
        "answer p50": percentile(answers.seconds, 0.50) * 1000,
        "answer p99": percentile(answers.seconds, 0.99) * 1000,
        **_times_to_end(answers, ends),
    }
    used = {name: (after[name] - before[name]) * 1000 / requests for name in after if name in before}
    return figures | {f"cpu {name}": value for name, value in used.items()} | {"cpu": sum(used.values())}


def _times_to_end(answers: Answers, ends: dict[UUID, float]) -> dict[str, float]:
    """Return how long it took from the request to the end, where the answer tells which execution it is about."""
    times = [
        ends[UUID(body["execution_id"])] - sent_at
        for sent_at, body in zip(answers.sent_at, answers.bodies, strict=True)
        if isinstance(body, dict) and "execution_id" in body
    ]
    if not times:
        return {}
    return {"end p50": percentile(times, 0.50) * 1000, "end p99": percentile(times, 0.99) * 1000}


if __name__ == "__main__":
    main()
