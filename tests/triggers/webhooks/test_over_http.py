"""The endpoint under gunicorn, byte by byte over a socket: lengths that lie, chunks, odd requests (S-WH-6)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from executions.models import WorkflowExecution
from tests.triggers.stories import hook_of, published, started_by, webhook
from tests.triggers.webhooks.hooks import PROOF, chosen
from tests.triggers.webhooks.web import web_process
from triggers.models import WebhookDelivery

pytestmark = pytest.mark.django_db(transaction=True)

LIMIT = 1024 * 1024


@pytest.fixture(scope="module")
def port(django_db_setup, tmp_path_factory) -> Iterator[int]:
    """Run gunicorn as in production, on the tests' database."""
    with web_process(tmp_path_factory.mktemp("gunicorn")) as port:
        yield port


def talk(port: int, *parts: bytes, half_close: bool = False) -> tuple[int, bytes]:
    """Send bytes as they are and return the status and the whole of what came back (0 if nothing did)."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        try:
            for part in parts:
                sock.sendall(part)
            if half_close:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server had heard enough; its answer may still be there.
        answer = b""
        try:
            while not _is_complete(answer) and (chunk := sock.recv(65536)):
                answer += chunk
        except ConnectionResetError:
            pass
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer


def _is_complete(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(found and lengths) and len(body) >= int(lengths[0].split(b":")[1])


def head(hook, *lines: str, method: str = "POST", path: str | None = None) -> bytes:
    first = f"{method} {path or f'/webhooks/{hook.path}'} HTTP/1.1"
    return "\r\n".join([first, "Host: localhost", "Content-Type: text/plain", *lines, "", ""]).encode()


def chunks(size: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"%x\r\n%s\r\n" % (size, b"x" * size)
    yield b"0\r\n\r\n"


@pytest.fixture
def hook():
    return hook_of(published(started_by(hook=webhook())))


class TestBodies:
    def test_with_a_length(self, port, hook):
        status, _ = talk(port, head(hook, "Content-Length: 5"), b"he", b"llo")

        assert status == 202
        assert bytes(WebhookDelivery.objects.get().body) == b"hello"

    def test_in_chunks(self, port, hook):
        status, _ = talk(port, head(hook, "Transfer-Encoding: chunked"), *chunks(1000, 100))

        assert status == 202
        assert bytes(WebhookDelivery.objects.get().body) == b"x" * 100_000

    def test_in_chunks_up_to_the_limit_and_not_beyond(self, port, hook):
        assert talk(port, head(hook, "Transfer-Encoding: chunked"), *chunks(LIMIT // 16, 16))[0] == 202
        status, answer = talk(port, head(hook, "Transfer-Encoding: chunked"), *chunks(LIMIT // 16, 17))

        assert (status, b'"body_too_large"' in answer) == (413, True)
        assert WorkflowExecution.objects.count() == 1

    def test_of_thirty_megabytes_by_their_length_alone(self, port, hook):
        status, _ = talk(port, head(hook, "Content-Length: 30000000"))

        assert status == 413

    def test_of_thirty_megabytes_that_really_come(self, port, hook):
        status, _ = talk(port, head(hook, "Content-Length: 30000000"), *[b"x" * 1_000_000] * 30)

        assert status in (413, 0)  # 0: it hung up before all was sent.
        assert not WorkflowExecution.objects.exists()
        assert talk(port, head(hook, "Content-Length: 1"), b"x")[0] == 202

    def test_of_thirty_megabytes_in_chunks(self, port, hook):
        status, _ = talk(port, head(hook, "Transfer-Encoding: chunked"), *chunks(1_000_000, 30))

        assert status in (413, 0)
        assert not WorkflowExecution.objects.exists()

    def test_that_end_too_early(self, port, hook):
        status, answer = talk(port, head(hook, "Content-Length: 50"), b"x" * 10, half_close=True)

        assert (status, b'"body_incomplete"' in answer) == (400, True)
        assert WebhookDelivery.objects.get().reason_code == "body_incomplete"

    def test_in_chunks_that_end_too_early_or_are_none(self, port, hook):
        for body in (b"5\r\nhe", b"zz\r\nhello\r\n0\r\n\r\n", b""):
            status, _ = talk(port, head(hook, "Transfer-Encoding: chunked"), body, half_close=True)
            assert status in (400, 0)

        assert not WorkflowExecution.objects.exists()

    def test_with_two_ideas_of_their_length(self, port, hook):
        """No request is smuggled in another one's body."""
        status, _ = talk(
            port, head(hook, "Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\nPOST / HTTP/1.1\r\n\r\n"
        )

        assert status in (400, 0)
        assert not WorkflowExecution.objects.exists()

    @pytest.mark.parametrize("length", ["-1", "abc", "1e3", "99999999999999999999"])
    def test_with_a_length_that_is_none(self, port, hook, length):
        assert talk(port, head(hook, f"Content-Length: {length}"), b"x")[0] in (400, 413)

    def test_that_are_not_there(self, port, hook):
        assert talk(port, head(hook))[0] == 202
        assert WorkflowExecution.objects.get().execution_context["trigger"]["body"] is None


class TestRequests:
    def test_keep_their_connection(self, port, hook):
        request = head(hook, "Content-Length: 1") + b"x"

        with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
            for _ in range(3):
                sock.sendall(request)
                answer = b""
                while not _is_complete(answer):
                    answer += sock.recv(65536)
                assert answer.startswith(b"HTTP/1.1 202")

    def test_with_too_many_headers(self, port, hook):
        """[S-WH-6] The webhook's limit decides and not the server's, which would leave nothing in the inbox."""
        lines = [f"X-{number}: 1" for number in range(101)]

        status, answer = talk(port, head(hook, *lines, "Content-Length: 0"))

        assert (status, b'"headers_too_large"' in answer) == (431, True)
        assert WebhookDelivery.objects.get().reason_code == "headers_too_large"

    @pytest.mark.parametrize(("length", "status"), [(9_000, 202), (16_350, 431)])
    def test_with_one_long_header(self, port, hook, length, status):
        """[S-WH-6] A long token is no mistake, and what is too long lies in the inbox."""
        assert talk(port, head(hook, f"X-Token: {'x' * length}", "Content-Length: 0"))[0] == status
        assert WebhookDelivery.objects.count() == 1

    def test_with_headers_that_are_too_long(self, port, hook):
        lines = [f"X-{number}: {'x' * 4000}" for number in range(5)]

        status, answer = talk(port, head(hook, *lines, "Content-Length: 0"))
        assert (status, b'"headers_too_large"' in answer) == (431, True)

    @pytest.mark.parametrize(
        ("method", "status"), [("HEAD", 405), ("OPTIONS", 204), ("GET", 405), ("TRACE", 405), ("FOO", 405)]
    )
    def test_with_other_methods(self, port, hook, method, status):
        assert talk(port, head(hook, method=method), half_close=True)[0] == status

    @pytest.mark.parametrize(
        "path",
        [
            "/webhooks/",
            "/webhooks/%00",
            "/webhooks/%0d%0aX:y",
            "/webhooks/%ff",
            "/webhooks/a%2fb",
            "/webhooks//x",
        ],
    )
    def test_with_odd_paths(self, port, hook, path):
        assert talk(port, head(hook, "Content-Length: 0", path=path))[0] == 404

    def test_with_an_escaped_path(self, port, hook):
        escaped = "".join(f"%{ord(character):02x}" for character in hook.path)

        assert talk(port, head(hook, "Content-Length: 0", path=f"/webhooks/{escaped}"))[0] == 202

    @pytest.mark.parametrize(
        ("address", "status"),
        [("/webhooks/orders/7", 202), ("/webhooks/orders/a%20b", 202)]
        + [(f"/webhooks/orders/{part}", 404) for part in ("a%2fb", "..", "%2e%2e", "a%00b", "a%0d%0aX:y", "a%5cb")],
    )
    def test_with_parameters_in_their_path(self, port, address, status):
        """S-WH-1: a hidden slash makes no other part."""
        chosen("orders/{id}")

        proof = f"Authorization: {PROOF['authorization']}"
        assert talk(port, head(None, proof, "Content-Length: 0", path=address))[0] == status

    def test_with_an_underscore_where_a_dash_belongs_prove_nothing(self, port):
        """Authorization_ and its like are not taken for the header that they resemble."""
        hook = hook_of(published(started_by(hook=webhook(headers_validation={"X-Kind": "order"}))))

        assert talk(port, head(hook, "X_Kind: order", "Content-Length: 0"))[0] == 400
