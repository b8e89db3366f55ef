"""MCP with a program on the worker's own machine: only what the operator's settings name, each call with a process of its own.

No shell, no environment but the one given, bounded output; at the end the process and all that it has started are gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from django.conf import settings

from workflows.http.calls import Call
from workflows.http.errors import TimedOut
from workflows.nodes.base import NodeError
from workflows.tools.mcp.messages import MAX_BYTES, METHOD_NOT_FOUND, Answer, answer_in, read

# How long a program may take to end by itself once its input has ended, and once it was asked to.
LEAVING_SECONDS = 1.0
LOOK_SECONDS = 0.02
READ_BYTES = 65_536


class StdioTransport:
    """A program that was started for one call.

    :param left: how many seconds there still are.
    :raises NodeError: ``mcp_unknown_server`` if the operator names none of this name for this project; ``mcp_not_started``.
    """

    speaks_http = False

    def __init__(self, name: str, *, project_id: str, left: Callable[[], float]) -> None:
        server = settings.MCP_STDIO_SERVERS.get(name)
        if server is None or project_id not in server.get("projects", [project_id]):
            raise NodeError(
                "mcp_unknown_server",
                f"This installation has no MCP server {name[:100]!r} for this project. Its operator names them (MCP_STDIO_SERVERS).",
            )
        self._left = left
        self._received = 0
        self._rest = b""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the operator's own command
                server["command"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(server.get("env", {})),
                cwd=tempfile.gettempdir(),
                start_new_session=True,  # A group of its own, which can be ended as a whole.
            )
        except OSError as error:
            raise NodeError(
                "mcp_not_started", f"The MCP server {name!r} could not be started ({type(error).__name__})."
            ) from error

    def ask(self, message: Mapping[str, Any], headers: Mapping[str, str], *, seconds: float | None = None) -> Answer:
        """Send a request and return its answer.

        :param seconds: give up waiting after so long, without an answer.
        :raises NodeError: ``timeout``; ``connection_lost`` if the program has ended; ``mcp_broken``, ``too_large``.
        :raises Cancelled: if the call was abandoned.
        """
        call = Call(min(seconds or self._left(), self._left()), None)
        with call.cancel.waking(self._kill):
            self._write(message)
            while True:
                try:
                    line = self._line(call)
                except TimedOut as error:
                    if seconds is not None:
                        return Answer()
                    raise NodeError("timeout", "The MCP server did not answer in time.", retryable=True) from error
                came = read(line)
                if answer := answer_in([came], message["id"], status=200, headers={}):
                    return answer
                self._answer_back(came)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a notification."""
        self._write(message)

    def settle(self, version: str, first: Answer) -> None:
        """Nothing is kept: a process is a session."""

    def close(self) -> None:
        """End the program: by the end of its input, then by a request, then by force; with it all that it has started."""
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
        if not self._has_ended_within(LEAVING_SECONDS):
            self._signal(signal.SIGTERM)
            self._has_ended_within(LEAVING_SECONDS)
        self._kill()
        self._process.wait()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it has a pipe
        call, unsent = Call(self._left(), None), orjson.dumps(message) + b"\n"
        descriptor = self._process.stdin.fileno()
        os.set_blocking(descriptor, False)
        while unsent:
            try:
                unsent = unsent[os.write(descriptor, unsent) :]
            except BlockingIOError:
                _wait(descriptor, select.POLLOUT, call.remaining(1.0))
            except OSError as error:
                raise _ended() from error

    def _line(self, call: Call) -> bytes:
        """Return the next message.

        :raises TimedOut: if none comes in time.
        """
        assert self._process.stdout is not None  # noqa: S101 - it has a pipe
        descriptor = self._process.stdout.fileno()
        line = b""
        while not line.strip():
            while b"\n" not in self._rest:
                self._rest += self._read(descriptor, call)
            line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _read(self, descriptor: int, call: Call) -> bytes:
        while not _wait(descriptor, select.POLLIN, call.remaining()):
            pass  # remaining() says that the time is over.
        data = os.read(descriptor, READ_BYTES)
        if not data:
            call.cancel.check()
            raise _ended()
        self._received += len(data)
        if self._received > MAX_BYTES:
            raise NodeError("too_large", f"The MCP server wrote more than {MAX_BYTES:,} bytes.")
        return data

    def _answer_back(self, came: Any) -> None:
        """Answer a request of the server's: to a ping that all is well, to everything else that it is not offered."""
        if isinstance(came, dict) and "method" in came and came.get("id") is not None:
            what = (
                {"result": {}}
                if came["method"] == "ping"
                else {"error": {"code": METHOD_NOT_FOUND, "message": "Not offered."}}
            )
            self._write({"jsonrpc": "2.0", "id": came["id"], **what})

    def _has_ended_within(self, seconds: float) -> bool:
        # Not ``wait``: the number of a process that nobody has asked about yet belongs to nobody else.
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                return True
            time.sleep(LOOK_SECONDS)
        return False

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def _wait(descriptor: int, event: int, seconds: float) -> bool:
    # Not select(), which knows no descriptors above 1,023.
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))


def _ended() -> NodeError:
    return NodeError("connection_lost", "The MCP server ended before it answered.", retryable=True)
