"""The environment that tests run in: whatever a developer's shell or .env says, the settings are the same for all.

These variables alone change what the tests run on:

- ``TEST_DATABASE_URL``: a database server, or ``sqlite``. Without it ``TEST_POSTGRES_URL``, a ``DATABASE_URL`` that names
  PostgreSQL, and at last a PostgreSQL of our own. Tests never touch the named database: they make ``test_<name>``.
- ``TEST_BROKER_URL``, else ``TEST_REDIS_URL``: a broker; without them, a Valkey of our own where a test asks for one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parent.parent

# Everything that no default of the settings is right for.
FIXED = {
    "SEGUE_ENV_FILE": os.devnull,
    "SECRET_KEY": "for tests alone: neither secret nor used anywhere else",
    "SEGUE_ENCRYPTION_KEYS": "test:te5HokG2tyk5nYOGWtICRKtuQpuhcRixXbprrtGyxy8=",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "SEGUE_ALLOWED_PRIVATE_NETWORKS": "127.0.0.0/8,::1/128",
    "LOG_LEVEL": "WARNING",
    "STORAGE_ROOT": str(Path(gettempdir()) / "segue-tests-storage"),
}


def known_names() -> list[str]:
    """Return every name that .env.example lists."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return re.findall(r"^#?([A-Z][A-Z0-9_]*)=", text, flags=re.MULTILINE)


def named_database(given: Mapping[str, str], *, sqlite: bool) -> str | None:
    """Return the URL of the database that the environment names, or None if it names none."""
    if sqlite or given.get("TEST_DATABASE_URL") == "sqlite":
        return "sqlite:///:memory:"
    url = given.get("TEST_DATABASE_URL") or given.get("TEST_POSTGRES_URL")
    if not url and given.get("DATABASE_URL", "").startswith("postgres"):
        url = given["DATABASE_URL"]
    return _not_the_servers_own(url) if url else None


def named_broker(given: Mapping[str, str], *, worker: int) -> str | None:
    """Return the URL of the broker that the environment names, or None.

    :param worker: the number of the pytest-xdist worker; each takes a Redis database of its own.
    """
    url = given.get("TEST_BROKER_URL") or given.get("TEST_REDIS_URL")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme.startswith("redis") and (number := parts.path.strip("/")).isdigit():
        return urlunsplit(parts._replace(path=f"/{(int(number) - worker) % 16}"))
    return url


def environment(*, database_url: str, broker_url: str) -> dict[str, str]:
    """Return what Segue's processes are to find in their environment, and nothing else of Segue's names."""
    return {**FIXED, "DATABASE_URL": database_url, "CELERY_BROKER_URL": broker_url}


def _not_the_servers_own(url: str) -> str:
    # "postgres" is where servers are asked to make databases; a test database of that name would confuse everybody.
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path="/segue")) if parts.path in {"", "/", "/postgres"} else url
