"""What this machine gives at best, to read the other figures by: Celery alone, Django alone, gunicorn with one INSERT.

On the same broker and the same database as everything else; run it together with what it is compared with.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import options
from benchmarks.definitions import chain
from benchmarks.installations import Measured, running
from benchmarks.load import post
from benchmarks.tables import load_average, median_of, percentile, print_table
from tests.environment import ROOT
from tests.servers import free_port

START_SECONDS = 60


def main(arguments: list[str] | None = None) -> None:
    """Measure an installation of its own."""
    chosen = asked(arguments)
    with running("web", **chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("floors", __doc__)
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=16)
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Measure the three floors."""
    segue.publish("Floor", chain(1, value="{{ input.total }}"))
    floors = {
        "Celery: no-op tasks, published by one process": [_tasks(segue, chosen.tasks) for _ in range(chosen.rounds)],
        "Django: one INSERT and one UPDATE, two commits, one process": [
            _rows(segue, chosen.rows) for _ in range(chosen.rounds)
        ],
        f"gunicorn, 16 threads: one INSERT a request, {chosen.connections} connections": [
            _requests(segue, chosen.requests, connections=chosen.connections) for _ in range(chosen.rounds)
        ],
    }
    rows = [{"floor": name, **median_of(rounds), "load": load_average()} for name, rounds in floors.items()]
    print_table("Floors of this machine (milliseconds for each)", rows)


def _tasks(segue: Measured, count: int) -> dict[str, float]:
    marks = segue.folder / "noop.marks"
    marks.write_bytes(b"")
    environment = {**segue.environment, "NOOP_MARKS": str(marks)}
    worker = ["celery", "-A", "benchmarks.noop", "worker", "--concurrency", "2", "--without-gossip", "--without-mingle"]
    with _running(worker, environment, log=segue.folder / "noop.log"):
        _publish(environment, 20)
        _wait_for_marks(marks, 20)
        began = time.perf_counter()
        published = _publish(environment, count)
        _wait_for_marks(marks, 20 + count)
        took = time.perf_counter() - began
    return {"each/s": count / took, "p50": published * 1000 / count}


def _publish(environment: dict[str, str], count: int) -> float:
    script = (
        "import time; from benchmarks.noop import noop; began = time.perf_counter()\n"
        f"for _ in range({count}): noop.delay()\n"
        "print(time.perf_counter() - began)"
    )
    return float(_output(["-c", script], environment))


def _wait_for_marks(marks: Path, count: int) -> None:
    until = time.monotonic() + 300
    while marks.stat().st_size < count:
        assert time.monotonic() < until, f"{marks.stat().st_size} of {count} tasks ran."
        time.sleep(0.005)


def _rows(segue: Measured, count: int) -> dict[str, float]:
    took = float(_output(["-m", "benchmarks.inserting", str(count)], segue.environment))
    return {"each/s": count / took, "p50": took * 1000 / count}


def _requests(segue: Measured, count: int, *, connections: int) -> dict[str, float]:
    port = free_port()
    server = [
        "gunicorn",
        "--worker-class",
        "gthread",
        "--threads",
        "16",
        "--keep-alive",
        "75",
        "--bind",
        f"127.0.0.1:{port}",
        "benchmarks.inserting",
    ]
    with _running(server, segue.environment, log=segue.folder / "inserting.log"):
        _wait_for_port(port)
        post(port, "/", {}, requests=min(200, count), connections=connections)
        answers = post(port, "/", {}, requests=count, connections=connections)
    return {"each/s": count / answers.duration, "p50": percentile(answers.seconds, 0.5) * 1000}


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        assert time.monotonic() < until, "gunicorn did not start."
        time.sleep(0.05)


def _output(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def _running(command: list[str], environment: dict[str, str], *, log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


if __name__ == "__main__":
    main()
