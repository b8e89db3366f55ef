"""``python -m config.supervisor.proof``: show that Segue works, by using it as its users do, over HTTP.

Reads one JSON object from standard input: ``url``, ``token`` and ``project`` (an id). Exit code 0 if a real webhook
started a real execution that completed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.supervisor.loopback import NoAnswer, ask

# From the gallery: its webhook asks for no secret, and its nodes need nothing outside this machine.
TEMPLATE = "order-webhook"
WORKFLOW = "Demo: order webhook"
PAYLOAD = {
    "order_id": "A-1001",
    "customer": {"name": "Ada"},
    "currency": "EUR",
    "items": [
        {"sku": "tea", "quantity": 3, "unit_price": 12.5},
        {"sku": "pot", "quantity": 1, "unit_price": 89.0},
    ],
}

# Generous: the worker may still be importing on a small machine, and the first expression starts a process.
END_WITHIN_SECONDS = 60.0
LOOK_EVERY_SECONDS = 0.2

# More than a wide terminal shows.
EXCERPT_CHARACTERS = 300


class Disproved(Exception):
    """Segue did something else than it should. The message says what."""


@dataclass(frozen=True)
class Installation:
    """Segue as a program meets it."""

    url: str
    token: str
    project: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return what the API answers.

        :raises Disproved: if it is not what was asked for.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = ask(method, f"{self.url}/api/{path}", body=body, headers=headers)
        if not 200 <= answer.status < 300:
            raise Disproved(f"{method} /api/{path} answered {answer.status}: {answer.body}")
        return answer.body


def prove(segue: Installation, console: Console) -> None:
    """Install a template unless an earlier start did, call its webhook, and show the execution node by node.

    :raises Disproved: if any of it does not work.
    """
    workflow = installed(segue)
    path = webhook_path(segue, workflow)
    console.print(f"Calling {segue.url}/webhooks/{path}", highlight=False, soft_wrap=True)
    execution = ended(segue, call_webhook(segue, path))
    console.print(table_of(execution, segue.call("GET", f"executions/{execution['id']}/node-runs/")["results"]))
    if execution["status"] != "completed":
        raise Disproved(f"The execution ended as {execution['status']}: {execution['error']}")


def installed(segue: Installation) -> str:
    """Return the id of a workflow of an earlier start that still answers, or of one that is installed now."""
    query = urlencode({"project": segue.project, "search": WORKFLOW, "include_archived": "true"})
    known = segue.call("GET", f"workflows/?{query}")["results"]
    for workflow in known:
        if workflow["status"] == "active":
            return str(workflow["id"])
    templates = segue.call("GET", f"templates/?slug={TEMPLATE}")["results"]
    if not templates:
        raise Disproved(f"The gallery has no template {TEMPLATE}.")
    wanted = {"project": segue.project, "name": free_name(workflow["name"] for workflow in known)}
    return str(segue.call("POST", f"templates/{templates[0]['id']}/install/", wanted)["id"])


def free_name(taken: Iterable[str]) -> str:
    """Return a name for the demo's workflow beside those that somebody paused, archived or renamed."""
    names = set(taken)
    numbered = (f"{WORKFLOW} {number}" for number in count(2))
    return WORKFLOW if WORKFLOW not in names else next(name for name in numbered if name not in names)


def webhook_path(segue: Installation, workflow: str) -> str:
    found = segue.call("GET", f"webhook-registrations/?workflow={workflow}")["results"]
    if not found:
        raise Disproved("Installing the template did not register its webhook.")
    return str(found[0]["path"])


def call_webhook(segue: Installation, path: str) -> str:
    """Send an order as a shop would, and return the id of the execution that it started.

    The answer is the workflow's own if it came in time (201), else a promise (202); both name the execution.
    """
    answer = ask("POST", f"{segue.url}/webhooks/{path}", body=PAYLOAD, timeout_seconds=END_WITHIN_SECONDS)
    if answer.status not in {201, 202}:
        raise Disproved(f"The webhook answered {answer.status}: {answer.body}")
    return str(answer.body["execution_id"])


def ended(segue: Installation, execution_id: str) -> dict[str, Any]:
    """Wait for an execution's end and return it.

    :raises Disproved: if it does not come.
    """
    deadline = time.monotonic() + END_WITHIN_SECONDS
    while True:
        execution: dict[str, Any] = segue.call("GET", f"executions/{execution_id}/")
        if execution["status"] not in {"pending", "running"}:
            return execution
        if time.monotonic() > deadline:
            raise Disproved(
                f"The execution is still {execution['status']} after {END_WITHIN_SECONDS:g} s, "
                f"blocked on {execution['blocked_on']}. Does var/log/worker.log say why?"
            )
        time.sleep(LOOK_EVERY_SECONDS)


def table_of(execution: dict[str, Any], node_runs: list[dict[str, Any]]) -> Table:
    """Return the execution as a table, one row for each node run."""
    title = Text(f"{execution['workflow_name']}: {execution['status']} in {execution['duration_seconds']} s")
    table = Table("node", "status", "ms", title=title, title_justify="left", expand=True)
    table.add_column("output", no_wrap=True, overflow="ellipsis", ratio=1)
    for run in node_runs:
        cells = (run["node_id"], run["status"], str(run["duration_ms"]), excerpt(run["output_data"]))
        table.add_row(*map(Text, cells))  # Data, in which brackets are no markup.
    return table


def excerpt(value: Any) -> str:
    """Return the beginning of a value as JSON."""
    return json.dumps(value, ensure_ascii=False)[:EXCERPT_CHARACTERS]


def main() -> int:
    segue = Installation(**json.load(sys.stdin))
    console = Console()
    try:
        prove(segue, console)
    except (Disproved, NoAnswer) as error:
        console.print(f"The proof failed. {error}", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
