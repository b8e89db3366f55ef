"""W1: a webhook with four trivial nodes, 16 connections, every execution and node run recorded."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.installation import Installation, fresh_database

WORKFLOW = {
    "schema": 1,
    "nodes": [
        {"id": "hook", "type": "trigger", "config": {"kind": "webhook"}},
        {
            "id": "check",
            "type": "condition",
            "config": {"cases": [{"port": "big", "when": "{{ input.body.total > 100 }}"}]},
        },
        {
            "id": "shape",
            "type": "transform",
            "config": {"steps": [{"operation": "set", "fields": {"total": "{{ trigger.body.total }}"}}]},
        },
        {"id": "end", "type": "output", "config": {"value": "{{ input.total }}"}},
    ],
    "edges": [
        {"source": "hook", "target": "check"},
        {"source": "check", "source_port": "big", "target": "shape", "type": "condition"},
        {"source": "shape", "target": "end"},
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--finished", action="store_true", help="callers wait for the result")
    options = parser.parse_args()
    kind = "postgres" if os.environ.get("TEST_DATABASE_URL") else "sqlite"
    with tempfile.TemporaryDirectory() as folder, fresh_database(kind, Path(folder)) as database_url:
        broker_url = os.environ.get("TEST_BROKER_URL", "redis://127.0.0.1:6379/7")
        segue = Installation(
            Path(folder),
            database_url=database_url,
            broker_url=broker_url,
            ENGINE_LEASE_SECONDS="30",
            LOG_LEVEL="WARNING",
        )
        try:
            segue.start()
            _measure(segue, options)
        finally:
            segue.stop()


def _measure(segue: Installation, options: argparse.Namespace) -> None:
    definition = json.loads(json.dumps(WORKFLOW))
    if options.finished:
        definition["nodes"][0]["config"]["respond"] = "finished"
    workflow_id = segue.publish("W1", definition)
    path = f"/webhooks/{segue.webhook(workflow_id)['path']}"
    _send(segue, path, 50, [])
    _wait_for_ends(segue, workflow_id, 50)

    alone: list[float] = []
    _send(segue, path, 200, alone)
    _wait_for_ends(segue, workflow_id, 250)
    print(f"alone: p50 {statistics.median(alone) * 1000:.1f} ms")

    each = options.requests // options.connections
    took: list[float] = []
    started = time.monotonic()
    threads = [threading.Thread(target=_send, args=(segue, path, each, took)) for _ in range(options.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - started
    total = each * options.connections
    _wait_for_ends(segue, workflow_id, 250 + total)
    ended = time.monotonic() - started
    took.sort()
    print(
        f"accepted: {total / accepted:.0f}/s, p50 {took[len(took) // 2] * 1000:.1f} ms, p99 {took[len(took) * 99 // 100] * 1000:.1f} ms"
    )
    print(f"executions: {total / ended:.0f}/s")


def _send(segue: Installation, path: str, times: int, took: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", segue.port)
    body = json.dumps({"total": 150, "customer": "c-17", "lines": [{"sku": "a", "quantity": 2}]})
    for _ in range(times):
        began = time.monotonic()
        connection.request("POST", path, body=body, headers={"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        assert response.status in {200, 202}, response.status
        took.append(time.monotonic() - began)
    connection.close()


def _wait_for_ends(segue: Installation, workflow_id: str, count: int) -> None:
    import psycopg

    url = segue.environment["DATABASE_URL"]
    question = "SELECT count(*) FROM workflow_executions WHERE status = 'completed'"
    if url.startswith("sqlite"):
        import sqlite3

        connection: Any = sqlite3.connect(url.removeprefix("sqlite:///"))
    else:
        connection = psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True)
    until = time.monotonic() + 120
    while (found := connection.execute(question).fetchone()[0]) < count:
        assert time.monotonic() < until, f"{found} of {count} executions have ended"
        time.sleep(0.02)
    connection.close()


if __name__ == "__main__":
    main()
