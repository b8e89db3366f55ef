"""S-SEC-6, S-DJ-1, R-19: an installation that is wrong says so before it serves."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import subprocess
import sys

import pytest
from django.core import checks
from django.db import connection

from config import checks as ours
from projects.crypto import encrypt, new_key_line
from tests.environment import ROOT
from tests.factories import ProjectFactory


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def key_line(secret: bytes) -> str:
    return "k1:" + base64.b64encode(secret).decode()


class TestEncryptionKeys:
    def test_are_fine_when_they_are_random(self, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [new_key_line("k1"), new_key_line("k2")]

        assert ours.check_encryption_keys() == []

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            (None, "segue.E001"),
            ("k1:", "segue.E001"),
            (key_line(bytes(31)), "segue.E001"),
            (key_line(bytes(32)), "segue.E002"),
            (key_line(bytes(range(32))), "segue.E002"),
            (key_line(bytes(range(1, 33))), "segue.E002"),
            (key_line(bytes(range(255, 223, -1))), "segue.E002"),
            (key_line(bytes(range(0, 256, 8))), "segue.E002"),
            (key_line(b"changeme" * 4), "segue.E002"),
            (key_line(b"0123456789abcdef0123456789abcdef"), "segue.E002"),
            (key_line(b"a long phrase that I can recall!"), "segue.E002"),
            (key_line(hashlib.sha256(b"drawn once").digest()[:16] * 2), "segue.E002"),
            (key_line(b"one secret key for all purposes!"), "segue.E003"),
        ],
    )
    def test_are_refused_when_they_protect_nothing(self, settings, line, expected):
        settings.SECRET_KEY = "one secret key for all purposes!"
        settings.SEGUE_ENCRYPTION_KEYS = [line] if line else []

        (message,) = ours.check_encryption_keys()

        assert message.id == expected
        assert message.hint

    @pytest.mark.parametrize("server", ["config.wsgi", "config.asgi"])
    @pytest.mark.parametrize(
        ("weak", "said"),
        [
            ({"SEGUE_ENCRYPTION_KEYS": key_line(bytes(32))}, "Key k1 of SEGUE_ENCRYPTION_KEYS is a sample"),
            ({"SECRET_KEY": "changeme"}, "SECRET_KEY is short"),
        ],
    )
    def test_keep_a_web_server_from_starting(self, server, weak, said):
        """It runs no system checks by itself."""
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
        environment |= {
            "SEGUE_ENCRYPTION_KEYS": new_key_line("k1"),
            "SECRET_KEY": "a secret for this test and for nothing else",
            **weak,
            "SEGUE_ENV_FILE": os.devnull,
            "DATABASE_URL": "sqlite://:memory:",
        }

        done = subprocess.run(
            [sys.executable, "-c", f"import {server}"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert done.returncode != 0
        assert said in done.stderr
        assert all(key not in done.stderr.replace("SECRET_KEY", "") for key in weak.values())

    def test_are_refused_when_one_of_many_is_a_sample(self, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [new_key_line("good"), key_line(bytes(32))]

        assert ids(ours.check_encryption_keys()) == ["segue.E002"]

    @pytest.mark.parametrize(
        "derive",
        [
            lambda secret: secret.encode(),
            lambda secret: base64.b64decode(base64.b64encode(secret.encode())),
            lambda secret: __import__("hashlib").sha256(secret.encode()).digest(),
        ],
    )
    def test_are_refused_when_they_are_made_from_the_secret_key(self, settings, derive):
        settings.SECRET_KEY = "abcdefghijklmnopqrstuvwxyz012345"
        settings.SEGUE_ENCRYPTION_KEYS = [key_line(derive(settings.SECRET_KEY))]

        assert ids(ours.check_encryption_keys()) == ["segue.E003"]


class TestSecretKey:
    def test_is_fine_when_it_is_random(self, settings):
        settings.SECRET_KEY = secrets.token_urlsafe(50)

        assert ours.check_secret_key() == []

    @pytest.mark.parametrize(
        "guessable", ["changeme", "x" * 50, "secret" * 9, "django-insecure-" + "Zk3pQ9wL" * 6, "Zk3pQ9wLx" * 3]
    )
    def test_is_refused_when_others_may_guess_it(self, settings, guessable):
        settings.SECRET_KEY = guessable

        (message,) = ours.check_secret_key()

        assert message.id == "segue.E012"
        assert guessable not in message.msg + message.hint


class TestBroker:
    @pytest.mark.parametrize("url", ["redis://h/0", "rediss://h/0", "redis+socket:///s", "amqp://h//", "amqps://h//"])
    def test_is_fine_when_it_is_one(self, settings, url):
        settings.CELERY_BROKER_URL = url

        assert ours.check_broker() == []

    @pytest.mark.parametrize("url", ["", None, "memory://", "sqla+sqlite:///x", "http://user:geheim@h"])
    def test_is_refused_when_it_is_none(self, settings, url):
        settings.CELERY_BROKER_URL = url

        (message,) = ours.check_broker()

        assert message.id == "segue.E004"
        assert "geheim" not in message.msg


class TestPrivateNetworks:
    @pytest.mark.parametrize("ranges", [[], ["10.1.0.0/16", "127.0.0.1/32", "fd00::/64"]])
    def test_may_be_open_where_no_cloud_tells_its_secrets(self, settings, ranges):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ranges

        assert ours.check_private_networks() == []

    @pytest.mark.parametrize(
        "wide", ["0.0.0.0/0", "169.254.0.0/16", "100.64.0.0/10", "::/0", "fc00::/7", "168.63.129.16/32"]
    )
    def test_are_named_when_they_hold_the_machines_own_credentials(self, settings, wide):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["10.1.0.0/16", wide]

        (message,) = ours.check_private_networks()

        assert message.id == "segue.W009"
        assert f"opens {wide}, where" in message.msg


class TestWebhookBaseUrl:
    @pytest.mark.parametrize(
        ("url", "secure", "expected"),
        [
            ("https://segue.example.com", True, []),
            ("http://127.0.0.1:8000", False, []),
            ("http://segue.example.com", True, ["segue.E007"]),
            ("segue.example.com", False, ["segue.E006"]),
            ("", False, ["segue.E006"]),
        ],
    )
    def test_is_one_that_callers_can_use(self, settings, url, secure, expected):
        settings.WEBHOOK_BASE_URL, settings.SECURE = url, secure

        assert ids(ours.check_webhook_base_url()) == expected


class TestProduction:
    def test_warns_of_expressions_in_process(self, settings):
        settings.EXPRESSION_SANDBOX = "in_process"

        assert ids(ours.check_sandbox()) == ["segue.W002"]

    def test_warns_of_plain_http(self, settings):
        settings.SECURE = False

        assert ids(ours.check_secure()) == ["segue.W003"]

    @pytest.mark.django_db
    @pytest.mark.parametrize("debug", [True, False])
    def test_warns_of_sqlite(self, settings, debug):
        settings.DEBUG = debug

        is_warned = connection.vendor == "sqlite" and not debug
        assert ids(ours.check_sqlite_in_production()) == (["segue.W001"] if is_warned else [])


@pytest.mark.django_db
class TestDatabase:
    def test_is_asked_only_when_it_is_named(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert ours.check_database(databases=None) == []

    def test_is_fine_here(self):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL synchronous_commit = on")  # The tests' own database need not be so careful.

        assert ours.check_database(databases=["default"]) == []

    def test_is_named_when_it_would_forget(self):
        if connection.vendor != "postgresql":
            pytest.skip("PostgreSQL's settings")
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = off")

        (message,) = ours.check_database(databases=["default"])

        assert (message.id, "synchronous_commit" in message.msg) == ("segue.W004", True)

    def test_is_named_when_it_does_not_answer(self, monkeypatch):
        if connection.vendor != "postgresql":
            pytest.skip("PostgreSQL's answers")
        with connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before")
            cursor.execute("SET LOCAL statement_timeout = 1")
            with pytest.raises(Exception, match="statement timeout"):
                cursor.execute("SELECT pg_sleep(1)")

            messages = ours.check_database(databases=["default"])

            cursor.execute("ROLLBACK TO SAVEPOINT before")
        assert ids(messages) == ["segue.E008"]


@pytest.mark.django_db
class TestWrappingKeys:
    def test_are_all_there_while_old_ones_stay_in_the_list(self, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [old := new_key_line("k1")]
        encrypt(ProjectFactory(), "a secret", binds_to="somewhere")
        settings.SEGUE_ENCRYPTION_KEYS = [new_key_line("k2"), old]

        assert ours.check_wrapping_keys(databases=["default"]) == []

    def test_are_named_when_projects_still_need_them(self, settings):
        settings.SEGUE_ENCRYPTION_KEYS = [new_key_line("k1")]
        for project in (ProjectFactory(), ProjectFactory()):
            encrypt(project, "a secret", binds_to="somewhere")
        settings.SEGUE_ENCRYPTION_KEYS = [new_key_line("k2")]

        (message,) = ours.check_wrapping_keys(databases=["default"])

        assert message.id == "segue.W007"
        assert "Key k1, which the secrets of 2 project(s) need" in message.msg

    def test_are_looked_for_only_when_the_database_is_named(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert ours.check_wrapping_keys() == []


@pytest.mark.django_db
def test_they_are_registered():
    registered = checks.registry.registry.get_checks(include_deployment_checks=True)

    assert {*ours.ALWAYS, *ours.IN_PRODUCTION, *ours.OF_THE_DATABASE} <= set(registered)


def production(**changes: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "SEGUE_ENV_FILE": os.devnull,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "SEGUE_ENCRYPTION_KEYS": new_key_line("k1"),
        "SECURE": "1",
        "BEHIND_PROXY": "1",
        "ALLOWED_HOSTS": "segue.example.com",
        "WEBHOOK_BASE_URL": "https://segue.example.com",
        "DATABASE_URL": "postgres://segue:segue@127.0.0.1:1/segue",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "EMAIL_HOST": "mail.example.com",
        "DEFAULT_FROM_EMAIL": "segue@example.com",
        **changes,
    }


def test_say_the_same_of_the_admin_in_whatever_order_they_run():
    """Django keeps its checks in a set. The one of templates loads their tags, and with them must come no part of the admin."""
    code = (
        "import django; django.setup()\n"
        "from django.core.checks import run_checks\n"
        "print(run_checks(tags=['templates']), run_checks(tags=['admin']))"
    )
    environment = production() | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[] []"


class TestCheckDeploy:
    """As operators run it: a process of its own, with the environment of a production."""

    def check(self, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
        return subprocess.run(command, cwd=ROOT, env=production(**changes), capture_output=True, text=True, check=False)

    def test_is_clean_on_production_settings(self):
        result = self.check()

        assert (result.returncode, result.stderr) == (0, "")

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            # Not none at all: then those of `make up` would do, if it has run in this folder.
            ({"SEGUE_ENCRYPTION_KEYS": "k1:no key"}, "segue.E001"),
            ({"SECRET_KEY": "changeme"}, "segue.E012"),
            ({"WEBHOOK_BASE_URL": "http://segue.example.com"}, "segue.E007"),
            ({"EXPRESSION_SANDBOX": "in_process"}, "segue.W002"),
            ({"SECURE": "0"}, "segue.W003"),
            ({"SEGUE_ALLOWED_PRIVATE_NETWORKS": "0.0.0.0/0"}, "segue.W009"),
            ({"DATABASE_URL": "sqlite:///var/x.sqlite3"}, "segue.W001"),
        ],
    )
    def test_says_what_is_wrong(self, changes, expected):
        result = self.check(**changes)

        assert result.returncode == 1
        assert expected in result.stderr
        assert "HINT" in result.stderr


class TestSettings:
    """A value that makes no sense is refused at the start, with a sentence."""

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("WEBHOOK_MAX_BODY_BYTES", "16777217", "at most 16 MiB"),
            ("WORKFLOW_MAX_RETRIES", "0", "must be a whole number above zero"),
            ("PROJECT_MAX_LIVE", "-1", "must be a whole number, or 0 for no limit"),
            ("WEB_STATEMENT_SECONDS", "5s", "must be a whole number, or 0 for no limit"),
        ],
    )
    def test_are_refused_when_they_make_no_sense(self, name, value, message):
        result = self.read(**{name: value})

        assert result.returncode == 1
        assert f"{name} is" in result.stderr
        assert message in result.stderr

    @pytest.mark.parametrize(("name", "value"), [("WEBHOOK_MAX_BODY_BYTES", "16777216"), ("PROJECT_MAX_LIVE", "0")])
    def test_are_taken_at_their_limits(self, name, value):
        assert self.read(**{name: value}).returncode == 0

    def read(self, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "import config.settings"]
        return subprocess.run(command, cwd=ROOT, env=production(**changes), capture_output=True, text=True, check=False)


class TestFailpoints:
    def test_are_an_error_in_production(self, monkeypatch):
        assert ours.check_failpoints() == []

        monkeypatch.setenv("SEGUE_FAILPOINTS", "claim.inside=kill")

        assert ids(ours.check_failpoints()) == ["segue.E011"]


class TestMail:
    def test_is_missed_where_no_server_is_named(self, settings):
        settings.EMAIL_HOST = ""

        assert ids(ours.check_mail()) == ["segue.I001"]

    @pytest.mark.parametrize("sender", ["segue@localhost", "Segue <segue@localhost>"])
    def test_comes_from_an_address_that_others_accept(self, settings, sender):
        settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.example.com", sender

        assert ids(ours.check_mail()) == ["segue.W006"]

    def test_is_fine_with_a_server_and_a_sender(self, settings):
        settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.example.com", "segue@example.com"

        assert ours.check_mail() == []
