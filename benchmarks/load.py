"""Send requests over kept connections, from a process of its own: its work is not that of what is measured.

It speaks just enough HTTP/1.1 and waits for all connections in one place, so that it costs a fraction of what it measures.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.environment import ROOT

ANSWER_SECONDS = 60


@dataclass(frozen=True)
class Answers:
    """What came back: for each request when it was sent (seconds of the epoch), how long it took, and the answer."""

    sent_at: list[float]
    seconds: list[float]
    bodies: list[Any]
    cpu_seconds: float

    @property
    def duration(self) -> float:
        """Seconds from the first request to the last answer."""
        return max(sent + took for sent, took in zip(self.sent_at, self.seconds, strict=True)) - min(self.sent_at)


def post(
    port: int, path: str, body: object, *, requests: int, connections: int, headers: Mapping[str, str] | None = None
) -> Answers:
    """Send a request again and again, each connection the next one when its answer has come.

    :raises AssertionError: if anything but 2xx is answered.
    """
    job = {
        "port": port,
        "path": path,
        "body": json.dumps(body),
        "requests": requests,
        "connections": connections,
        "headers": dict(headers or {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], input=json.dumps(job), cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Answers(**json.loads(done.stdout))


@dataclass
class _Connection:
    socket: socket.socket
    sent_at: float = 0.0
    began: float = 0.0
    received: bytes = b""


@dataclass
class _Load:
    request: bytes
    left: int
    sent_at: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def send(self, connection: _Connection) -> bool:
        if not self.left:
            return False
        self.left -= 1
        connection.received = b""
        connection.sent_at, connection.began = time.time(), time.perf_counter()
        connection.socket.sendall(self.request)
        return True

    def receive(self, connection: _Connection) -> bool:
        """Read what is there; return whether the answer is complete."""
        chunk = connection.socket.recv(65536)
        if not chunk:
            raise ConnectionError(f"The server closed a connection after {len(self.seconds)} answers.")
        connection.received += chunk
        head, end, body = connection.received.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return False
        self.seconds.append(time.perf_counter() - connection.began)
        self.sent_at.append(connection.sent_at)
        self.statuses[int(head[9:12])] += 1
        self.bodies.append(json.loads(body) if body else None)
        return True


def _content_length(head: bytes) -> int:
    lower = head.lower()
    at = lower.index(b"content-length:")
    return int(lower[at + 15 :].split(b"\r\n", 1)[0])


def _run(job: Mapping[str, Any]) -> _Load:
    body = job["body"].encode()
    headers = {
        "Host": f"127.0.0.1:{job['port']}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **job["headers"],
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    load = _Load(f"POST {job['path']} HTTP/1.1\r\n{head}\r\n".encode() + body, left=job["requests"])
    with selectors.DefaultSelector() as selector:
        open_ = 0
        for _ in range(job["connections"]):
            connection = _Connection(socket.create_connection(("127.0.0.1", job["port"]), timeout=ANSWER_SECONDS))
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if load.send(connection):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                open_ += 1
        while open_:
            ready = selector.select(ANSWER_SECONDS)
            if not ready:
                raise TimeoutError(f"No answer within {ANSWER_SECONDS} seconds.")
            for key, _ in ready:
                if load.receive(key.data) and not load.send(key.data):
                    selector.unregister(key.fileobj)
                    open_ -= 1
    return load


def main() -> None:
    """Read what to send from standard input, and write what came back to standard output."""
    load = _run(json.load(sys.stdin))
    failed = {status: count for status, count in load.statuses.items() if not 200 <= status < 300}
    if failed:
        sys.exit(f"Answers other than 2xx: {failed}")
    used = os.times()
    json.dump(
        {
            "sent_at": load.sent_at,
            "seconds": load.seconds,
            "bodies": load.bodies,
            "cpu_seconds": used.user + used.system,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
