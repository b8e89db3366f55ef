from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.workflows.http.servers import Answering, Server, read_request, response
from workflows.http import Cancel, Cancelled, Door, abandonable, network
from workflows.http.door import MAX_BYTES, MAX_REDIRECTS
from workflows.http.errors import (
    AddressRefused,
    BadRedirect,
    BadUrl,
    ConnectFailed,
    ConnectionLost,
    DnsFailed,
    HostNotAllowed,
    ProtocolBroken,
    TimedOut,
    TooLarge,
    TooManyRedirects,
)

LOCAL = ["127.0.0.0/8"]


@contextmanager
def full_listener(host: str, port: int = 0) -> Iterator[int]:
    """Listen where further connections are neither accepted nor refused, because the queue is full."""
    with socket.create_server((host, port), backlog=0) as listener:
        clients = [socket.socket() for _ in range(3)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for client in clients:
            client.close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class TestAnswer:
    def test_brings_status_headers_and_body(self, door):
        answer = response(404, "naïve".encode(), content_type="text/plain", x_note="a")
        with Answering(answer) as server:
            reply = door.request("GET", server.url("/x?y=z"))

        assert (reply.status, reply.body) == (404, "naïve".encode())
        assert reply.headers["x-note"] == "a"
        assert reply.url == server.url("/x?y=z")

    def test_joins_repeated_headers_but_keeps_cookies_apart(self, door):
        answer = b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\nSet-Cookie: x=1\r\nset-cookie: y=2\r\nContent-Length: 0\r\n\r\n"
        with Answering(answer) as server:
            reply = door.request("GET", server.url())

        assert reply.headers["a"] == "1, 2"
        assert reply.headers["set-cookie"] == "x=1\ny=2"

    def test_sends_method_headers_and_body_as_given(self, door):
        with Answering() as server:
            door.request("PUT", server.url("/a?b=%20"), headers={"X-Note": " grün\t"}, content=b"\x00\xff")

        (received,) = server.received
        assert (received.method, received.target, received.body) == ("PUT", "/a?b=%20", b"\x00\xff")
        assert received.headers["x-note"].encode("latin-1").decode() == "grün"
        assert received.headers["host"] == f"127.0.0.1:{server.port}"
        assert received.headers["content-length"] == "2"

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
    def test_every_method_goes_through(self, door, method):
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + (b"" if method == "HEAD" else b"hello")
        with Answering(answer) as server:
            reply = door.request(method, server.url())

        assert reply.body == (b"" if method == "HEAD" else b"hello")
        assert server.received[0].method == method

    def test_keeps_no_cookies_between_calls(self, door):
        with Answering(response(200, set_cookie="session=1")) as server:
            door.request("GET", server.url())
            door.request("GET", server.url())

        assert "cookie" not in server.received[1].headers

    def test_decodes_the_body(self, door):
        with Answering(response(200, gzip.compress(b"hello"), content_encoding="gzip")) as server:
            assert door.request("GET", server.url()).body == b"hello"


class TestAddresses:
    @pytest.mark.parametrize(
        "host",
        [
            *("127.0.0.1", "127.0.0.1.", "2130706433", "017700000001", "0x7f000001", "0X7F000001", "127.1", "127.0.1"),
            *("0x7f.1", "0x7f.0.0.1", "127.0.0x1", "0", "0x0", "localhost", "LOCALHOST", "localhost."),
        ],
    )
    def test_refuses_this_machine_however_it_is_spelled_and_does_not_connect(self, strict_door, host):
        """S-SSRF-1, S-SSRF-6: no connection, so nobody learns whether something listens there."""
        with Answering() as server, pytest.raises(AddressRefused, match="SEGUE_ALLOWED_PRIVATE_NETWORKS"):
            strict_door.request("GET", server.url(host=host))

        assert server.connections == 0

    @pytest.mark.parametrize(
        "host",
        [
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[0000::0001]",
            "[::ffff:127.0.0.1]",
            "[::FFFF:7f00:1]",
            "[::127.0.0.1]",
            "[::]",
        ],
    )
    def test_refuses_this_machine_in_ipv6(self, strict_door, host):
        """S-SSRF-6"""
        with Answering(host="::") as server, pytest.raises(AddressRefused):
            strict_door.request("GET", server.url(host=host))

        assert server.connections == 0

    @pytest.mark.parametrize("is_open", [True, False])
    def test_an_open_and_a_closed_port_look_the_same(self, strict_door, is_open):
        with Answering() as server, pytest.raises(AddressRefused) as caught:
            strict_door.request("GET", f"http://127.0.0.1:{server.port if is_open else closed_port()}/")

        assert caught.value.message == (
            "The host leads to an address that is not public (loopback). "
            "If it should be called, an operator must add its range to SEGUE_ALLOWED_PRIVATE_NETWORKS."
        )

    def test_calls_what_the_operator_allows(self):
        door = Door(allowed_ranges=["::1/128"])
        with Answering(host="::1") as server:
            assert door.request("GET", server.url(host="[::1]")).status == 200
        door.close()

    def test_connects_to_the_address_that_it_checked(self):
        """S-SSRF-6: DNS rebinding. A second look-up would lead to an address that is not allowed."""
        answers = iter([["127.0.0.1"], ["127.0.0.2"]])
        door = Door(allowed_ranges=["127.0.0.1/32"], resolver=lambda _: next(answers))
        with Answering(response(200, connection="close")) as server:
            assert door.request("GET", server.url(host="rebind.example")).status == 200
            with pytest.raises(AddressRefused):
                door.request("GET", server.url(host="rebind.example"))

        assert server.connections == 1
        assert server.received[0].headers["host"] == f"rebind.example:{server.port}"
        door.close()

    def test_refuses_a_name_with_a_private_address_among_its_addresses(self):
        """S-SSRF-1"""
        door = Door(allowed_ranges=["127.0.0.1/32"], resolver=lambda _: ["127.0.0.1", "10.0.0.1"])
        with Answering() as server, pytest.raises(AddressRefused):
            door.request("GET", server.url(host="mixed.example"))

        assert server.connections == 0

    def test_tries_the_next_address_when_one_does_not_answer(self):
        door = Door(allowed_ranges=LOCAL, resolver=lambda _: ["127.0.0.3", "127.0.0.1"])
        with Answering() as server:
            assert door.request("GET", server.url(host="two.example")).status == 200
        door.close()

    def test_does_not_wait_for_one_address_until_no_time_is_left_for_the_next(self, monkeypatch):
        monkeypatch.setattr(network, "CONNECT_SECONDS", 0.4)
        door = Door(allowed_ranges=LOCAL, resolver=lambda _: ["127.0.0.3", "127.0.0.1"])
        with Answering() as server, full_listener("127.0.0.3", server.port):
            assert door.request("GET", server.url(host="two.example"), timeout=10).status == 200
        door.close()

    def test_gives_up_after_four_addresses(self):
        dead = [f"127.0.0.{number}" for number in range(3, 7)]
        door = Door(allowed_ranges=LOCAL, resolver=lambda _: [*dead, "127.0.0.1"])
        with Answering() as server, pytest.raises(ConnectFailed):
            door.request("GET", server.url(host="many.example"))

    def test_looks_a_name_up_once_for_a_kept_connection(self):
        lookups = []
        door = Door(allowed_ranges=LOCAL, resolver=lambda host: lookups.append(host) or ["127.0.0.1"])
        with Answering() as server:
            for _ in range(3):
                door.request("GET", server.url(host="kept.example"))

        assert lookups == ["kept.example"]
        assert server.connections == 1
        door.close()

    def test_uses_no_proxy_from_the_environment(self, monkeypatch):
        """S-SSRF-3"""
        with Answering(response(200, b"proxy")) as proxy, Answering(response(200, b"direct")) as server:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url())
            monkeypatch.delenv("no_proxy", raising=False)

            door = Door(allowed_ranges=LOCAL)
            assert door.request("GET", server.url()).body == b"direct"
            door.close()

        assert proxy.connections == 0

    @pytest.mark.parametrize("host", ["api.example.com", "b.example.com"])
    def test_calls_only_the_hosts_that_the_caller_allows(self, host):
        """S-SEC-5"""
        door = Door(allowed_ranges=LOCAL, resolver=lambda _: ["127.0.0.1"])
        with Answering() as server:
            door.request("GET", server.url(host=host), allowed_hosts=["*.example.com"])
            with pytest.raises(HostNotAllowed, match=r"only go to api\.example\.org"):
                door.request("GET", server.url(host=host), allowed_hosts=["api.example.org"])
        door.close()


class TestNames:
    @pytest.mark.parametrize(
        ("error", "retryable"),
        [
            (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), False),
            (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), True),
            (UnicodeError("label too long"), False),
        ],
    )
    def test_says_whether_a_failed_look_up_is_worth_a_retry(self, error, retryable):
        def fail(_):
            raise error

        with pytest.raises(DnsFailed) as caught:
            Door(resolver=fail).request("GET", "http://nowhere.example/")

        assert caught.value.retryable is retryable
        assert "nowhere" not in caught.value.message

    def test_a_name_without_addresses_does_not_exist(self):
        with pytest.raises(DnsFailed, match="no address"):
            Door(resolver=lambda _: []).request("GET", "http://nowhere.example/")

    def test_a_look_up_that_hangs_ends_with_the_call(self):
        gate = threading.Event()
        door = Door(resolver=lambda _: gate.wait(20) or [])

        with pytest.raises(TimedOut):
            door.request("GET", "http://slow.example/", timeout=0.2)

        gate.set()


class TestRedirects:
    """S-SSRF-2"""

    def test_follows_and_says_where_the_answer_came_from(self, door):
        def answer(received):
            return response(302, location="/b?c=d") if received.target == "/a" else response(200, b"here")

        with Answering(answer) as server:
            reply = door.request("GET", server.url("/a"))

        assert (reply.status, reply.body, reply.url) == (200, b"here", server.url("/b?c=d"))

    def test_does_not_follow_when_told_not_to(self, door):
        with Answering(response(302, b"gone", location="/b")) as server:
            reply = door.request("GET", server.url("/a"), follow_redirects=False)

        assert (reply.status, reply.headers["location"], reply.body) == (302, "/b", b"gone")

    @pytest.mark.parametrize("status", [300, 304])
    def test_does_not_follow_what_is_no_redirect(self, door, status):
        with Answering(response(status, location="/b")) as server:
            assert door.request("GET", server.url("/a")).status == status

    def test_checks_the_address_of_every_hop(self):
        door = Door(allowed_ranges=["127.0.0.1/32"])
        with (
            Answering(host="127.0.0.2") as private,
            Answering(response(302, location=private.url())) as server,
            pytest.raises(AddressRefused),
        ):
            door.request("GET", server.url())

        assert private.connections == 0
        door.close()

    @pytest.mark.parametrize(
        "location", ["http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://2130706433/"]
    )
    def test_does_not_follow_to_metadata(self, location):
        door = Door(allowed_ranges=["127.0.0.1/32"], resolver=lambda _: ["169.254.169.254"])
        with Answering(response(307, location=location)) as server, pytest.raises(AddressRefused):
            door.request("GET", server.url())
        door.close()

    def test_checks_the_allowed_hosts_of_every_hop(self, door):
        with (
            Answering() as other,
            Answering(response(302, location=other.url(host="localhost"))) as server,
            pytest.raises(HostNotAllowed),
        ):
            door.request("GET", server.url(), allowed_hosts=["127.0.0.1"])

        assert other.connections == 0

    def test_leaves_credentials_behind_at_another_origin(self, door):
        headers = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/csv"}
        with Answering() as other, Answering(response(307, location=other.url())) as server:
            door.request("POST", server.url(), headers=headers, content=b"body")

        (received,) = other.received
        assert (received.method, received.body, received.headers["accept"]) == ("POST", b"body", "text/csv")
        assert not {"authorization", "cookie", "x-api-key"} & set(received.headers)

    def test_gives_up_after_five(self, door):
        with Answering(response(302, location="/again")) as server, pytest.raises(TooManyRedirects, match="5 times"):
            door.request("GET", server.url())

        assert len(server.received) == MAX_REDIRECTS + 1

    def test_five_are_followed(self, door):
        def answer(received):
            count = int(received.target[1:])
            return response(302, location=f"/{count + 1}") if count < MAX_REDIRECTS else response()

        with Answering(answer) as server:
            assert door.request("GET", server.url("/0")).status == 200

    def test_refuses_other_schemes(self, door):
        with Answering(response(302, location="file:///etc/passwd")) as server, pytest.raises(BadRedirect):
            door.request("GET", server.url())

    def test_all_hops_share_one_time_limit(self, door):
        def answer(_):
            time.sleep(0.2)
            return response(302, location="/again")

        with Answering(answer) as server, pytest.raises(TimedOut, match=r"within 0\.5 seconds"):
            door.request("GET", server.url(), timeout=0.5)

    def test_does_not_read_the_body_of_a_redirect(self, door):
        def handle(connection, _):
            request = read_request(connection)
            if request.target == "/a":
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 999999999\r\n\r\n")
                connection.recv(1)
            else:
                connection.sendall(response(200, b"here"))

        with Server(handle) as server:
            assert door.request("GET", server.url("/a"), timeout=10).body == b"here"


class TestLimits:
    """S-SSRF-4"""

    def test_a_body_may_be_as_large_as_the_limit_and_no_larger(self, door):
        with Answering(lambda received: response(200, b"x" * int(received.target[1:]))) as server:
            assert len(door.request("GET", server.url("/1000"), max_bytes=1000).body) == 1000
            with pytest.raises(TooLarge, match="1,000 bytes"):
                door.request("GET", server.url("/1001"), max_bytes=1000)

    def test_a_body_without_an_end_is_cut_off(self, door):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                connection.sendall(b"x" * 65536)

        with Server(handle) as server, pytest.raises(TooLarge, match="10,485,760 bytes"):
            door.request("GET", server.url())

        assert MAX_BYTES == 10 * 1024 * 1024

    def test_the_limit_counts_decoded_bytes(self, door):
        bomb = gzip.compress(b"\0" * (20 * 1024 * 1024))
        with Answering(response(200, bomb, content_encoding="gzip")) as server, pytest.raises(TooLarge):
            door.request("GET", server.url())

    @pytest.mark.parametrize(
        "headers",
        [
            "".join(f"X-{number}: y\r\n" for number in range(300)),
            f"X-Long: {'y' * 70_000}\r\n",
            f"X-Longer: {'y' * 1_000_000}\r\n",
        ],
        ids=["many", "long", "longer"],
    )
    def test_headers_are_bounded_in_number_and_size(self, door, headers):
        with (
            Answering(f"HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n".encode()) as server,
            pytest.raises(TooLarge, match="headers"),
        ):
            door.request("GET", server.url())

    def test_headers_up_to_the_limit_come_through(self, door):
        headers = "".join(f"X-{number}: y\r\n" for number in range(199))
        with Answering(f"HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n".encode()) as server:
            assert len(door.request("GET", server.url()).headers) == 200

    def test_a_server_that_never_answers(self, door):
        with (
            Server(lambda connection, _: connection.recv(65536) and connection.recv(1)) as server,
            pytest.raises(TimedOut, match=r"within 0\.3 seconds") as caught,
        ):
            door.request("GET", server.url(), timeout=0.3)

        assert caught.value.retryable is True

    @pytest.mark.parametrize(
        "start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"]
    )
    def test_a_server_that_drips(self, door, start):
        """Each byte comes in time; all together do not."""

        def handle(connection, _):
            read_request(connection)
            connection.sendall(start)
            while True:
                time.sleep(0.02)
                connection.sendall(b"x")

        with Server(handle) as server, pytest.raises(TimedOut):
            door.request("GET", server.url(), timeout=0.4)

    def test_a_server_that_only_says_that_it_will_go_on(self, door):
        def handle(connection, _):
            read_request(connection)
            while True:
                time.sleep(0.01)
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

        with Server(handle) as server, pytest.raises(TimedOut):
            door.request("GET", server.url(), timeout=0.4)

    def test_a_server_that_does_not_read(self, door):
        client_left = threading.Event()
        saw_it_leave: list[bool] = []
        with Server(lambda _connection, _: saw_it_leave.append(client_left.wait(5))) as server:
            with pytest.raises(TimedOut):
                door.request("POST", server.url(), content=b"x" * 50_000_000, timeout=0.4)
            client_left.set()

        assert saw_it_leave == [True]

    @pytest.mark.parametrize("timeout", [0, -1, 300.1, float("nan")])
    def test_the_time_limit_itself_is_limited(self, door, timeout):
        with pytest.raises(ValueError, match="at most 300 seconds"):
            door.request("GET", "http://127.0.0.1/", timeout=timeout)


class TestBrokenServers:
    def test_nothing_listens(self, door):
        with pytest.raises(ConnectFailed) as caught:
            door.request("GET", f"http://127.0.0.1:{closed_port()}/")

        assert caught.value.retryable is True

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX: y",
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        ],
    )
    @pytest.mark.parametrize("how", ["close", "reset"])
    def test_a_connection_that_is_cut(self, door, answer, how):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(answer)
            if how == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        with Server(handle) as server, pytest.raises(ConnectionLost, match="before its answer was complete") as caught:
            door.request("POST", server.url())

        assert caught.value.retryable is True

    @pytest.mark.parametrize(
        "answer",
        [
            b"220 smtp.example ESMTP\r\n\r\n",
            b"-ERR unknown command\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
            b"HTTP/1.1 200 OK\r\nBad header\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        ],
    )
    def test_an_answer_that_is_not_http(self, door, answer):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(answer)
            connection.recv(1)

        with Server(handle) as server, pytest.raises(ProtocolBroken) as caught:
            door.request("GET", server.url(), timeout=10)

        assert answer.decode() not in caught.value.message

    def test_an_answer_that_comes_before_the_whole_request_was_read(self, door):
        def handle(connection, _):
            connection.recv(1000)
            connection.sendall(response(413, b"too much", connection="close"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

        with Server(handle) as server:
            assert door.request("POST", server.url(), content=b"x" * 5_000_000).status == 413


class TestConnections:
    def test_are_kept_and_used_again(self, door):
        with Answering() as server:
            for _ in range(5):
                door.request("POST", server.url(), content=b"x")

        assert [received.connection for received in server.received] == [1] * 5

    def test_are_not_used_for_another_origin(self, door):
        with Answering() as server:
            door.request("GET", server.url())
            door.request("GET", server.url(host="localhost"))

        assert [received.connection for received in server.received] == [1, 2]

    @pytest.mark.parametrize("path", ["/large", "/cut"])
    def test_are_not_used_again_when_an_answer_was_not_read_to_its_end(self, door, path):
        def answer(received):
            return response(200, b"x" * 2000) if received.target == "/large" else b"HTTP/1.1 20"

        with Answering(lambda r: response() if r.target == "/" else answer(r)) as server:
            with pytest.raises((TooLarge, TimedOut)):
                door.request("GET", server.url(path), max_bytes=1000, timeout=0.3)
            assert door.request("GET", server.url()).status == 200

        assert [received.connection for received in server.received] == [1, 2]

    @pytest.mark.parametrize(
        ("method", "answer"),
        [
            ("HEAD", response(200, b"a body where there is none")),
            ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nmore"),
            ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"),
            ("GET", response(200, b"mine") + response(200, b"that of the next one")),
        ],
    )
    def test_are_not_used_again_when_more_came_than_the_answer(self, door, method, answer):
        with Answering(lambda r: answer if r.target == "/more" else response(200, b"the next one's own")) as server:
            door.request(method, server.url("/more"))
            reply = door.request("POST", server.url("/next"))

        assert reply.body == b"the next one's own"

    def test_one_that_is_known_to_be_closed_is_not_tried(self, door):
        """So that a call which may not be repeated goes through, too."""
        closed = threading.Event()

        def handle(connection, _):
            read_request(connection)
            connection.sendall(response())
            connection.close()
            closed.set()

        with Server(handle) as server:
            door.request("POST", server.url())
            assert closed.wait(10)
            assert door.request("POST", server.url()).status == 200

    def test_one_that_the_server_closed_meanwhile_is_replaced(self, door):
        with Answering(lambda r: response() if r.connection > 1 or r.target == "/1" else b"") as server:
            door.request("GET", server.url("/1"))
            assert door.request("GET", server.url("/2")).status == 200

        assert [(r.target, r.connection) for r in server.received] == [("/1", 1), ("/2", 1), ("/2", 2)]

    def test_a_call_that_may_not_be_repeated_is_not(self, door):
        """RFC 9110, 9.2.2: the server may have acted on it before it closed the connection."""
        with Answering(lambda r: response() if r.target == "/1" else b"") as server:
            door.request("GET", server.url("/1"))
            with pytest.raises(ConnectionLost):
                door.request("POST", server.url("/2"))

        assert [received.target for received in server.received] == ["/1", "/2"]

    def test_a_server_that_always_closes_is_not_asked_for_ever(self, door):
        with Answering(b"") as server, pytest.raises(ConnectionLost):
            door.request("GET", server.url())

        assert len(server.received) == 1

    def test_are_shared_by_threads_without_mixing_answers(self, door):
        with Answering(lambda received: response(200, received.target.encode())) as server:
            wrong: list[str] = []

            def call(number: int) -> None:
                for turn in range(10):
                    path = f"/{number}/{turn}"
                    if door.request("GET", server.url(path)).body != path.encode():
                        wrong.append(path)

            threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        assert wrong == []
        assert len(server.received) == 80

    def test_a_forked_child_opens_its_own(self, door):
        with Answering(lambda received: response(200, str(received.connection).encode())) as server:
            door.request("GET", server.url("/parent"))
            child = os.fork()
            if child == 0:
                body = door.request("GET", server.url("/child")).body
                os._exit(0 if body == b"2" else 1)
            _, status = os.waitpid(child, 0)
            door.request("GET", server.url("/parent"))

        assert os.waitstatus_to_exitcode(status) == 0
        assert [(r.target, r.connection) for r in server.received] == [("/parent", 1), ("/child", 2), ("/parent", 1)]

    def test_closing_the_door_closes_them(self, door):
        closed = threading.Event()

        def handle(connection, _):
            read_request(connection)
            connection.sendall(response())
            if not connection.recv(1):
                closed.set()

        with Server(handle) as server:
            door.request("GET", server.url())
            door.close()

            assert closed.wait(10)


class TestCancel:
    def test_before_the_call(self, door):
        cancel = Cancel()
        cancel.cancel()

        with Answering() as server, pytest.raises(Cancelled):
            door.request("GET", server.url(), cancel=cancel)

        assert cancel.is_cancelled
        assert server.connections == 0

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nxxx",
            b"HTTP/1.1 200 OK\r\n\r\nxxx",
        ],
        ids=["no answer", "in the headers", "in the body", "in a body that ends with the connection"],
    )
    def test_while_an_answer_is_waited_for(self, door, start):
        cancel = Cancel()

        def handle(connection, _):
            read_request(connection)
            connection.sendall(start)
            threading.Timer(0.1, cancel.cancel).start()
            connection.recv(1)

        with Server(handle) as server, pytest.raises(Cancelled):
            door.request("GET", server.url(), timeout=30, cancel=cancel)

    def test_while_a_request_is_sent(self, door):
        cancel = Cancel()

        def handle(connection, _):
            connection.recv(10)
            threading.Timer(0.1, cancel.cancel).start()
            time.sleep(1)

        with Server(handle) as server, pytest.raises(Cancelled):
            door.request("POST", server.url(), content=b"x" * 50_000_000, timeout=30, cancel=cancel)

    def test_while_a_name_is_looked_up(self):
        cancel = Cancel()
        gate = threading.Event()

        def resolve(_):
            cancel.cancel()
            gate.wait(20)
            return []

        with pytest.raises(Cancelled):
            Door(resolver=resolve).request("GET", "http://slow.example/", timeout=30, cancel=cancel)

        gate.set()

    def test_while_connecting(self, door):
        cancel = Cancel()
        threading.Timer(0.2, cancel.cancel).start()
        with full_listener("127.0.0.1") as port, pytest.raises(Cancelled):
            door.request("GET", f"http://127.0.0.1:{port}/", timeout=30, cancel=cancel)

    def test_reaches_every_call_of_a_thread_that_runs_under_it(self, door):
        cancel = Cancel()

        def handle(connection, _):
            read_request(connection)
            threading.Timer(0.1, cancel.cancel).start()
            connection.recv(1)

        with Server(handle) as server, abandonable(cancel), pytest.raises(Cancelled):
            door.request("GET", server.url(), timeout=30)

    def test_one_handle_abandons_calls_of_several_threads(self, door):
        cancel = Cancel()
        arrived = threading.Barrier(3)
        outcomes: list[type[BaseException]] = []

        def handle(connection, _):
            read_request(connection)
            arrived.wait(10)
            connection.recv(1)

        def call(url: str) -> None:
            try:
                door.request("GET", url, timeout=30, cancel=cancel)
            except Exception as error:
                outcomes.append(type(error))

        with Server(handle) as server:
            threads = [threading.Thread(target=call, args=(server.url(),)) for _ in range(2)]
            for thread in threads:
                thread.start()
            arrived.wait(10)
            cancel.cancel()
            for thread in threads:
                thread.join(20)

        assert outcomes == [Cancelled, Cancelled]

    def test_a_finished_call_is_not_touched_and_its_connection_stays(self, door):
        cancel = Cancel()
        with Answering() as server:
            assert door.request("GET", server.url(), cancel=cancel).status == 200
            cancel.cancel()
            assert door.request("GET", server.url()).status == 200

        assert [received.connection for received in server.received] == [1, 1]


class TestErrors:
    @pytest.mark.parametrize("url", ["http://s3cret.example:22/", "http://s3cret.example/s3cret?s3cret", "s3cret"])
    def test_do_not_repeat_what_was_called(self, url):
        """S-SEC-4: the caller may know the URL only with secrets filled in."""
        door = Door(resolver=lambda _: ["93.184.215.14", "10.1.2.3"])

        with pytest.raises((AddressRefused, BadUrl)) as caught:
            door.request("GET", url)

        assert "s3cret" not in caught.value.message
        assert "10.1.2.3" not in caught.value.message
