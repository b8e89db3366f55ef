"""A loop over 10,000 items with one transform in it: how long, and what the worker holds in memory meanwhile."""

from __future__ import annotations

import argparse
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks import options
from benchmarks.definitions import loop_of_one
from benchmarks.installations import Measured, running
from benchmarks.processes import proportional_bytes
from benchmarks.tables import load_average, median_of, print_table

TARGET_SECONDS = 3
SAMPLE_SECONDS = 0.05
MEGABYTE = 1_000_000


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running(**chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("loops", __doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[1_000, 10_000])
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure loops of growing length: the memory must not grow with them."""
    rows = []
    workflow_id = segue.publish("Loop", loop_of_one())
    # Afterwards the worker has loaded all that it needs.
    segue.ended(segue.run(workflow_id, {"count": 100})["id"], seconds=60)
    for items in chosen.items:
        figures = median_of([_measure(segue, workflow_id, items=items) for _ in range(chosen.rounds)])
        target = TARGET_SECONDS if items == 10_000 else ""
        rows.append({"items": items, "target s": target, **figures, "load": load_average()})
    print_table("Loop of one transform (MB: PSS of the worker and its children)", rows)


def _measure(segue: Measured, workflow_id: str, *, items: int) -> dict[str, float]:
    before = segue.cpu_seconds()
    with _watched_memory(segue) as memory:
        started = segue.run(workflow_id, {"count": items})
        segue.wait_until_idle()  # Cheaper than asking the API, which takes processor time from what is measured.
    execution = segue.execution(started["id"])
    after = segue.cpu_seconds()
    assert execution["status"] == "completed", execution["error"]
    assert execution["result"] == items, execution["result"]
    ((node_runs,),) = segue.ask(
        "SELECT count(*) FROM workflow_execution_logs WHERE execution_id = ?", segue.key(execution["id"])
    )
    assert node_runs == items + 3, f"{node_runs} node runs are recorded."
    return {
        "seconds": execution["duration_seconds"],
        "turns/s": items / execution["duration_seconds"],
        "node runs": node_runs,
        "MB before": memory.before / MEGABYTE,
        "MB peak": memory.peak / MEGABYTE,
        "MB after": memory.after / MEGABYTE,
        **{f"cpu s {name}": after[name] - before[name] for name in ("web", "worker", "postgres") if name in before},
    }


@dataclass
class _Memory:
    samples: list[int] = field(default_factory=list)

    @property
    def before(self) -> int:
        return self.samples[0]

    @property
    def peak(self) -> int:
        return max(self.samples)

    @property
    def after(self) -> int:
        return self.samples[-1]


@contextlib.contextmanager
def _watched_memory(segue: Measured) -> Iterator[_Memory]:
    """Look at the worker's memory again and again; first and last when nothing runs."""
    memory, is_over = _Memory(), threading.Event()

    def look() -> None:
        memory.samples.append(proportional_bytes(segue.of("worker")))

    def look_on() -> None:
        while not is_over.wait(SAMPLE_SECONDS):
            look()

    look()
    thread = threading.Thread(target=look_on)
    thread.start()
    try:
        yield memory
    finally:
        is_over.set()
        thread.join()
        look()


if __name__ == "__main__":
    main()
