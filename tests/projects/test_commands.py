from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from projects import authentication
from projects.crypto import read_keys
from projects.models import ApiToken
from tests.environment import ROOT
from tests.factories import MemberFactory, ProjectFactory


def run(name: str, *args: str) -> str:
    out = StringIO()
    call_command(name, *args, stdout=out)
    return out.getvalue().strip()


class TestMakeEncryptionKey:
    def test_prints_a_key_that_the_settings_take(self, settings):
        settings.SEGUE_ENCRYPTION_KEYS = []

        (key,) = read_keys([run("make_encryption_key", "--id", "spring")])

        assert key.id == "spring"

    def test_prints_another_one_each_time(self):
        assert run("make_encryption_key") != run("make_encryption_key")

    def test_needs_no_settings(self):
        """Whoever makes the first keys of an installation has none yet."""
        command = [sys.executable, "manage.py", "make_encryption_key", "--id", "first"]

        done = subprocess.run(
            command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60
        )

        assert done.returncode == 0, done.stderr
        assert read_keys([done.stdout])[0].id == "first"

    def test_refuses_a_name_that_the_settings_would_not_take(self):
        with pytest.raises(CommandError, match="is no id"):
            run("make_encryption_key", "--id", "a:b")


class TestEveryCommand:
    """At a terminal, on a database that is not ready."""

    def run(self, database_url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", "issue_token", "alice", "Shop"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_asks_for_the_migrations_where_tables_are_missing(self, tmp_path):
        done = self.run(f"sqlite:///{tmp_path / 'new.sqlite3'}")

        assert (done.returncode, "Run `manage.py migrate` first." in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr

    def test_says_that_the_database_does_not_answer(self):
        done = self.run("postgres://postgres@127.0.0.1:1/segue")

        assert (done.returncode, "The database does not answer." in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr


@pytest.mark.django_db
class TestIssueToken:
    def test_prints_a_key_that_works(self):
        member = MemberFactory(role="owner")

        token = authentication.token_of(
            run("issue_token", member.user.username, str(member.project_id), "--role", "admin")
        )

        assert (token.user, token.project, token.role, token.expires_at) == (member.user, member.project, "admin", None)

    def test_finds_a_project_by_its_name(self, noon):
        member = MemberFactory(role="owner", project__name="Orders")

        run("issue_token", member.user.username, "Orders", "--days", "7")

        assert ApiToken.objects.get().expires_at == noon + timedelta(days=7)

    def test_says_why_not(self):
        member = MemberFactory(role="viewer", project__name="Orders")
        ProjectFactory.create_batch(2, name="Twins")

        for args, message in [
            ((member.user.username, "Orders"), "Your role is viewer"),
            (("nobody", "Orders"), "Nobody active"),
            ((member.user.username, "Twins"), "Several projects are"),
            ((member.user.username, "None"), "No project is"),
            ((member.user.username, "00000000-0000-0000-0000-000000000000"), "No project is"),
        ]:
            with pytest.raises(CommandError, match=message):
                run("issue_token", *args)
