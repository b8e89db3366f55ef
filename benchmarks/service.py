"""A service on loopback that takes its time, and remembers who called it and when."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service(ThreadingHTTPServer):
    """Answers every request after ``seconds``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        # When each idempotency key was seen, in seconds of the epoch.
        self.calls: defaultdict[str, list[float]] = defaultdict(list)
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing: every call would be a line."""

    def _answer(self) -> None:
        with self.server.lock:
            self.server.calls[self.headers.get("Idempotency-Key", "")].append(time.time())
        time.sleep(self.server.seconds)
        body = b'{"ok": true}'
        with contextlib.suppress(ConnectionError):  # Who called may be dead: that is what is measured.
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


@contextlib.contextmanager
def serving(*, seconds: float) -> Iterator[Service]:
    """Run a service."""
    with Service(seconds=seconds) as service:
        thread = threading.Thread(target=service.serve_forever, daemon=True)
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
