"""Chains of pure nodes behind a webhook, every node run recorded."""

from __future__ import annotations

import argparse

from benchmarks import options
from benchmarks.definitions import ORDER, chain
from benchmarks.installations import Measured, running
from benchmarks.load import post
from benchmarks.tables import load_average, median_of, print_table
from benchmarks.webhooks import measure

# A copied value needs no JavaScript; a computed one does, in the sandbox, once for each node.
COPIED, COMPUTED = "{{ input.total }}", "{{ input.total + 1 }}"
# Target: executions a second of a chain of 10 that copy.
CHAINS = ((10, "copies", COPIED, 250), (10, "computes", COMPUTED, None), (100, "copies", COPIED, None))


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("chains", __doc__)
    parser.add_argument(
        "--requests", type=int, default=1500, help="of each round, for a chain of 10; a tenth for one of 100"
    )
    parser.add_argument("--connections", type=int, default=16)
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure chains of 10 and of 100 nodes."""
    rows = []
    for length, kind, value, target in CHAINS:
        requests = max(chosen.requests * 10 // length, chosen.connections)
        workflow_id, path = segue.hook(f"Chain of {length}, {kind}", chain(length, value=value))
        post(segue.port, path, ORDER, requests=max(requests // 10, 1), connections=chosen.connections)
        segue.wait_until_idle()
        rounds = [
            measure(segue, workflow_id, path, requests=requests, connections=chosen.connections)
            for _ in range(chosen.rounds)
        ]
        figures = median_of(rounds)
        rows.append(
            {
                "nodes": length,
                "each": kind,
                "target": target or "",
                **figures,
                "node runs/s": figures["executions/s"] * (length + 1),
                "load": load_average(),
            }
        )
    print_table("Chains of pure nodes (milliseconds; processor time for each execution)", rows)


if __name__ == "__main__":
    main()
