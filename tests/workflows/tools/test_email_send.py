"""``email.send`` against a real SMTP server on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
import time

import pytest
from pydantic import ValidationError

from tests.builders import definition, node
from tests.certificates import self_signed
from tests.mail import mail_server
from tests.workflows.definition.checks import problems
from tests.workflows.http.gates import Book
from tests.workflows.http.servers import Server
from tests.workflows.tools.world import World
from workflows.http import Cancel, Cancelled, Postponed, abandonable, through
from workflows.nodes.base import Effect, NodeError
from workflows.nodes.evaluation import validated
from workflows.tools.base import catalogue

SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def _settings(settings, tmp_path):
    settings.EMAIL_BACKEND = SMTP
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_USE_TLS = False
    settings.DEFAULT_FROM_EMAIL = "Segue <segue@example.com>"
    settings.MEDIA_ROOT = str(tmp_path / "storage")


@pytest.fixture
def server(settings):
    with mail_server() as running:
        settings.EMAIL_PORT = running.port
        yield running


def send(world=None, **arguments):
    tool = catalogue()["email.send"]
    given = {"to": "ann@example.com", "subject": "Hello", "text": "Words."} | arguments
    return tool.call(
        validated(tool.Arguments, {key: value for key, value in given.items() if value is not None}), world or World()
    )


def refused(**arguments):
    with pytest.raises(NodeError) as raised:
        send(**arguments)
    return raised.value


class TestMessage:
    def test_is_taken_for_everybody(self, server):
        output = send(to=["Ann Lee <ann@example.com>", "bob@example.com"], cc="cy@example.com", bcc=["di@example.com"])

        (envelope,), (message,) = server.envelopes, server.messages
        everybody = ["ann@example.com", "bob@example.com", "cy@example.com", "di@example.com"]
        assert envelope.rcpt_tos == everybody
        assert envelope.mail_from == "segue@example.com"
        assert output == {"message_id": message["Message-ID"], "accepted": everybody, "refused": []}
        assert message["To"] == "Ann Lee <ann@example.com>, bob@example.com"
        assert message["Cc"] == "cy@example.com"
        assert message["From"] == "Segue <segue@example.com>"
        assert b"di@example.com" not in envelope.content

    def test_has_a_text_and_the_same_as_html(self, server):
        send(subject="Grüße 🎉", text="Grüße", html="<p>Grüße</p>")

        (message,) = server.messages
        assert message["Subject"] == "Grüße 🎉"
        assert message.get_content_type() == "multipart/alternative"
        assert message.get_body(("plain",)).get_content().strip() == "Grüße"
        assert message.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"

    def test_may_be_html_alone(self, server):
        send(text=None, html="<p>Hi</p>")

        assert server.messages[0].get_content_type() == "text/html"

    def test_carries_attachments_byte_by_byte(self, server):
        catalogue()["storage.write"].call(
            validated(catalogue()["storage.write"].Arguments, {"name": "invoices/7.pdf", "base64": "JVBERi0A/w=="}),
            World(),
        )

        send(
            attachments=[
                {"filename": "räport.csv", "text": "a,b\r\nß\n"},
                {"filename": "x.bin", "base64": "AP8="},
                {"storage": "invoices/7.pdf"},
                {"filename": "mail.eml", "text": "Subject: x", "content_type": "message/rfc822"},
            ]
        )

        found = [
            (part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
            for part in server.messages[0].iter_attachments()
        ]
        assert found == [
            ("räport.csv", "text/csv", "a,b\r\nß\n".encode()),
            ("x.bin", "application/octet-stream", b"\x00\xff"),
            ("7.pdf", "application/pdf", b"%PDF-\x00\xff"),
            ("mail.eml", "application/octet-stream", b"Subject: x"),
        ]

    def test_answers_go_where_it_says(self, server):
        send(reply_to=["Help <help@example.org>"], from_name="Äcme Shop")

        (message,) = server.messages
        assert message["Reply-To"] == "Help <help@example.org>"
        assert message["From"] == "Äcme Shop <segue@example.com>"
        assert message["Auto-Submitted"] == "auto-generated"

    def test_has_the_same_id_for_each_attempt_and_another_for_each_node_run(self, server):
        """[R-3]"""
        one = send()["message_id"]

        assert send()["message_id"] == one
        assert send(World(idempotency_key="execution:node:1"))["message_id"] != one
        assert one.endswith("@example.com>")

    def test_dots_and_long_lines_arrive_as_they_were(self, server):
        text = ".\n..\n" + "ä" * 3_000 + "\nFrom here\n"

        send(text=text)

        assert server.messages[0].get_content().replace("\r\n", "\n") == text


class TestRefused:
    @pytest.mark.parametrize("code", [421, 450, 451])
    def test_what_the_server_calls_temporary_is_tried_again(self, server, code):
        server.answer = lambda _: f"{code} later, please"

        error = refused()

        assert (error.code, error.retryable, error.details) == ("mail_refused", True, {"smtp_code": code})
        assert "later, please" in error.message

    @pytest.mark.parametrize("code", [550, 552, 554])
    def test_what_it_refuses_for_good_is_not(self, server, code):
        server.answer = lambda _: f"{code} no"

        error = refused()

        assert (error.code, error.retryable, error.details) == ("mail_refused", False, {"smtp_code": code})

    def test_some_recipients_are_told_of_while_the_others_get_it(self, server):
        server.answer_recipient = lambda address: "550 nobody" if address.startswith("bob") else "250 OK"

        output = send(to=["ann@example.com", "bob@example.com"])

        assert output["accepted"] == ["ann@example.com"]
        assert output["refused"] == [{"address": "bob@example.com", "code": 550, "message": "nobody"}]

    @pytest.mark.parametrize(("reply", "retryable"), [("550 nobody", False), ("451 greylisted", True)])
    def test_none_of_them_is_a_failure(self, server, reply, retryable):
        server.answer_recipient = lambda _: reply

        error = refused()

        assert (error.code, error.retryable) == ("recipients_refused", retryable)
        assert error.details["refused"][0]["address"] == "ann@example.com"

    def test_a_connection_that_breaks_in_the_middle_is_tried_again(self, server):
        server.answer = lambda _: "drop"

        error = refused()

        assert (error.code, error.retryable) == ("connection_lost", True)
        assert server.envelopes == []

    def test_nobody_listens(self, settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            settings.EMAIL_PORT = free.getsockname()[1]
            error = refused()

        assert (error.code, error.retryable) == ("connect", True)

    def test_no_server_is_named(self, settings):
        settings.EMAIL_HOST = ""

        assert refused().code == "mail_not_configured"


class TestTime:
    def silent_after(self, greeting):
        def talk(connection, number):
            connection.sendall(greeting)
            while (data := connection.recv(1000)) and not data.lower().startswith(b"data"):
                connection.sendall(b"250 OK\r\n")
            connection.sendall(b"354 go on\r\n")
            while connection.recv(1000):
                continue

        return Server(talk)

    @pytest.mark.parametrize("greeting", [b"", b"220 hello\r\n"], ids=["at all", "after the message"])
    def test_a_server_that_says_nothing_is_given_up(self, settings, greeting):
        with self.silent_after(greeting) as silent:
            settings.EMAIL_PORT = silent.port
            began = time.monotonic()
            error = refused(world=World(seconds_left=0.5))

        assert (error.code, error.retryable) == ("timeout", True)
        assert time.monotonic() - began < 4

    def test_a_call_that_is_abandoned_ends_at_once(self, settings):
        cancel = Cancel()
        with self.silent_after(b"220 hello\r\n") as silent:
            settings.EMAIL_PORT = silent.port
            threading.Timer(0.3, cancel.cancel).start()
            began = time.monotonic()
            with pytest.raises(Cancelled), abandonable(cancel):
                send()

        assert time.monotonic() - began < 4

    def test_nothing_is_begun_when_the_time_is_over(self, server):
        assert refused(world=World(seconds_left=-1)).code == "timeout"
        assert server.envelopes == []


class TestGate:
    """What limits a project's calls holds for the mail server, too."""

    def test_is_passed_for_as_long_as_the_connection_lasts(self, server):
        book = Book()
        with through(book):
            send()

        assert book.events == [("out", "127.0.0.1"), ("back", "127.0.0.1")]

    def test_lets_nothing_out_while_it_is_closed(self, server):
        with through(Book(closed=("127.0.0.1",))), pytest.raises(Postponed):
            send()

        assert server.envelopes == []


class TestLogin:
    @pytest.fixture
    def certificate(self, tmp_path):
        return self_signed(tmp_path / "certificate.pem", "localhost")

    @pytest.fixture
    def secure(self, settings, certificate):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        with mail_server(tls=tls, auth_required=True) as running:
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "localhost", running.port, True
            settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "segue", "right"
            yield running

    def test_happens_over_tls_alone(self, secure, certificate, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

        send()

        assert secure.logins == [(b"segue", b"right")]
        assert len(secure.messages) == 1

    def test_a_wrong_one_is_not_tried_again(self, secure, certificate, monkeypatch, settings):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        settings.EMAIL_HOST_PASSWORD = "wr0ng-password"

        error = refused()

        assert (error.code, error.retryable) == ("login_failed", False)
        assert "wr0ng" not in error.message

    def test_a_certificate_that_nobody_trusts_is_refused(self, secure):
        error = refused()

        assert (error.code, error.retryable) == ("tls", False)
        assert secure.logins == []

    def test_a_server_without_tls_is_refused_where_the_settings_ask_for_it(self, server, settings):
        settings.EMAIL_USE_TLS = True

        assert refused().code == "mail_refused"
        assert server.envelopes == []


class TestArguments:
    @pytest.mark.parametrize(
        "arguments",
        [
            {"to": "ann"},
            {"to": "ann@example.com, bob@example.com"},
            {"to": "ann@example.com\nBcc: all@example.com"},
            {"to": "Ann\r\nBcc: all@example.com <ann@example.com>"},
            {"to": '"Ann" <ann@example.com> <bob@example.com>'},
            {"to": "<ann@example.com"},
            {"to": '"a b"@example.com'},
            {"to": "änn@example.com"},
            {"to": "a" * 65 + "@" + "b" * 250 + ".com"},
            {"cc": ["ann@example.com", "x"]},
            {"reply_to": "x\r\ny@example.com"},
            {"from_name": "Boss <boss@example.com>"},
            {"from_name": "a\r\nBcc: all@example.com"},
            {"subject": "a\nBcc: all@example.com"},
            {"subject": "a\rb"},
            {"subject": "x" * 501},
            {"attachments": [{"filename": "a\r\nX: y", "text": ""}]},
            {"attachments": [{"filename": "../a", "text": ""}]},
            {"attachments": [{"filename": "a", "text": "", "content_type": "text/plain\r\nX: y"}]},
            {"attachments": [{"filename": "a"}]},
            {"attachments": [{"text": "a"}]},
            {"attachments": [{"storage": "../../etc/passwd"}]},
            {"attachments": [{"filename": "a", "text": "", "base64": ""}]},
            {"text": None},
        ],
    )
    def test_what_could_become_another_header_or_address_is_refused(self, arguments):
        """[S-CODE-1]"""
        given = {"to": "ann@example.com", "subject": "Hello", "text": "Words."} | arguments

        with pytest.raises(ValidationError):
            catalogue()["email.send"].Arguments.model_validate({k: v for k, v in given.items() if v is not None})

    @pytest.mark.parametrize(
        "address",
        [
            "ann@example.com",
            "Ann <ann@example.com>",
            '"Lee, Ann" <ann@example.com>',
            "<ann@example.com>",
            "Änn Ü <a+b@bücher.example>",
        ],
    )
    def test_ordinary_addresses_are_taken(self, server, address):
        assert len(send(to=address)["accepted"]) == 1

    def test_recipients_are_limited_and_counted_once(self, server, settings):
        settings.EMAIL_MAX_RECIPIENTS = 2

        assert len(send(to=["a@example.com", "b@example.com"], cc="Ann <a@example.com>")["accepted"]) == 2
        assert refused(to=["a@example.com", "b@example.com"], bcc="c@example.com").code == "too_many_recipients"
        assert refused(to=[]).code == "no_recipients"

    def test_a_message_is_limited_in_size(self, server, settings):
        settings.EMAIL_MAX_BYTES = 2_000

        assert refused(text="x" * 2_001).code == "message_too_large"
        assert server.envelopes == []

    @pytest.mark.parametrize("field", ["subject", "text", "html"])
    def test_secrets_are_not_sent(self, server, field):
        assert refused(world=World(secrets={"TOKEN": "t0ken"}), **{field: "a ⟦TOKEN⟧"}).code == "secret_refused"

    def test_a_list_of_recipients_may_hold_expressions(self):
        given = {"to": ["{{ input.email }}", "boss@example.com"], "subject": "Hello", "text": "Words."}
        raw = definition("start > it", it=node("tool", {"tool": "email.send", "with": given}))

        assert problems(raw) == []

    def test_can_be_published_and_writes(self):
        example = catalogue()["email.send"].example
        raw = definition("start > it", it=node("tool", {"tool": "email.send", "with": example}))

        assert problems(raw) == []
        assert catalogue()["email.send"].effect(example) is Effect.WRITE
