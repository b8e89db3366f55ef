"""Everywhere that a canary could be found: the database, the logs, the broker, every page of API and admin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import redis
from psycopg import sql

from tests.installation import Installation

# Rows of a list whose own pages are looked at.
MOST_ROWS = 60
MOST_PAGES = 600
PROCESSES = ("web", "worker", "beat")


def in_database(segue: Installation, envelopes: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield every table's rows as text, bytes in hex, without the columns that hold envelopes.

    :param envelopes: their names, ``table.column``.
    """
    url = segue.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    with psycopg.connect(url) as connection:
        columns = connection.execute(
            "SELECT table_name, array_agg(column_name::text) FROM information_schema.columns "
            "WHERE table_schema = 'public' GROUP BY table_name"
        ).fetchall()
        for table, names in columns:
            shown = [sql.Identifier(name) for name in names if f"{table}.{name}" not in envelopes]
            query = sql.SQL("SELECT ROW({})::text FROM {}").format(sql.SQL(", ").join(shown), sql.Identifier(table))
            for (row,) in connection.execute(query):
                yield f"table {table}", row.encode()


def in_logs(segue: Installation) -> Iterator[tuple[str, bytes]]:
    """Yield what every process has written."""
    for path in segue.folder.glob("*.log"):
        yield f"log of {path.stem}", path.read_bytes()


def in_files(segue: Installation) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the projects' storage."""
    for path in Path(segue.environment["STORAGE_ROOT"]).rglob("*"):
        if path.is_file():
            yield f"file {path.name}", path.read_bytes()


def in_broker(segue: Installation) -> Iterator[tuple[str, bytes]]:
    """Yield every key of the broker with its value, as it is stored."""
    with redis.Redis.from_url(segue.broker_url.replace("redis+socket:", "unix:")) as server:
        for key in server.scan_iter(count=1000):
            yield f"broker {key!r}", key + _value(server, key)


def _value(server: Any, key: bytes) -> bytes:
    read = {
        b"string": lambda: server.get(key) or b"",
        b"list": lambda: b"".join(server.lrange(key, 0, -1)),
        b"set": lambda: b"".join(server.smembers(key)),
        b"hash": lambda: b"".join(name + value for name, value in server.hgetall(key).items()),
        b"zset": lambda: b"".join(server.zrange(key, 0, -1)),
    }
    kind = server.type(key)
    found: bytes = read[kind]() if kind in read else b""
    return found


def in_api(segue: Installation) -> Iterator[tuple[str, bytes]]:
    """Yield the answers of every GET that the API's description names, for the first rows of every list."""
    schema = segue.api.get("/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    rows: dict[str, list[dict[str, Any]]] = {}
    for path, methods in sorted(schema["paths"].items(), key=lambda item: item[0].count("{")):
        if "get" not in methods or path.endswith("/schema/"):
            continue
        for address in _addresses(path.removeprefix("/api"), rows):
            answer = segue.api.get(address)
            assert answer.status_code < 500, f"{address}: {answer.text}"
            yield f"GET /api{address}", answer.content + str(answer.headers).encode()
            if "json" in answer.headers.get("content-type", "") and isinstance(answer.json(), dict):
                rows[address] = answer.json().get("results", [])


def _addresses(path: str, rows: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return a path with the values of rows that were listed in the place of its parameters."""
    begun = [""]
    for text, name in re.findall(r"([^{]+)(?:\{(\w+)\})?", path):
        begun = [address + text for address in begun]
        if name:
            begun = [
                f"{address}{row[_key(name, row)]}"
                for address in begun
                for row in rows.get(address, [])[:MOST_ROWS]
                if _key(name, row) in row
            ]
    return begun


def _key(parameter: str, row: dict[str, Any]) -> str:
    return parameter if parameter in row and not parameter.endswith("_id") else "id"


def in_admin(segue: Installation) -> Iterator[tuple[str, bytes]]:
    """Yield the admin's pages, each that a link of another one leads to."""
    with httpx2.Client(base_url=segue.url, timeout=60, trust_env=False, follow_redirects=True) as browser:
        page = browser.get("/admin/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token is not None
        form = {
            "username": "owner",
            "password": "not-a-secret-for-tests",
            "csrfmiddlewaretoken": token[1],
            "next": "/admin/",
        }
        browser.post("/admin/login/", data=form, headers={"Referer": f"{segue.url}/admin/login/"})
        pending, seen = ["/admin/"], {"/admin/", "/admin/logout/"}
        for _ in range(MOST_PAGES):
            if not pending:
                break
            address = pending.pop(0)
            answer = browser.get(address)
            assert answer.status_code < 500, f"{address}: {answer.text}"
            yield f"GET {address}", answer.content
            links = re.findall(r'href="(/admin/[^"#?]*)"', answer.text)
            new = [link for link in dict.fromkeys(links) if link not in seen and "/delete/" not in link]
            seen.update(new)
            pending.extend(new)
