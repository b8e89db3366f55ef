"""The waits of clients that have a connection of their own are bounded. [S-DOS-1]"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest

from tests.workflows.http.servers import Answering, Server, response
from workflows.http import Cancel, Cancelled, Door, abandonable
from workflows.http.errors import AddressRefused, DnsFailed, TimedOut, TooLarge
from workflows.http.waits import bounded, trusted_authorities


@contextmanager
def connected(serve):
    """Yield a connection to a server that does ``serve(connection, number)``."""
    with Server(serve) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        yield connection


def say_nothing(connection, number):
    connection.recv(1)


def flood(connection, number):
    while True:
        connection.sendall(b"x" * 65_536)


def read_all(connection):
    """Read until the end, and complain of it as clients do; return how much it was."""
    arrived = 0
    while data := connection.recv(65_536):
        arrived += len(data)
    raise ConnectionError(f"The connection ended after {arrived} bytes.")


class TestBounded:
    def test_a_wait_ends_at_the_deadline(self):
        began = time.monotonic()

        with connected(say_nothing) as connection, pytest.raises(TimedOut), bounded(connection.fileno(), seconds=0.2):
            read_all(connection)

        assert 0.2 <= time.monotonic() - began < 2

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many bytes have arrived")
    def test_a_flood_ends(self):
        with (
            connected(flood) as connection,
            pytest.raises(TooLarge, match="100,000"),
            bounded(connection.fileno(), seconds=20, max_bytes=100_000),
        ):
            read_all(connection)

    def test_a_call_that_is_abandoned_ends(self):
        cancel = Cancel()
        threading.Timer(0.1, cancel.cancel).start()

        with (
            connected(say_nothing) as connection,
            abandonable(cancel),
            pytest.raises(Cancelled),
            bounded(connection.fileno(), seconds=20),
        ):
            assert connection.recv(1) == b""

    def test_what_ends_in_time_is_left_alone(self):
        with connected(lambda connection, _: connection.sendall(b"hello")) as connection:
            with bounded(connection.fileno(), seconds=5, max_bytes=5):
                assert connection.recv(5) == b"hello"

            connection.sendall(b"still open")

    def test_its_own_errors_come_through(self):
        with (
            connected(say_nothing) as connection,
            pytest.raises(KeyError),
            bounded(connection.fileno(), seconds=5),
        ):
            raise KeyError("x")

    def test_leaves_no_descriptor_and_no_thread(self):
        has_accepted = threading.Event()

        def serve(connection, number):
            has_accepted.set()
            connection.recv(1)

        with connected(serve) as connection:
            assert has_accepted.wait(5)
            before = len(os.listdir("/dev/fd")), threading.active_count()
            for _ in range(10):
                with bounded(connection.fileno(), seconds=5):
                    pass
            assert (len(os.listdir("/dev/fd")), threading.active_count()) == before


class TestAddresses:
    def test_are_those_that_were_checked(self):
        door = Door(allowed_ranges=["10.0.0.0/8"], resolver=lambda _: ["10.0.0.1", "10.0.0.2"])

        assert list(door.addresses("db.example.com", 5432)) == ["10.0.0.1", "10.0.0.2"]

    @pytest.mark.parametrize("found", [["10.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"]])
    def test_are_refused_if_one_is_not_public(self, found):
        with pytest.raises(AddressRefused):
            Door(resolver=lambda _: found).addresses("db.example.com", 5432)

    def test_ports_that_are_for_something_else_are_refused(self):
        with pytest.raises(AddressRefused, match="Port 25"):
            Door(resolver=lambda _: ["93.184.216.34"]).addresses("mail.example.com", 25)

    def test_a_name_without_an_address(self):
        with pytest.raises(DnsFailed):
            Door(resolver=lambda _: []).addresses("db.example.com", 5432)


class TestIsEnough:
    def test_the_rest_is_not_waited_for(self):
        def answer(connection, number):
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nfirst")
            connection.recv(1)

        with Server(answer) as server, closing(Door(allowed_ranges=["127.0.0.0/8"])) as door:
            reply = door.request("GET", server.url(), timeout=5, is_enough=lambda piece: piece.startswith(b"first"))

        assert reply.body == b"first"

    def test_a_connection_that_was_left_is_not_used_again(self):
        served = Answering(response(200, b"x" * 200_000))
        with served as server, closing(Door(allowed_ranges=["127.0.0.0/8"])) as door:
            door.request("GET", server.url(), is_enough=lambda _: True)
            whole = door.request("GET", server.url())

        assert whole.body == b"x" * 200_000


class TestTrustedAuthorities:
    def test_are_those_of_the_environment_first(self, tmp_path, monkeypatch):
        own = tmp_path / "own.pem"
        own.write_text("")
        monkeypatch.setenv("SSL_CERT_FILE", str(own))

        assert trusted_authorities() == str(own)
