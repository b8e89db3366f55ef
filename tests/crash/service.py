"""A service on loopback that counts who called: under which idempotency key, when, and with what answer."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

HOLD_SECONDS = 120.0
# What may become of the network between a worker and the service, once the service has been reached.
Fault = Literal["reset", "black hole", "trickle", "half an answer"]


@dataclass
class Call:
    """One request."""

    key: str
    began: float
    status: int = 0
    ended: float = 0.0


class CountingService:
    """Answers every POST with ``{"done": <what was sent>}``.

    :param failures: how often a key gets a 500 before it is served.
    """

    def __init__(self, *, seconds: float = 0.0, failures: Callable[[str], int] = lambda key: 0) -> None:
        self.calls: list[Call] = []
        self.seconds = seconds
        self._failures = failures
        self._refused: defaultdict[str, int] = defaultdict(int)
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._open = threading.Event()
        self._open.set()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        threading.Thread(target=self._server.serve_forever, name="service", daemon=True).start()

    def hold(self) -> None:
        """Answer nobody until :meth:`release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer those who wait, and all that come."""
        self._open.set()

    def break_next(self, fault: Fault) -> None:
        """Let the answer to the next call be lost on its way."""
        self._faults.append(fault)

    def next_fault(self) -> Fault | None:
        """Take what is to become of the answer that is about to be sent."""
        with self._lock:
            return self._faults.pop() if self._faults else None

    def calls_of(self, execution_id: str) -> list[Call]:
        """Return the calls of one execution in their order."""
        return [call for call in list(self.calls) if call.key.startswith(f"{execution_id}:")]

    def close(self) -> None:
        """End the server; whoever waits is let go."""
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, key: str, body: Any) -> tuple[int, Any]:
        """Count a call and say what it gets."""
        call = Call(key, time.time())
        with self._lock:
            self.calls.append(call)
            fails = self._refused[key] < self._failures(key)
            self._refused[key] += fails
        self._open.wait(HOLD_SECONDS)
        time.sleep(self.seconds)
        call.status, call.ended = (500 if fails else 200), time.time()
        return call.status, {"done": body}


@contextmanager
def counting_service(**options: Any) -> Iterator[CountingService]:
    """Run a service."""
    service = CountingService(**options)
    try:
        yield service
    finally:
        service.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of callers that were killed meanwhile."""


def _handler_of(service: CountingService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            status, answer = service.answer(self.headers["Idempotency-Key"], body)
            raw = json.dumps(answer).encode()
            fault = service.next_fault()
            if fault in ("reset", "black hole"):
                self._say_nothing(reset=fault == "reset")
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            if fault == "trickle":
                for byte in raw:
                    self.wfile.write(bytes([byte]))
                    time.sleep(1)
            else:
                self.wfile.write(raw[: len(raw) // 2] if fault else raw)
            self.close_connection = fault is not None

        def _say_nothing(self, *, reset: bool) -> None:
            if reset:  # Closed with nothing left to wait for, a socket sends RST.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            else:
                time.sleep(HOLD_SECONDS)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    return Handler
