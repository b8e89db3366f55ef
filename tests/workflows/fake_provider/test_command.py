"""``manage.py fake_provider``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from tests.environment import ROOT
from tests.workflows.fake_provider.asking import CHAT, ask, user


class TestCommand:
    @pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
    def test_answers_without_a_database_until_it_is_stopped(self, tmp_path, ending):
        script = tmp_path / "script.json"
        script.write_text(json.dumps({"default": {"text": "By the script."}}))
        # A database that does not exist, so that any look at one would fail.
        environment = {**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"}
        command = [sys.executable, "manage.py", "fake_provider", "--port", "0", "--script", script]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                lines = [process.stdout.readline() for _ in range(6)]
                port = int(re.search(r"http://127\.0\.0\.1:(\d+)/v1", lines[0])[1])
                answer = ask(SimpleNamespace(port=port), CHAT, {"model": "any", "messages": [user("?")]})
                process.send_signal(ending)
                rest = process.communicate(timeout=20)[0]
            finally:
                process.kill()

        assert answer.json["choices"][0]["message"]["content"] == "By the script."
        assert "curl" in "".join(lines)
        assert rest.endswith("Stopped.\n")
        assert process.returncode == 0

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"record": "https://models.example.com/v1"}, "--record and --into go together"),
            ({"into": "x.json"}, "--record and --into go together"),
            ({"script": "missing.json"}, "cannot be read"),
            ({"replay": "missing.json"}, "cannot be read"),
            ({"port": "70000"}, "cannot listen at port 70000"),
        ],
    )
    def test_says_what_is_wrong_in_a_sentence(self, tmp_path, monkeypatch, options, said):
        monkeypatch.chdir(tmp_path)
        arguments = [f"--{name}={value}" for name, value in options.items()]

        with pytest.raises(CommandError, match=said):
            call_command("fake_provider", *arguments, stdout=StringIO())
