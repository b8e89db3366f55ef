"""``manage.py fake_provider``: a model provider that costs nothing."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from pathlib import Path
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workflows.fake_provider import BrokenScript, FakeProvider, Script
from workflows.fake_provider.script import read_script

EXAMPLE = """\
curl {url}/chat/completions -H 'Authorization: Bearer any-key' -H 'Content-Type: application/json' \\
  -d '{{"model": "fake-small", "messages": [{{"role": "user", "content": "Hello"}}]}}'"""


class Command(BaseCommand):
    help = "Run a model provider that costs nothing: it speaks the protocols of OpenAI and Anthropic and answers by a script."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8089, help="Port of 127.0.0.1; 0 takes any that is free.")
        parser.add_argument("--script", type=Path, help="JSON file that says what it answers. Without one it echoes.")

    def handle(self, *, port: int, script: Path | None, **_: Any) -> None:
        try:
            provider = FakeProvider(read_script(script) if script else Script(), port=port)
        except BrokenScript as error:
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
