"""Ten patterns that people build most, as templates of the gallery: each installed over the API, run by real processes, and judged by what
arrived outside: rows, messages, e-mails, files, calls and their order.

What each pattern shows is told in ``docs/how-to/templates.md``. Services are on loopback.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from tests.installation import Installation, fresh_database, installed
from tests.mail import MailServer, mail_server

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def mail() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture(scope="module", params=["postgres", "sqlite"])
def segue(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, broker: str, mail: MailServer
) -> Iterator[Installation]:
    """Return an installation for all stories, with the gallery loaded, a mail server and a storage of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    mailing = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(mail.port), "EMAIL_USE_TLS": "0"}
    with installed(request.param, folder, broker, STORAGE_ROOT=str(folder / "storage"), **mailing) as running:
        running.manage("load_gallery")
        running.start()
        yield running


@pytest.fixture
def service() -> Iterator[HTTPServer]:
    """Return an HTTP service; a call that no story foresaw, and a doubt of the service's own, fail the test."""
    with HTTPServer(threaded=True) as server:
        yield server
        server.check()


@pytest.fixture
def chat(service: HTTPServer) -> Callable[[], list[str]]:
    """Return what was posted to the chat so far. It listens at ``/chat``."""
    service.expect_request("/chat", method="POST").respond_with_data("ok")
    return lambda: [request.json["text"] for request, _ in service.log if request.path == "/chat"]


class Gallery:
    """The templates of an installation."""

    def __init__(self, segue: Installation) -> None:
        self._segue = segue

    def install(self, slug: str, **variables: Any) -> dict[str, Any]:
        """Install a template, and return what the API answers."""
        return self._install(slug, variables, publish=True)

    def install_changed(self, slug: str, change: Callable[[dict[str, Any]], Any], **variables: Any) -> str:
        """Install a template as a draft, change its definition, publish it, and return the workflow's id."""
        workflow_id: str = self._install(slug, variables, publish=False)["id"]
        draft = self._segue.api.get(f"/workflows/{workflow_id}/").json()["definition"]
        change(draft)
        self._ok(self._segue.api.patch(f"/workflows/{workflow_id}/", json={"definition": draft}))
        self._ok(self._segue.api.post(f"/workflows/{workflow_id}/publish/", json={}))
        return workflow_id

    def _install(self, slug: str, variables: dict[str, Any], *, publish: bool) -> dict[str, Any]:
        (template,) = self._segue.api.get("/templates/", params={"slug": slug}).json()["results"]
        wanted = {"project": self._segue.project, "variables": variables, "publish": publish}
        return self._ok(self._segue.api.post(f"/templates/{template['id']}/install/", json=wanted))

    @staticmethod
    def _ok(answer: httpx2.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def gallery(segue: Installation) -> Gallery:
    return Gallery(segue)


def call(webhook: dict[str, Any], **content: Any) -> httpx2.Response:
    """Call a webhook with the header and the secret that installing has told."""
    method = webhook["methods"][0]
    headers = {webhook["auth"]["header"]: webhook["secret"]}
    return httpx2.request(method, webhook["url"], headers=headers, timeout=60, trust_env=False, **content)


def fire(segue: Installation, workflow_id: str) -> dict[str, Any]:
    """Start a scheduled workflow now, and return the execution when it has ended."""
    (job,) = segue.api.get("/scheduled-jobs/", params={"workflow": workflow_id}).json()["results"]
    fired = segue.api.post(f"/scheduled-jobs/{job['id']}/fire/", json={})
    assert fired.is_success, fired.text
    return segue.ended(fired.json()["execution_id"], seconds=PATIENCE_SECONDS)


def arrived(segue: Installation, holds: Callable[[], Any], what: str) -> None:
    segue.wait_for(holds, seconds=PATIENCE_SECONDS, what=what)


def calls_of(service: HTTPServer, path: str) -> list[Any]:
    """Return the JSON of the calls of a path that were answered with success, in their order."""
    return [request.json for request, answer in service.log if request.path == path and answer.status_code < 300]


def test_webhook_to_http_with_answer(gallery, service):
    service.expect_request("/companies", query_string={"domain": "engines.example"}).respond_with_json(
        {"name": "Engines Ltd", "employees": 20}
    )
    service.expect_oneshot_request("/crm", method="POST").respond_with_data("busy", status=503)
    service.expect_request("/crm", method="POST").respond_with_json({"id": "L-7"}, status=201)
    form = gallery.install(
        "lead-intake",
        ENRICH_URL=service.url_for("/companies"),
        ENRICH_KEY="enrich-key",
        CRM_URL=service.url_for("/crm"),
        CRM_TOKEN="crm-token",
        CHAT_WEBHOOK_URL=service.url_for("/chat"),
    )

    answer = call(form["webhooks"][0], json={"name": "Ada", "email": "Ada@Engines.Example"})

    assert (answer.status_code, answer.json()) == (201, {"lead": "L-7", "is_hot": False})
    assert [request.path for request, _ in service.log] == ["/companies", "/crm", "/crm"]
    (lead,) = calls_of(service, "/crm")
    assert (lead["email"], lead["company"]) == ("ada@engines.example", "Engines Ltd")
    assert len({request.headers["Idempotency-Key"] for request, _ in service.log if request.path == "/crm"}) == 1


def test_schedule_to_fetch_to_store_in_postgresql(segue, gallery, service, tmp_path):
    if segue.environment["DATABASE_URL"].startswith("sqlite"):
        pytest.skip("this pattern is about PostgreSQL")
    days = itertools.count(1)
    service.expect_request("/rates").respond_with_handler(
        lambda _: Response(
            json.dumps({"base": "EUR", "date": "2026-03-02", "rates": {"USD": next(days), "CHF": 0.9412}})
        )
    )
    with fresh_database("postgres", tmp_path) as url, psycopg.connect(url, autocommit=True) as database:
        database.execute(
            "CREATE TABLE exchange_rates "
            "(day date, base text, currency text, rate numeric NOT NULL, PRIMARY KEY (day, base, currency))"
        )
        workflow_id = gallery.install_changed(
            "rates-to-postgresql",
            lambda draft: draft["nodes"][0]["config"].update(cron="* * * * * *"),
            RATES_URL=service.url_for("/rates"),
            DATABASE=url,
        )

        def newest() -> Any:
            return database.execute("SELECT max(rate) FROM exchange_rates WHERE currency = 'USD'").fetchone()[0]

        arrived(segue, lambda: (newest() or 0) >= 2, "the rates of the second slot in the table")
        segue.api.post(f"/workflows/{workflow_id}/pause/", json={})
        rows = database.execute(
            "SELECT day::text, base, currency, rate::text FROM exchange_rates ORDER BY 3"
        ).fetchall()

    assert [row[:3] for row in rows] == [("2026-03-02", "EUR", "CHF"), ("2026-03-02", "EUR", "USD")]
    assert rows[0][3] == "0.9412"
    executions = segue.api.get("/executions/", params={"workflow": workflow_id}).json()["results"]
    assert {execution["triggered_by"] for execution in executions} == {"schedule"}


def feed(*numbers: int) -> str:
    entries = "".join(
        f"<item><guid>post-{number}</guid><title>Release {number}</title>"
        f"<link>https://blog.example.com/{number}</link></item>"
        for number in numbers
    )
    return f'<rss version="2.0"><channel><title>Blog</title>{entries}</channel></rss>'


def test_poll_a_feed_and_notify(segue, gallery, service, chat):
    entries = [1]
    service.expect_request("/feed.xml").respond_with_handler(
        lambda _: Response(feed(*entries), content_type="application/rss+xml")
    )
    installation = gallery.install(
        "feed-to-chat",
        FEED_URL=service.url_for("/feed.xml"),
        CHAT_WEBHOOK_URL=service.url_for("/chat"),
        WORDS=["RELEASE 2", "release 4"],
    )
    (poll,) = segue.api.get("/polls/", params={"workflow": installation["id"]}).json()["results"]

    def looked(times: int) -> bool:
        return bool(segue.api.get(f"/polls/{poll['id']}/").json()["poll_count"] >= times)

    arrived(segue, lambda: looked(1), "the first look at the feed")
    entries[:0] = [4, 3, 2]
    segue.api.post(f"/polls/{poll['id']}/poll/", json={})
    arrived(segue, lambda: len(chat()) == 2, "the new entries in the chat")
    segue.api.post(f"/polls/{poll['id']}/poll/", json={})
    arrived(segue, lambda: looked(3), "another look at the feed")

    executions = segue.api.get("/executions/", params={"workflow": installation["id"]}).json()["results"]
    for execution in executions:
        assert segue.ended(execution["id"])["status"] == "completed"
    assert len(executions) == 3, "one for each new entry, none for what was there before"
    assert sorted(chat()) == [f"Release {number}\nhttps://blog.example.com/{number}" for number in (2, 4)]


def test_paginate_an_api_and_aggregate(segue, gallery, service, chat):
    path = "/repos/ada/segue/issues"
    authors = ["ada", "bob", "ada", "ada", "bob"]

    def page(request: Request) -> Response:
        assert request.headers["Authorization"] == "Bearer ghp_secret"
        number = int(request.args.get("page", 1))
        issues = [
            {"number": number * 2 + place, "title": "It breaks", "html_url": "https://github.example", "comments": 0}
            | {"user": {"login": author}, "created_at": "2026-03-01T12:00:00Z"}
            for place, author in enumerate(authors[(number - 1) * 2 : number * 2])
        ]
        following = f'<{service.url_for(path)}?page={number + 1}>; rel="next"'
        return Response(json.dumps(issues), headers={"Link": following} if number < 3 else {})

    service.expect_request(path).respond_with_handler(page)
    installation = gallery.install(
        "daily-issue-digest",
        REPOSITORY="ada/segue",
        GITHUB_TOKEN="ghp_secret",
        GITHUB_API=service.url_for("").rstrip("/"),
        CHAT_WEBHOOK_URL=service.url_for("/chat"),
    )

    execution = fire(segue, installation["id"])

    assert execution["status"] == "completed", execution["error"]
    assert [request.args.get("page", "1") for request, _ in service.log if request.path == path] == ["1", "2", "3"]
    (text,) = chat()
    assert text.splitlines()[0] == "ada/segue: 5 open issues"
    assert text.splitlines()[-2:] == ["• ada: 3", "• bob: 2"]


def test_branch_by_kind_with_a_merge(gallery, service):
    at_once = threading.Barrier(2, timeout=PATIENCE_SECONDS)

    def reserve(request: Request) -> Response:
        if request.json["order_id"] == "both":
            at_once.wait()
        lines = [{"sku": line["sku"], "ships_on": "2026-03-02"} for line in request.json["lines"]]
        return Response(json.dumps({"lines": lines}))

    def license(request: Request) -> Response:
        at_once.wait()
        return Response(
            json.dumps({"lines": [{"sku": line["sku"], "licence": "L-1"} for line in request.json["lines"]]})
        )

    service.expect_request("/reservations", method="POST").respond_with_handler(reserve)
    service.expect_request("/licences", method="POST").respond_with_handler(license)
    shop = gallery.install(
        "order-fulfilment",
        WAREHOUSE_URL=service.url_for("/reservations"),
        LICENCES_URL=service.url_for("/licences"),
        SERVICES_TOKEN="services-token",
    )
    tea, app, pot = (
        {"sku": sku, "kind": kind, "quantity": 1}
        for sku, kind in (("tea", "goods"), ("app", "download"), ("pot", "goods"))
    )

    both = call(shop["webhooks"][0], json={"order_id": "both", "lines": [tea, app, pot]})
    goods = call(shop["webhooks"][0], json={"order_id": "goods", "lines": [pot]})

    assert (both.status_code, goods.status_code) == (201, 201)
    shipped, licensed = {"ships_on": "2026-03-02"}, {"licence": "L-1"}
    assert both.json()["lines"] == [tea | shipped, app | licensed, pot | shipped]
    assert goods.json()["lines"] == [pot | shipped]
    assert [[line["sku"] for line in each["lines"]] for each in calls_of(service, "/licences")] == [["app"]]


@pytest.fixture
def limited(segue: Installation) -> Iterator[HTTPServer]:
    """Return a service at an address of its own, which the project may call twice a second."""
    limit = {"project": segue.project, "host": "127.0.0.2", "per_minute": 120, "burst": 1}
    answer = segue.api.post("/outgoing-limits/", json=limit)
    assert answer.is_success, answer.text
    time.sleep(1.1)  # A worker learns of a new limit within a second.
    with HTTPServer(host="127.0.0.2", threaded=True) as server:
        yield server
        server.check()
    segue.api.delete(f"/outgoing-limits/{answer.json()['id']}/")


def test_loop_with_rate_limit_and_retries(segue, gallery, limited):
    calls: list[tuple[int, float, str]] = []
    answers = iter([Response("ok"), Response(status=429, headers={"Retry-After": "2"}), Response(status=503)])

    def take(request: Request) -> Response:
        batch = int(request.json["contacts"][0]["email"].split("@")[0]) // 10
        calls.append((batch, time.monotonic(), request.headers["Idempotency-Key"]))
        return next(answers, Response(status=422 if batch == 2 else 200))

    limited.expect_request("/contacts", method="POST").respond_with_handler(take)
    installation = gallery.install(
        "contact-import", CONTACTS_URL=limited.url_for("/contacts"), CRM_TOKEN="crm-token", PAUSE_SECONDS=0.2
    )
    contacts = [{"email": f"{number}@example.com"} for number in range(31)]

    execution = segue.ended(segue.run(installation["id"], {"contacts": contacts})["id"], seconds=PATIENCE_SECONDS)

    assert [batch for batch, _, _ in calls] == [0, 1, 1, 1, 2, 3]
    assert len({key for batch, _, key in calls if batch == 1}) == 1
    assert len({key for _, _, key in calls}) == 4
    gaps = [later - earlier for (_, earlier, _), (_, later, _) in itertools.pairwise(calls)]
    assert sum(gaps[-2:]) > 0.8, f"two calls a second are allowed: {gaps}"
    assert gaps[1] > 1.9, "Retry-After was heeded"
    assert execution["status"] == "completed", execution["error"]
    result = execution["result"]
    assert (result["batches"], result["imported"]) == (4, 21)
    assert [failed["contacts"] for failed in result["failed"]] == [contacts[20:30]]


def test_approval_before_a_write(segue, gallery, service, chat):
    service.expect_request("/payments", method="POST").respond_with_json({"id": "P-1"})
    bookkeeping = gallery.install(
        "invoice-approval",
        CHAT_WEBHOOK_URL=service.url_for("/chat"),
        PAYMENTS_URL=service.url_for("/payments"),
        PAYMENTS_TOKEN="payments-token",
    )["webhooks"][0]

    def post(number: str, amount: float) -> str:
        answer = call(bookkeeping, json={"number": number, "payee": "Ada", "amount": amount, "currency": "EUR"})
        assert answer.status_code == 202, answer.text
        execution_id: str = answer.json()["execution_id"]
        return execution_id

    def approval_of(execution_id: str) -> dict[str, Any]:
        found = segue.api.get("/approvals/", params={"execution": execution_id, "open": "true"}).json()["results"]
        return found[0] if found else {}

    small, agreed, refused = post("small", 20), post("agreed", 900), post("refused", 800)
    for execution_id in (agreed, refused):
        arrived(segue, lambda id=execution_id: approval_of(id), "the approval to be open")
    segue.ended(small)
    links = {line.splitlines()[0]: line.splitlines()[1] for line in chat()}
    looked = httpx2.get(links["Pay 900 EUR to Ada (invoice agreed)?"], follow_redirects=True, trust_env=False)

    assert looked.status_code == 200
    assert [payment["invoice"] for payment in calls_of(service, "/payments")] == ["small"], "nothing is paid before"

    decided = [
        segue.api.post(f"/approvals/{approval_of(agreed)['id']}/approve/", json={"comment": "It is due."}),
        segue.api.post(f"/approvals/{approval_of(refused)['id']}/reject/", json={"comment": "Not ours."}),
    ]
    paid, unpaid = segue.ended(agreed)["result"], segue.ended(refused)["result"]

    assert [answer.status_code for answer in decided] == [200, 200]
    assert (paid["paid"], paid["payment"], paid["approved_by"]) == (True, "P-1", "owner")
    assert (unpaid["paid"], unpaid["comment"]) == (False, "Not ours.")
    assert [payment["invoice"] for payment in calls_of(service, "/payments")] == ["small", "agreed"]
    assert len(links) == 2


def test_error_workflow_with_email(segue, gallery, service, mail):
    service.expect_request("/rates").respond_with_data("gone", status=404)
    before = len(mail.messages)
    gallery.install("failure-email", ALERT_EMAILS=["ann@example.com", "bob@example.com"])
    workflow_id = gallery.install_changed(
        "rates-to-postgresql",
        lambda draft: draft.update(settings={"on_failure": {"workflow": "E-mail about a failure"}}),
        RATES_URL=service.url_for("/rates"),
        DATABASE="postgresql://segue:hunter2-hunter2@db.example.com/rates",
    )

    execution = fire(segue, workflow_id)

    assert execution["status"] == "failed"
    arrived(segue, lambda: len(mail.messages) > before, "the e-mail")
    (message,) = mail.messages[before:]
    text = message.get_content()
    assert message["To"] == "ann@example.com, bob@example.com"
    assert message["Subject"] == f"{execution['workflow_name']}: failed"
    assert "Node: fetch\nCode: http_status\n" in text.replace("\r\n", "\n")
    assert execution["id"] in text
    assert "hunter2" not in text


def test_file_in_and_out_of_storage(segue, gallery):
    installation = gallery.install("file-report")
    webhooks = {webhook["node_id"]: webhook for webhook in installation["webhooks"]}
    table = "category,amount\nbooks,12.50\ntea,3\nbooks,7.25\n"

    def upload(content: str) -> httpx2.Response:
        return call(webhooks["upload"], files={"file": ("../tables.csv", content.encode(), "text/csv")})

    uploaded = upload(table)
    named = uploaded.json()
    downloaded = call(webhooks["download"], params={"report": named["report"]})
    wrong = [upload(content) for content in ("category,amount\nbooks,many\n", "title\nDune\n", "\x00\x01")]
    missing = call(webhooks["download"], params={"report": "../../uploads/x"})

    report = "group,rows,sum\r\nbooks,2,19.75\r\ntea,1,3\r\n"
    assert (uploaded.status_code, named["file"], named["bytes"]) == (201, "../tables.csv", len(report))
    files = {file.parent.name: file for file in Path(segue.environment["STORAGE_ROOT"]).rglob(f"{named['report']}.csv")}
    assert {folder: file.read_bytes().decode() for folder, file in files.items()} == {
        "uploads": table,
        "reports": report,
    }
    assert (downloaded.status_code, downloaded.text) == (200, report)
    assert downloaded.headers["Content-Type"].startswith("text/csv")
    assert ([answer.status_code for answer in wrong], missing.status_code) == ([422, 422, 422], 404)
    assert "The file has no column category." in wrong[1].json()["reason"]


class Shop:
    """A shop that counts how many of its prices are asked for at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking = 0
        self.most_at_once = 0
        self._refusals = iter([503])

    def price(self, request: Request) -> Response:
        with self._lock:
            self._asking += 1
            self.most_at_once = max(self.most_at_once, self._asking)
        time.sleep(0.1)
        with self._lock:
            self._asking -= 1
            status = next(self._refusals, 200)
        return Response(json.dumps({"total": 10 * request.json["items"][0]["quantity"]}), status=status)

    def order(self, request: Request) -> Response:
        if request.json["order_id"] == "A-3":
            return Response("We do not deliver there.", status=422)
        return Response(json.dumps({"number": f"N-{request.json['order_id']}"}))


def test_sub_workflow_per_item(segue, gallery, service, chat):
    shop = Shop()
    service.expect_request("/prices", method="POST").respond_with_handler(shop.price)
    service.expect_request("/orders", method="POST").respond_with_handler(shop.order)
    gallery.install("order-of-a-batch", SHOP_API=service.url_for("").rstrip("/"), SHOP_TOKEN="shop-token")
    batch = gallery.install("order-batch", CHAT_WEBHOOK_URL=service.url_for("/chat"))["webhooks"][0]
    ids = [f"A-{number}" for number in range(1, 13)]
    orders = [{"order_id": each, "items": [{"sku": "tea", "quantity": 2}]} for each in ids]

    execution_id = call(batch, json={"orders": orders}).json()["execution_id"]
    execution = segue.ended(execution_id, seconds=60)

    assert execution["status"] == "completed", execution["error"]
    placed = [each for each in ids if each != "A-3"]
    assert sorted(order["order_id"] for order in calls_of(service, "/orders")) == sorted(placed)
    assert {order["total"] for order in calls_of(service, "/orders")} == {20}
    assert [each["number"] for each in execution["result"]["placed"]] == [f"N-{each}" for each in placed]
    assert shop.most_at_once <= 5
    children = segue.api.get("/executions/", params={"parent": execution_id, "page_size": 100}).json()["results"]
    assert len(children) == len(ids)
    (text,) = chat()
    assert text.splitlines()[0] == "11 of 12 orders placed"
    assert text.splitlines()[1].startswith("• A-3: ")
