"""A real SMTP server on loopback, which keeps what it is given and refuses what it is told to."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session


class MailServer:
    """What has arrived. ``answer`` is asked after each message, ``answer_recipient`` for each of its recipients."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.answer: Callable[[Envelope], str] = lambda _: "250 OK"
        self.answer_recipient: Callable[[str], str] = lambda _: "250 OK"
        self.port = 0

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages, parsed."""
        return [message_from_bytes(each.content, policy=policy.default) for each in self.envelopes]  # type: ignore[misc]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.answer_recipient(address)
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answer(envelope)
        if answer == "drop":
            server.transport.abort()
            return "421 gone"
        if answer.startswith("2"):
            self.envelopes.append(envelope)
        return answer

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
        self.logins.append((login.login, login.password))
        return AuthResult(success=login.password == b"right", handled=False)


@contextmanager
def mail_server(**options: Any) -> Iterator[MailServer]:
    """Run a server on a free port. ``tls`` is a context for STARTTLS; with ``auth_required`` it wants a login."""
    server = MailServer()
    tls: ssl.SSLContext | None = options.pop("tls", None)
    if tls is not None:
        options |= {"tls_context": tls, "require_starttls": True}
    if options.get("auth_required"):
        options |= {"authenticator": server.authenticate}
    # The controller knocks at its own door; on port 0 it would not know which.
    controller = _Controller(server, hostname="127.0.0.1", port=0, **options)
    controller.start()
    server.port = controller.server.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        controller.stop(no_assert=True)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
