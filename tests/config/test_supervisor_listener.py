from __future__ import annotations

import socket

import pytest

from config.supervisor.exceptions import UpError
from config.supervisor.listener import listen, url


class TestListen:
    def test_takes_any_free_port_for_zero_and_knows_its_url(self):
        with listen("127.0.0.1", 0) as listener:
            port = listener.getsockname()[1]

            assert url(listener) == f"http://127.0.0.1:{port}"
            socket.create_connection(("127.0.0.1", port), timeout=5).close()

    def test_says_that_a_port_is_in_use_and_what_to_do(self):
        with listen("127.0.0.1", 0) as first:
            port = first.getsockname()[1]

            with pytest.raises(UpError, match=f"Port {port} of 127.0.0.1 is in use.*make up PORT={port + 1}"):
                listen("127.0.0.1", port)

    def test_says_that_an_address_is_none_of_this_machine(self):
        with pytest.raises(UpError, match=r"cannot listen at 192\.0\.2\.1, port 0.*--host and --port"):
            listen("192.0.2.1", 0)


class TestUrl:
    def test_names_loopback_when_every_address_is_listened_at(self):
        with listen("0.0.0.0", 0) as listener:
            assert url(listener).startswith("http://127.0.0.1:")

    def test_puts_brackets_around_ipv6(self):
        with listen("::1", 0) as listener:
            assert url(listener).startswith("http://[::1]:")
