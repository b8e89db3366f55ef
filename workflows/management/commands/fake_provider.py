"""``manage.py fake_provider``: a model provider that costs nothing."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from pathlib import Path
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from projects.exceptions import SegueError
from workflows.fake_provider import FakeProvider, Script
from workflows.fake_provider.asking import Source
from workflows.fake_provider.fixtures import read_fixtures
from workflows.fake_provider.recording import Recorder
from workflows.fake_provider.replaying import Replayer
from workflows.fake_provider.script import read_script
from workflows.fake_provider.scripted import Scripted
from workflows.http.configured import configured_door

EXAMPLE = """\
curl {url}/chat/completions -H 'Authorization: Bearer any-key' -H 'Content-Type: application/json' \\
  -d '{{"model": "fake-small", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""


class Command(BaseCommand):
    help = "Run a model provider that costs nothing: it speaks the protocols of OpenAI and Anthropic and answers by a script."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8089, help="Port of 127.0.0.1; 0 takes any that is free.")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--script", type=Path, help="JSON file that says what it answers. Without one it echoes.")
        source.add_argument("--replay", type=Path, help="File of recorded exchanges to answer from.")
        source.add_argument("--record", help="Base URL of a real provider to ask; needs --into.")
        parser.add_argument("--into", type=Path, help="New file for what --record records, without keys.")

    def handle(self, *, port: int, **options: Any) -> None:
        try:
            provider = FakeProvider(source=_source(**options), port=port)
        except SegueError as error:
            raise CommandError(error.message) from error
        except (OSError, OverflowError) as error:
            raise CommandError(f"It cannot listen at port {port}: {error}.") from error
        stop = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with provider:
            self.stdout.write(f"OpenAI's protocol:    {provider.openai_url}")
            self.stdout.write(f"Anthropic's protocol: {provider.anthropic_url}")
            self.stdout.write(f"What was asked:       {provider.url}/_requests")
            self.stdout.write(f"\n{EXAMPLE.format(url=provider.openai_url)}\n")
            self.stdout.flush()
            stop.wait()
        self.stdout.write("Stopped.")


def _source(*, script: Path | None, replay: Path | None, record: str | None, into: Path | None, **_: Any) -> Source:
    if (record is None) != (into is None):
        raise CommandError("--record and --into go together.")
    if record is not None and into is not None:
        return Recorder(configured_door(), url=record, into=into)
    if replay is not None:
        return Replayer(read_fixtures(replay))
    return Scripted(read_script(script) if script else Script())
