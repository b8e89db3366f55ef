"""S-SSRF-1: the connection goes to the checked address, the certificate is the name's."""

from __future__ import annotations

import ssl
import threading

import pytest

from tests.certificates import self_signed
from tests.workflows.http.servers import Answering, Server, response
from workflows.http import Cancel, Cancelled, Door
from workflows.http.errors import ConnectFailed, TlsFailed

NAME = "api.example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A file with a certificate for ``NAME`` that signs itself, and its key."""
    return self_signed(tmp_path_factory.mktemp("tls") / "certificate.pem", NAME)


@pytest.fixture
def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def door(certificate):
    door = Door(
        allowed_ranges=["127.0.0.1/32"],
        resolver=lambda _: ["127.0.0.1"],
        ssl_context=ssl.create_default_context(cafile=certificate),
    )
    yield door
    door.close()


class TestTls:
    def test_checks_the_name_although_it_dials_the_address(self, door, server_tls):
        asked_for = []
        server_tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
        with Answering(response(200, b"safe"), ssl_context=server_tls) as server:
            for _ in range(3):
                assert door.request("GET", server.url(host=NAME)).body == b"safe"

        assert asked_for == [NAME]
        assert [received.connection for received in server.received] == [1, 1, 1]

    def test_refuses_a_certificate_for_another_name(self, door, server_tls):
        with Answering(ssl_context=server_tls) as server, pytest.raises(TlsFailed, match="another name") as caught:
            door.request("GET", server.url(host="s3cret.example.com"))

        assert "s3cret" not in caught.value.message
        assert server.received == []

    def test_refuses_a_certificate_that_nobody_vouches_for(self, server_tls):
        door = Door(allowed_ranges=["127.0.0.1/32"], resolver=lambda _: ["127.0.0.1"])
        with Answering(ssl_context=server_tls) as server, pytest.raises(TlsFailed, match="self-signed") as caught:
            door.request("GET", server.url(host=NAME))

        assert caught.value.retryable is False

    def test_refuses_old_versions(self, door, certificate):
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old = ssl.SSLContext(ssl.PROTOCOL_TLSv1_1)
        old.load_cert_chain(certificate)
        with Answering(ssl_context=old) as server, pytest.raises((TlsFailed, ConnectFailed)):
            door.request("GET", server.url(host=NAME))

    def test_a_server_that_does_not_speak_tls(self, door):
        with Answering() as server, pytest.raises((TlsFailed, ConnectFailed)):
            door.request("GET", server.url(host=NAME).replace("http:", "https:"))

    def test_a_server_that_closes_instead(self, door):
        with Server(lambda connection, _: None) as server, pytest.raises(ConnectFailed) as caught:
            door.request("GET", server.url(host=NAME).replace("http:", "https:"))

        assert caught.value.retryable is True

    @pytest.mark.parametrize("is_talking", [False, True])
    def test_can_be_abandoned(self, door, server_tls, is_talking):
        """During the handshake and after it."""
        cancel = Cancel()

        def handle(connection, _):
            connection.recv(65536)
            threading.Timer(0.1, cancel.cancel).start()
            connection.recv(65536)

        with Server(handle, ssl_context=server_tls if is_talking else None) as server, pytest.raises(Cancelled):
            door.request("GET", f"https://{NAME}:{server.port}/", timeout=30, cancel=cancel)
