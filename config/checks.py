"""What can be wrong with an installation, as Django system checks: ``manage.py check --deploy --database default``.

Errors stop every command; warnings are for production and appear with ``--deploy`` alone, but for one about installed packages.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.utils import Error as DatabaseError

from projects import crypto, failpoints
from projects.key_rotation import projects_by_wrapping_key
from projects.wrapping_keys import Key
from workflows.http.addresses import METADATA, parse_ranges
from workflows.nodes import loading

# What `token_urlsafe(50)` makes has twice as many characters; Django's own are as long.
SHORTEST_SECRET_KEY = 32
FEWEST_VALUES = 8

POSTGRESQL_MIN_VERSION = 15
# Without these, a power cut loses or tears what was answered with 2xx.
DURABLE_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")


def check_encryption_keys(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether secrets can be encrypted, with keys that are worth the name."""
    try:
        keys = crypto.read_keys(settings.SEGUE_ENCRYPTION_KEYS)
    except crypto.BadEncryptionKeys as error:
        return [Error(error.message, hint=error.hint, id="segue.E001")]
    return [message for key in keys if (message := _doubt(key)) is not None]


def check_secret_key(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether nobody guesses the key that signs sessions, and from which the links of approvals are made."""
    key = settings.SECRET_KEY
    if len(key) >= SHORTEST_SECRET_KEY and len(set(key)) >= FEWEST_VALUES and not key.startswith("django-insecure-"):
        return []
    return [
        Error(
            "SECRET_KEY is short, uniform or a sample: whoever guesses it can make sessions, and links that approve.",
            hint="Make one: python -c 'import secrets; print(secrets.token_urlsafe(50))'",
            id="segue.E012",
        )
    ]


def check_broker(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether there is a broker to ring the bell at."""
    known = ("redis://", "rediss://", "redis+socket://", "valkey://", "amqp://", "amqps://")
    if str(settings.CELERY_BROKER_URL or "").startswith(known):
        return []
    return [
        Error(
            f"CELERY_BROKER_URL is {_without_password(settings.CELERY_BROKER_URL)!r}, which is no broker Segue works with.",
            hint="Name a Redis, Valkey or RabbitMQ: redis://host:6379/0 or amqp://user:password@host:5672//",
            id="segue.E004",
        )
    ]


def check_database_engine(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether the database is one that Segue is tested on; and warn of SQLite in production."""
    vendor = connections["default"].vendor
    if vendor not in {"postgresql", "sqlite"}:
        return [Error(f"Segue does not run on {vendor}.", hint="Use PostgreSQL, or SQLite.", id="segue.E005")]
    return []


def check_sqlite_in_production(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if settings.DEBUG or connections["default"].vendor != "sqlite":
        return []
    return [
        Warning(
            "The database is SQLite: one machine, one writer at a time.",
            hint="Set DATABASE_URL to a PostgreSQL server when you outgrow it.",
            id="segue.W001",
        )
    ]


def check_webhook_base_url(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether the URLs that Segue tells are ones that callers can use."""
    url = settings.WEBHOOK_BASE_URL
    if not url.startswith(("http://", "https://")):
        return [
            Error(
                f"WEBHOOK_BASE_URL is {url!r}; it must be a URL.",
                hint="Write it as callers reach it: https://segue.example.com",
                id="segue.E006",
            )
        ]
    if settings.SECURE and not url.startswith("https://"):
        return [
            Error(
                f"WEBHOOK_BASE_URL is {url!r} although SECURE is on: secrets of webhooks would travel in the clear.",
                hint="Write it with https.",
                id="segue.E007",
            )
        ]
    return []


def check_sandbox(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if settings.EXPRESSION_SANDBOX == "process":
        return []
    return [
        Warning(
            "Expressions are evaluated inside web and worker processes: whoever may edit a workflow is trusted with them.",
            hint="Unset EXPRESSION_SANDBOX, unless all authors are trusted.",
            id="segue.W002",
        )
    ]


def check_packages(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether the packages that add node types and tools could be used."""
    return [
        Warning(
            f"The package {broken.package} adds no node types and tools ({broken.entry}): {broken.reason}.",
            hint="Workflows that use them fail. Mend, update or remove the package, then restart.",
            id="segue.W008",
        )
        for broken in loading.broken()
    ]


def check_secure(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    if settings.SECURE:
        return []
    return [
        Warning(
            "SECURE is off: sessions and API tokens travel in the clear.",
            hint="Serve it over TLS and set SECURE=1; behind a proxy that ends TLS, BEHIND_PROXY=1 as well.",
            id="segue.W003",
        )
    ]


def check_private_networks(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether no range that is open to workflows holds the credentials of the machine itself."""
    allowed = parse_ranges(settings.SEGUE_ALLOWED_PRIVATE_NETWORKS)
    open_to_all = [str(network) for network in allowed if any(address in network for address in METADATA)]
    if not open_to_all:
        return []
    return [
        Warning(
            f"SEGUE_ALLOWED_PRIVATE_NETWORKS opens {', '.join(open_to_all)}, where clouds tell a machine its own credentials: "
            "whoever may edit a workflow may read them.",
            hint="Name only the networks that workflows are to call, such as 10.1.0.0/16.",
            id="segue.W009",
        )
    ]


def check_mail(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test whether workflows can send e-mail, from an address that receivers accept."""
    if not settings.EMAIL_HOST:
        return [
            Info(
                "EMAIL_HOST is not set: the tool email.send has no mail server.",
                hint="Name one, with EMAIL_HOST_USER and EMAIL_HOST_PASSWORD, if workflows are to send e-mail.",
                id="segue.I001",
            )
        ]
    if settings.DEFAULT_FROM_EMAIL.rstrip(">").endswith("@localhost"):
        return [
            Warning(
                f"DEFAULT_FROM_EMAIL is {settings.DEFAULT_FROM_EMAIL!r}: receivers will refuse what comes from there.",
                hint="Name an address of your own domain, one that the mail server may send for.",
                id="segue.W006",
            )
        ]
    return []


def check_failpoints(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Test that nothing is told to die on purpose."""
    if not os.environ.get(failpoints.VARIABLE):
        return []
    return [
        Error(
            f"{failpoints.VARIABLE} is set: processes die on purpose.",
            hint="Unset it; it is for tests alone (docs/explanation/reliability.md).",
            id="segue.E011",
        )
    ]


def check_database(app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Ask a PostgreSQL server whether it keeps what it is given (R-19). Runs with ``--database`` and with migrate."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        if connections[alias].vendor == "postgresql":
            messages.extend(_postgresql_messages(alias))
    return messages


def check_wrapping_keys(
    app_configs: Any = None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Test whether every key is there that a project's data key needs. Runs with ``--database`` and with migrate."""
    if "default" not in (databases or ()):
        return []
    try:
        there = {key.id for key in crypto.read_keys(settings.SEGUE_ENCRYPTION_KEYS)}
        needed = projects_by_wrapping_key()
    except (crypto.BadEncryptionKeys, DatabaseError):
        return []  # Another check says so; before the first migration there is no table.
    return [
        Warning(
            f"Key {key_id}, which the secrets of {count} project(s) need, is not in SEGUE_ENCRYPTION_KEYS.",
            hint="Put it back; old keys stay in the list until `manage.py rotate_keys` says that they are not needed any more.",
            id="segue.W007",
        )
        for key_id, count in sorted(needed.items())
        if key_id not in there
    ]


def _postgresql_messages(alias: str) -> Iterable[CheckMessage]:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version_num')::int / 10000, pg_is_in_recovery()")
            version, is_replica = cursor.fetchone()
            values = {name: _setting(cursor, name) for name in DURABLE_SETTINGS}
    except DatabaseError as error:
        yield Error(f"The database does not answer: {error}", hint="Look at DATABASE_URL.", id="segue.E008")
        return
    if version < POSTGRESQL_MIN_VERSION:
        yield Error(
            f"PostgreSQL is version {version}; Segue needs {POSTGRESQL_MIN_VERSION} or newer.",
            hint="Upgrade the server.",
            id="segue.E009",
        )
    if is_replica:
        yield Error(
            "The database is a replica: what is decided from old rows is decided wrongly.",
            hint="Name the primary server in DATABASE_URL.",
            id="segue.E010",
        )
    for name, value in values.items():
        if value == "off":
            yield Warning(
                f"PostgreSQL's {name} is off: a crash of its machine loses executions that were accepted.",
                hint=f"Set {name} = on in postgresql.conf.",
                id="segue.W004",
            )


def _setting(cursor: Any, name: str) -> str:
    cursor.execute("SELECT current_setting(%s)", [name])
    value: str = cursor.fetchone()[0]
    return value


def _doubt(key: Key) -> CheckMessage | None:
    """Return why a key protects nothing, if so."""
    hint = "Make one: python manage.py make_encryption_key"
    if key.secret in _derived_from(settings.SECRET_KEY):
        return Error(
            f"Key {key.id} of SEGUE_ENCRYPTION_KEYS is made from SECRET_KEY: one leak would open both.",
            hint=hint,
            id="segue.E003",
        )
    if _is_written_by_hand(key.secret):
        return Error(
            f"Key {key.id} of SEGUE_ENCRYPTION_KEYS is a sample or a text, not drawn by lot: others may guess it.",
            hint=hint,
            id="segue.E002",
        )
    return None


def _is_written_by_hand(secret: bytes) -> bool:
    """Test whether a key is a text, counts, or repeats itself. By lot, none does in a million million."""
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    repeats = any(len({secret[at : at + length] for at in range(0, len(secret), length)}) == 1 for length in (8, 16))
    is_text = secret.isascii() and secret.decode("ascii").isprintable()
    return is_text or repeats or len(steps) == 1 or len(set(secret)) < FEWEST_VALUES


def _derived_from(secret_key: str) -> set[bytes]:
    raw = secret_key.encode()
    candidates = {raw, hashlib.sha256(raw).digest(), raw[:32].ljust(32, b"\0")}
    with contextlib.suppress(ValueError):  # It is not base64, as most are not.
        candidates.add(base64.b64decode(raw, validate=True))
    return candidates


def _without_password(url: Any) -> str:
    scheme, separator, rest = str(url or "").partition("://")
    return f"{scheme}{separator}…@{rest.rpartition('@')[2]}" if "@" in rest else str(url or "")


ALWAYS: tuple[Callable[..., list[CheckMessage]], ...] = (
    check_encryption_keys,
    check_secret_key,
    check_broker,
    check_database_engine,
    check_webhook_base_url,
    check_packages,
)
IN_PRODUCTION: tuple[Callable[..., list[CheckMessage]], ...] = (
    check_sqlite_in_production,
    check_sandbox,
    check_secure,
    check_private_networks,
    check_mail,
    check_failpoints,
)
OF_THE_DATABASE: tuple[Callable[..., list[CheckMessage]], ...] = (check_database, check_wrapping_keys)


def refuse_bad_keys() -> None:
    """Do nothing if secrets can be encrypted, and links cannot be guessed. For servers that run no system checks (S-SEC-6).

    :raises ImproperlyConfigured: with keys that are missing or not worth the name.
    """
    if messages := [*check_encryption_keys(), *check_secret_key()]:
        raise ImproperlyConfigured(" ".join(f"{message.msg} {message.hint}." for message in messages))


def register_all() -> None:
    """Tell Django of the checks. Called when the app is ready."""
    for check in ALWAYS:
        register(check, "segue")
    for check in IN_PRODUCTION:
        register(check, Tags.security, deploy=True)
    for check in OF_THE_DATABASE:
        register(check, Tags.database)
