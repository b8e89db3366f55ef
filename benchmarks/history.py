"""Pages of history over the API and the admin, with a month of it in the tables.

On PostgreSQL alone: that is where there is so much. Making the rows takes some minutes; with ``--keep`` they stay in a
database of that name on the same server, and the next run finds them there.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import psycopg

from benchmarks import history_rows, installations, options, webhooks
from benchmarks.definitions import ORDER, webhook_of_four
from benchmarks.installations import Measured, running
from benchmarks.load import post
from benchmarks.tables import load_average, percentile, print_table

TARGET_MS = 50
SIGN_IN = """
from importlib import import_module
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from projects.models import Project, ProjectMember, Role
reader, _ = User.objects.get_or_create(username="reader")
for project in Project.objects.all():
    ProjectMember.objects.get_or_create(project=project, user=reader, defaults={"role": Role.VIEWER})
for user in (reader, User.objects.get(username="owner")):
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    print(session.session_key)
"""


@dataclass(frozen=True)
class Page:
    """One page, and who looks at it."""

    name: str
    path: str
    query: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    pages_down: int = 0  # How often ``next`` is followed first.
    has_target: bool = False


def main(arguments: list[str] | None = None) -> None:
    """Fill the tables of an installation of its own, unless they are, and measure."""
    chosen = asked(arguments)
    if not installations.has_postgres():
        print("\nHistory is measured on PostgreSQL alone: set TEST_DATABASE_URL to a server.")
        return
    with running("web", "worker", keep=chosen.keep, **chosen.settings) as segue:
        report(segue, chosen)


def asked(arguments: list[str] | None) -> argparse.Namespace:
    """Return what is asked for on the command line."""
    parser = options.parser("history", __doc__, rounds=30)
    parser.add_argument("--executions", type=int, default=1_000_000, help="with ten node runs each")
    parser.add_argument("--rest", type=int, default=20, help="seconds in which nothing is to do (%(default)s)")
    parser.add_argument("--keep", metavar="DATABASE", help="a database that stays; it is made if there is none")
    return parser.parse_args(arguments)


def report(segue: Measured, chosen: argparse.Namespace) -> None:
    """Fill the tables, unless they are, and measure the pages."""
    _fill(segue, chosen)
    pages = _pages(segue)
    rows = [_measure(segue, page, rounds=chosen.rounds) for page in pages]
    counts = segue.ask("SELECT relname, reltuples::bigint FROM pg_class WHERE relname LIKE 'workflow_execution%s'")
    title = ", ".join(f"{int(count):,} {name}" for name, count in sorted(counts))
    print_table(f"History: {title} (milliseconds over HTTP; target {TARGET_MS} ms for the pages marked *)", rows)
    rows = [_at_rest(segue, seconds=chosen.rest), _at_work(segue)]
    print_table(f"With that history: at rest for {chosen.rest} s, then W1 with 16 connections", rows)


def _at_rest(segue: Measured, *, seconds: int) -> dict[str, object]:
    segue.wait_until_idle()
    before = segue.cpu_seconds()
    time.sleep(seconds)
    after = segue.cpu_seconds()
    return {"": "at rest", **{f"cpu {name} (s)": after[name] - before[name] for name in after if name in before}}


def _at_work(segue: Measured) -> dict[str, object]:
    workflow_id, path = segue.hook(f"W1 at {time.time():.0f}", webhook_of_four(respond="accepted"))
    webhooks.measure(segue, workflow_id, path, requests=webhooks.WARM_UP, connections=16)
    before = segue.cpu_seconds()
    figures = webhooks.measure(segue, workflow_id, path, requests=1500, connections=16)
    after = segue.cpu_seconds()
    return {
        "": "W1",
        **{f"cpu {name} (s)": after[name] - before[name] for name in after if name in before},
        "executions/s": figures["executions/s"],
    }


def _fill(segue: Measured, chosen: argparse.Namespace) -> None:
    if segue.ask("SELECT 1 FROM pg_class WHERE relname = ?", history_rows.DONE):
        ((executions,),) = segue.ask(f"SELECT executions FROM {history_rows.DONE}")
        assert executions == chosen.executions, (
            f"The kept database has {executions:,} executions. Drop it, or ask for so many."
        )
        return
    _, path = segue.hook("Pattern of history", webhook_of_four(respond="accepted"))
    answers = post(segue.port, path, ORDER, requests=1, connections=1)
    segue.wait_until_idle()
    started = time.monotonic()
    with psycopg.connect(
        segue.environment["DATABASE_URL"].replace("postgres://", "postgresql://"), autocommit=True
    ) as session:
        history_rows.fill(session, execution_id=answers.bodies[0]["execution_id"], executions=chosen.executions)
    print(f"Wrote the history in {time.monotonic() - started:.0f} s.", flush=True)


def _pages(segue: Measured) -> list[Page]:
    reader, owner = segue.manage("shell", "--verbosity=0", "-c", SIGN_IN).split()
    token = {"Authorization": str(segue.api.headers["Authorization"])}
    member, operator = {"Cookie": f"sessionid={reader}"}, {"Cookie": f"sessionid={owner}"}
    busiest, rarest = (
        segue.ask(f"SELECT id FROM workflows WHERE name = 'History 0.{number}' ORDER BY created_at LIMIT 1")[0][0]
        for number in (0, history_rows.WORKFLOWS_PER_PROJECT - 1)
    )
    smallest = segue.ask(f"SELECT id FROM projects WHERE name = 'History {history_rows.PROJECTS - 1}'")[0][0]
    execution = segue.ask(
        "SELECT id FROM workflow_executions WHERE workflow_id = ? AND nodes_executed > 4 ORDER BY nodes_executed DESC LIMIT 1",
        busiest,
    )[0][0]
    now = datetime.now(UTC)
    week = {
        "created_after": (now - timedelta(days=14)).isoformat(),
        "created_before": (now - timedelta(days=7)).isoformat(),
    }
    failed = {"status": "failed", **week}
    api, admin = "/api/executions/", "/admin/executions/workflowexecution/"
    return [
        Page("project: newest", api, {}, token),
        Page("project: completed in a week *", api, {"status": "completed", **week}, token, has_target=True),
        Page("project: failed in a week *", api, failed, token, has_target=True),
        Page("project: failed in a week, 10 pages down *", api, failed, token, pages_down=10, has_target=True),
        Page(
            "project: failed or timed out in a week *",
            api,
            {"status": ["failed", "timeout"], **week},
            token,
            has_target=True,
        ),
        Page("project: by what started it, in a week", api, {"triggered_by": "webhook", **week}, token),
        Page("workflow: newest", api, {"workflow": busiest}, token),
        Page("workflow: failed in a week *", api, {"workflow": busiest, **failed}, token, has_target=True),
        Page(
            "rare workflow: timed out in a week *",
            api,
            {"workflow": rarest, **failed, "status": "timeout"},
            token,
            has_target=True,
        ),
        Page("member of 20 projects: newest", api, {}, member),
        Page(
            "member of 20 projects: completed in a week *",
            api,
            {**failed, "status": "completed"},
            member,
            has_target=True,
        ),
        Page("member of 20 projects: failed in a week *", api, failed, member, has_target=True),
        Page(
            "member of 20 projects: timed out in a week *",
            api,
            {**failed, "status": "timeout"},
            member,
            has_target=True,
        ),
        Page(
            "member, smallest project: failed in a week *",
            api,
            {"project": smallest, **failed},
            member,
            has_target=True,
        ),
        Page("one execution", f"{api}{execution}/", {}, token),
        Page("its node runs", f"{api}{execution}/node-runs/", {}, token),
        Page("workflow: statistics of 30 days", f"/api/workflows/{busiest}/statistics/", {}, token),
        Page("project: statistics of 30 days", f"/api/projects/{segue.project}/statistics/", {}, token),
        Page("admin: newest", admin, {}, operator),
        Page(
            "admin: failed, last 7 days *",
            admin,
            {
                "status__exact": "failed",
                "created_at__gte": (now - timedelta(days=7)).strftime("%Y-%m-%d %H:%M:%S+00:00"),
            },
            operator,
            has_target=True,
        ),
        Page("admin: name of a workflow", admin, {"q": "History 3."}, operator),
        Page("admin: one execution", f"{admin}{execution}/change/", {}, operator),
        Page("admin: operations", f"{admin}operations/", {}, operator),
    ]


def _measure(segue: Measured, page: Page, *, rounds: int) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", segue.port, timeout=120)
    address = page.path + ("?" + urlencode(page.query, doseq=True) if page.query else "")
    for _ in range(page.pages_down):
        following = urlsplit(_get(connection, address, page)[1]["next"] or address)
        address = f"{following.path}?{following.query}"
    first = _get(connection, address, page)[0]
    times = [_get(connection, address, page)[0] for _ in range(rounds)]
    connection.close()
    median = percentile(times, 0.5)
    verdict = ("yes" if median < TARGET_MS else "NO") if page.has_target else ""
    return {
        "page": page.name,
        "p50": median,
        "p95": percentile(times, 0.95),
        "first": first,
        "target met": verdict,
        "load": load_average(),
    }


def _get(connection: http.client.HTTPConnection, address: str, page: Page) -> tuple[float, dict]:
    began = time.perf_counter()
    connection.request(
        "GET",
        address,
        headers={"Accept": "application/json" if address.startswith("/api") else "text/html", **page.headers},
    )
    response = connection.getresponse()
    body = response.read()
    took = (time.perf_counter() - began) * 1000
    assert response.status == 200, f"{page.name}: {response.status} {response.getheader('Location')} {body[:300]!r}"
    return took, json.loads(body) if address.startswith("/api") else {}


if __name__ == "__main__":
    main()
