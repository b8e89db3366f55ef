"""Start Segue in one folder, prove that it works, keep it running, stop it in order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from config.supervisor import broker, programs
from config.supervisor.child import Child, Program, describe, end, spawn
from config.supervisor.console import say
from config.supervisor.environment import additions, needs_broker, read_env_file
from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder
from config.supervisor.health import is_up
from config.supervisor.keys import ensure_keys, write_private
from config.supervisor.listener import listen, url
from config.supervisor.lock import only_one
from config.supervisor.logs import tail
from config.supervisor.options import Options

# How often the programs are looked at.
TICK_SECONDS = 0.2

# Generous: a small, busy machine that imports and migrates for the first time.
BROKER_START_SECONDS = 20.0
WEB_START_SECONDS = 120.0

# A program that ends this often before Segue is up will not start here.
START_FAILURES = 3

INTERRUPTED = 130  # What shells say of a program that Ctrl-C ended.


class Interrupted(Exception):
    """Somebody asked to stop before Segue was up."""


class Supervisor:
    """The process that ``manage.py up`` is. It opens no database and imports no Django."""

    def __init__(self, options: Options, *, folder: Folder) -> None:
        self._options = options
        self._folder = folder
        self._children: list[Child] = []  # In the order in which they are stopped.
        self._environ: dict[str, str] = {}
        self._stop_requests = 0

    def run(self) -> int:
        """Do it all. Return the exit code.

        :raises UpError: if Segue cannot be started here.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_stop_signal)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it, and means it.
            signal.signal(signal.SIGHUP, self._on_stop_signal)
        self._folder.make()
        with only_one(self._folder), listen(self._options.host, self._options.port) as listener:
            try:
                return self._live(listener)
            except Interrupted:
                return INTERRUPTED
            finally:
                listener.close()  # New callers are refused at once instead of waiting for nobody.
                self._stop_all()

    def _live(self, listener: socket.socket) -> int:
        address = url(listener)
        self._complete_environment(address)
        prepared = self._prepare()
        self._start_programs(listener, address)
        introduce(prepared)
        succeeded = self._prove(prepared, address)
        say(f"  home   {address}/\n  admin  {address}/admin/\n  API    {address}/api/docs/")
        if self._options.demo:
            return 0 if succeeded else 1
        say(f"Segue is up at {address} (Ctrl-C stops everything)" + ("" if succeeded else ", but the proof failed"))
        self._keep_running()
        return 0

    def _complete_environment(self, address: str) -> None:
        read_env_file(self._folder)
        if ensure_keys(self._folder, given=os.environ):
            say(f"New keys: {self._folder.keys}. Back them up together with the database.")
        added = additions(self._folder, given=os.environ, url=address)
        # The settings read it too, so that every command of manage.py reaches this installation.
        lines = (f"{name}={value}\n" for name, value in added.items())
        write_private(self._folder, "up.env", "# Written by every `manage.py up`.\n" + "".join(lines))
        self._environ = {**os.environ, **added, "PYTHONUNBUFFERED": "1"}

    def _prepare(self) -> dict[str, Any]:
        """Migrate, and make sure of the administrator and the gallery. Return what ``prepare`` wrote."""
        say("Preparing the database ...")
        log = self._folder.log("setup")
        with log.open("ab") as errors:
            process = self._spawn(programs.preparation(), stdout=subprocess.PIPE, stderr=errors)
        code, output = self._finish(process)
        if code:
            raise UpError(f"The database could not be prepared ({describe(code)}). The end of {log}:\n{tail(log)}")
        prepared: dict[str, Any] = json.loads(output)
        return prepared

    def _start_programs(self, listener: socket.socket, address: str) -> None:
        if needs_broker(os.environ):
            listen_at = self._folder.broker_socket
            listen_at.unlink(missing_ok=True)
            self._children.append(self._child(programs.broker(listen_at)))
            self._until(lambda: broker.answers(listen_at), seconds=BROKER_START_SECONDS, what="The broker")
        workers = (programs.web(listener.fileno()), programs.beat(), programs.worker(self._options.workers))
        self._children[:0] = [self._child(program) for program in workers]
        self._until(lambda: is_up(address), seconds=WEB_START_SECONDS, what="The web server")

    def _prove(self, prepared: dict[str, Any], address: str) -> bool:
        process = self._spawn(programs.proof(), stdin=subprocess.PIPE)
        task = {"url": address, "token": prepared["token"], "project": prepared["project"]}
        if process.stdin:
            process.stdin.write(json.dumps(task).encode())
            process.stdin.close()
        code, _ = self._finish(process)
        return code == 0

    def _keep_running(self) -> None:
        while not self._stop_requests:
            self._tick()

    def _until(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            self._tick()
            if self._stop_requests:
                raise Interrupted
            if stuck := next((child for child in self._children if child.failures >= START_FAILURES), None):
                raise UpError(f"The {stuck.program.name} does not start. The end of {stuck.log}:\n{tail(stuck.log)}")
            if time.monotonic() > deadline:
                raise UpError(f"{what} did not answer within {seconds:g} s. See {self._folder.log('web').parent}")

    def _tick(self) -> None:
        for child in self._children:
            if sentence := child.watch():
                say(sentence)
        time.sleep(TICK_SECONDS)

    def _spawn(self, program: Program, **streams: Any) -> subprocess.Popen[bytes]:
        return spawn(program, folder=self._folder, environ=self._environ, **streams)

    def _child(self, program: Program) -> Child:
        return Child(program, folder=self._folder, environ=self._environ)

    def _finish(self, process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
        """Wait for a program that ends by itself, while the others are watched. Return its code and output."""
        try:
            while process.poll() is None:
                self._tick()
                if self._stop_requests:
                    raise Interrupted
        finally:
            end(process, grace_seconds=2)
        output = process.stdout.read() if process.stdout else b""
        return process.returncode, output

    def _stop_all(self) -> None:
        if self._children:
            say("Stopping ...")
        for child in self._children:
            child.stop(at_once=self._stop_requests > 1)
        self._folder.leave()

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_requests += 1
        if self._stop_requests > 1:  # Somebody does not want to wait.
            for child in self._children:
                child.kill()


def introduce(prepared: dict[str, Any]) -> None:
    """Name the administrator, with the password if it was just made: nobody can read it again."""
    name = prepared["username"]
    if prepared["password"]:
        say(f"Sign in as {name} with the password {prepared['password']}  (shown only this once)")
    else:
        say(f"Sign in as {name}. A new password: .venv/bin/python manage.py changepassword {name}")
