"""What every test may use: a settled environment, real servers, people with roles, and a clock that stands still."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests import environment
from tests.clock import NOON

_until_the_end = pytest.StashKey[contextlib.ExitStack]()
_broker_socket = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sqlite", action="store_true", help="run on SQLite instead of PostgreSQL")


def pytest_configure(config: pytest.Config) -> None:
    """Settle the environment and start the database server, before Django reads its settings.

    pytest-xdist's workers inherit the environment, and with it the one server that the first process started.
    """
    stack = config.stash[_until_the_end] = contextlib.ExitStack()
    folder = _folder(stack)
    config.stash[_broker_socket] = folder / "broker.sock"
    worker = getattr(config, "workerinput", {}).get("workerid", "gw0").removeprefix("gw")
    database_url = environment.named_database(os.environ, sqlite=config.getoption("sqlite"))
    if database_url is None:
        from tests import servers

        database_url = stack.enter_context(servers.postgres())
    broker_url = environment.named_broker(os.environ, worker=int(worker))
    settled = environment.environment(
        database_url=database_url, broker_url=broker_url or f"redis+socket://{config.stash[_broker_socket]}"
    )
    for name in environment.known_names():
        os.environ.pop(name, None)
    os.environ.update(settled, TEST_DATABASE_URL=_inherited(database_url), DJANGO_SETTINGS_MODULE="config.settings")
    _set_up_django(sqlite_file=folder / "tests.sqlite3")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started."""
    if stack := config.stash.get(_until_the_end, None):
        stack.close()


def _folder(stack: contextlib.ExitStack) -> Path:
    # A short path: that of a unix socket has at most 107 characters.
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segue-", dir="/tmp")))


def _inherited(database_url: str) -> str:
    return "sqlite" if database_url.startswith("sqlite") else database_url


def _set_up_django(*, sqlite_file: Path) -> None:
    import django
    from django.conf import settings

    if settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
        # As in an installation. In memory, one of two threads at once would get "table is locked" instead of its turn.
        settings.DATABASES["default"]["TEST"] = {"NAME": str(sqlite_file)}

    # pytest-xdist's workers inherit the environment, and pytest-django read the settings from it before this was settled.
    settings.CELERY_BROKER_URL = os.environ["CELERY_BROKER_URL"]

    # A good password hash is slow on purpose, and none is at stake here.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Every client of a test is a server of its own, which would look for all static files first.
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
    django.setup()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let tests with real transactions commit fast and clear up, and the database go when all is done.

    What they commit need not survive a power cut.
    """
    from django.db import connection

    from executions.waiting import stop_listening
    from tests.emptying import empty_cheaply

    empty_cheaply()
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" SET synchronous_commit TO off')
        connection.close()
    yield
    stop_listening()


@pytest.fixture
def noon() -> Iterator[datetime]:
    """Stop the clock at noon."""
    import time_machine

    with time_machine.travel(NOON, tick=False):
        yield NOON


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> str:
    """Return the URL of a broker that runs."""
    from django.conf import settings

    url: str = settings.CELERY_BROKER_URL
    socket = request.config.stash[_broker_socket]
    if url.endswith(str(socket)):
        from tests import servers

        request.config.stash[_until_the_end].enter_context(servers.valkey(socket))
    return url


@pytest.fixture
def project(db: None) -> Any:
    """Return the project in which alice, bob and everybody that ``api`` makes have their roles."""
    from tests.factories import ProjectFactory

    return ProjectFactory()


@pytest.fixture
def alice(project: Any) -> Any:
    """Return the owner of the project."""
    return _person("alice", project, role="owner")


@pytest.fixture
def bob(project: Any) -> Any:
    """Return an editor of the project."""
    return _person("bob", project, role="editor")


@pytest.fixture
def charlie(db: None) -> Any:
    """Return a stranger: somebody with a project of their own."""
    from tests.factories import MemberFactory, UserFactory

    return MemberFactory(user=UserFactory(username="charlie"), role="owner").user


def _person(name: str, project: Any, *, role: str) -> Any:
    from projects.models import ProjectMember
    from tests.factories import MemberFactory, UserFactory

    member = ProjectMember.objects.filter(project=project, user__username=name).first()
    return (member or MemberFactory(project=project, user=UserFactory(username=name), role=role)).user


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Return a maker of API clients: ``api("editor")``, ``api("stranger")``, ``api("nobody")``, ``api(user)``.

    Roles are held in ``project``; alice is the owner, bob the editor, charlie the stranger.
    """
    from rest_framework.test import APIClient

    known = {"owner": "alice", "editor": "bob", "stranger": "charlie"}

    def client_of(who: Any) -> APIClient:
        client = APIClient()
        if who == "nobody":
            return client
        if who in known:
            who = request.getfixturevalue(known[who])
        elif isinstance(who, str):
            who = _person(who, request.getfixturevalue("project"), role=who)
        client.force_login(who)
        return client

    request.getfixturevalue("db")
    return client_of
