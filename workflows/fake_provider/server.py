"""The server: HTTP on loopback, a thread for each connection."""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from threading import Event, Lock, Thread, current_thread
from typing import Any

from workflows.fake_provider.asking import Asking, Source
from workflows.fake_provider.delivery import Delivery, json_delivery
from workflows.fake_provider.ledger import Ledger
from workflows.fake_provider.protocols import CHAT, MESSAGES, MODELS, OPENAI, Protocol, protocol_of

HOST = "127.0.0.1"
REQUESTS = "/_requests"
MAX_BODY_BYTES = 32 * 1024 * 1024
STOP_SECONDS = 5
# How often a connection that nothing is sent on is asked whether the other side is still there.
LOOK_SECONDS = 0.05


class Server(ThreadingHTTPServer):
    """Takes requests in and sends answers out. ``source`` may be exchanged while it runs."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, source: Source) -> None:
        self.source = source
        self.ledger = Ledger()
        self.stopping = Event()
        self._lock = Lock()
        self._connections: dict[Thread, Any] = {}
        super().__init__((HOST, port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._connections[thread] = request
        thread.start()

    def stop(self) -> None:
        """End everything under way, close all connections and wait until they are."""
        self.stopping.set()
        self.source.close()
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections:
            thread.join(STOP_SECONDS)

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._connections.pop(current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about clients that have gone; anything else is a mistake of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "SegueFakeProvider"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self._path == REQUESTS:
            return self._deliver(json_delivery(200, self.server.ledger.to_json()))
        self._answer()

    def do_DELETE(self) -> None:
        if self._path != REQUESTS:
            return self._deliver(_nobody_here())
        self.server.ledger.empty()
        self._deliver(Delivery(204, ()))

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        protocol = protocol_of(self.command, self._path, headers)
        content = self._content()
        if content is None:
            return
        body, problem = _json(content) if self.command == "POST" else (None, "")
        name = protocol.NAME if protocol else ""
        number = self.server.ledger.write(name, self.command, self._path, headers, body)

        def note(**changes: Any) -> None:
            self.server.ledger.note(number, **changes)

        if protocol is None:
            return self._deliver(_nobody_here(), note)
        if problem:
            return self._deliver(_not_json(protocol, problem), note)
        asking = Asking(protocol, self.command, self._path, self.path.partition("?")[2], headers, content, body)
        self._deliver(self.server.source.answer(asking), note)

    def _content(self) -> bytes | None:
        """Return the body of the request; none if it cannot be taken in, which has been answered."""
        length = self.headers.get("content-length", "0")
        refused = None
        if "transfer-encoding" in self.headers or not (length.isascii() and length.isdigit()):
            refused = json_delivery(411, OPENAI.failure(411, "The body needs a length."))
        elif len(length) > 12 or int(length) > MAX_BODY_BYTES:
            refused = json_delivery(413, OPENAI.failure(413, f"The body is larger than {MAX_BODY_BYTES:,} bytes."))
        if refused is None:
            return self.rfile.read(int(length))
        self.close_connection = True
        self._deliver(refused)
        return None

    def _deliver(self, delivery: Delivery, note: Callable[..., None] = lambda **_: None) -> None:
        try:
            if self._is_left_waiting(inf if delivery.hangs else delivery.latency_seconds):
                self.close_connection = True
                return
            note(status=delivery.status)
            send = self._send_stream if delivery.is_stream else self._send_whole
            if send(delivery):
                note(is_complete=True)
            else:
                self.close_connection = True
        finally:
            delivery.release()

    def _send_whole(self, delivery: Delivery) -> bool:
        content = "".join(delivery.pieces).encode()
        self._send_head(delivery, ("Content-Length", str(len(content))))
        if delivery.cut_after is None:
            self.wfile.write(content)
            return True
        self.wfile.write(content[: len(content) // 2])
        return False

    def _send_stream(self, delivery: Delivery) -> bool:
        self._send_head(delivery, ("Transfer-Encoding", "chunked"), ("Cache-Control", "no-cache"))
        for number, piece in enumerate(delivery.pieces):
            if number == delivery.cut_after:
                return False
            if number and self._is_left_waiting(delivery.pause_seconds):
                return False
            data = piece.encode()
            if not data:
                continue  # To the client it would be the end.
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")
        return True

    def _send_head(self, delivery: Delivery, *more: tuple[str, str]) -> None:
        self.send_response(delivery.status)
        if delivery.status != 204:
            self.send_header("Content-Type", delivery.media_type)
        for name, value in (*delivery.headers.items(), *more):
            self.send_header(name, value)
        self.end_headers()

    def _is_left_waiting(self, seconds: float) -> bool:
        """Wait, and return whether that was for nothing: the client has gone, or the server stops."""
        if not seconds:
            return False
        waited = 0.0
        while waited < seconds:
            step = min(LOOK_SECONDS, seconds - waited)
            if self.server.stopping.wait(step) or self._is_gone():
                return True
            waited += step
        return False

    def _is_gone(self) -> bool:
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):
            return True


def _json(content: bytes) -> tuple[Any, str]:
    """Return the JSON of a body, and what is wrong with it."""
    try:
        return json.loads(content), ""
    except (ValueError, RecursionError) as error:
        return content.decode(errors="replace"), str(error)


def _not_json(protocol: Protocol, problem: str) -> Delivery:
    return json_delivery(400, protocol.failure(400, f"We could not parse the JSON body of your request. ({problem})"))


def _nobody_here() -> Delivery:
    said = f"Nobody answers here. There are POST {CHAT}, POST {MESSAGES}, GET {MODELS}, and GET and DELETE {REQUESTS}."
    return json_delivery(404, OPENAI.failure(404, said))
