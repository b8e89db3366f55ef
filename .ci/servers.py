"""Print, as shell lines, which servers on loopback the tests may use besides their own.

Only those that let us in as a fresh installation does, and that the environment does not name already.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import psycopg
import redis
from kombu.connection import Connection
from kombu.exceptions import KombuError


def try_postgres(url: str) -> bool:
    """Test whether databases can be created there, on a version that Segue supports."""
    with psycopg.connect(url, connect_timeout=2) as connection:
        row = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        return connection.info.server_version >= 150000 and row == (True,)


def try_redis(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
        return bool(client.ping())


def try_rabbitmq(url: str) -> bool:
    with Connection(url, connect_timeout=2) as connection:  # type: ignore[no-untyped-call]  # kombu has no types
        connection.connect()
    return True


SERVERS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/postgres", try_postgres),
    ("TEST_REDIS_URL", "redis://127.0.0.1:6379/15", try_redis),
    ("TEST_RABBITMQ_URL", "amqp://guest:guest@127.0.0.1:5672//", try_rabbitmq),
)


def main() -> None:
    for name, url, try_server in SERVERS:
        if os.environ.get(name):
            continue
        try:
            usable = try_server(url)
        except (OSError, psycopg.Error, redis.RedisError, KombuError):
            usable = False
        if usable:
            sys.stdout.write(f"export {name}='{url}'\n")


if __name__ == "__main__":
    main()
