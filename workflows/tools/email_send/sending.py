"""Handing a message to the operator's mail server (SMTP, RFC 5321).

Not through the door: the server is named by the operator's settings and by no workflow, and may well be on a private address.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.smtp import EmailBackend

from workflows.http.errors import DoorError
from workflows.http.gates import current_gate
from workflows.http.urls import one_form
from workflows.http.waits import bounded
from workflows.nodes.base import NodeError
from workflows.tools.email_send.addresses import bare

QUIT_SECONDS = 1.0
MAX_TEXT_CHARS = 200

# What the server said of each recipient that it does not take: the code and its words.
Refusals = Mapping[str, tuple[int, bytes]]


def hand_over(message: EmailMessage, recipients: Sequence[str], *, left: Callable[[], float]) -> Refusals:
    """Give a message to the mail server, and return what it said of recipients that it refused while it took others.

    :param left: how many seconds there still are.
    :raises NodeError: ``mail_not_configured``, ``message_too_large``, ``recipients_refused``, ``mail_refused``, ``login_failed``, ``tls``,
        ``timeout``, ``connect``, ``connection_lost``. What the server calls temporary (4xx) may be tried again.
    :raises Postponed: if a limit of the project for the server lets nothing out for a while.
    """
    data = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # A message of Django's own kind.
    if len(data) > settings.EMAIL_MAX_BYTES:
        raise NodeError(
            "message_too_large",
            f"The message has {len(data):,} bytes; at most {settings.EMAIL_MAX_BYTES:,} are possible (EMAIL_MAX_BYTES).",
        )
    backend = get_connection(timeout=min(settings.EMAIL_TIMEOUT, left()))
    if not isinstance(backend, EmailBackend):
        # Another way of sending that the operator has chosen. It has no refusals to tell.
        backend.send_messages([message])
        return {}
    if not backend.host:
        raise NodeError(
            "mail_not_configured",
            "This installation sends no e-mail: its operator has named no mail server (EMAIL_HOST).",
        )
    gate = current_gate().passing(one_form(backend.host), seconds=left())
    with gate, _as_node_errors(), _opened(backend) as server:
        assert server.sock is not None  # noqa: S101 - it is connected
        with bounded(server.sock.fileno(), seconds=left()):
            sender = bare(message.from_email)
            refused: Refusals = server.sendmail(sender, list(recipients), data)
            return refused


@contextlib.contextmanager
def _opened(backend: EmailBackend) -> Iterator[smtplib.SMTP]:
    """Connect, with TLS and a login as the settings say. Taking leave may fail: the message is with the server by then."""
    try:
        backend.open()
        server = backend.connection
        assert isinstance(server, smtplib.SMTP)  # noqa: S101 - open() has made it, or raised
        yield server
    finally:
        with contextlib.suppress(Exception):
            if backend.connection is not None and backend.connection.sock is not None:
                backend.connection.sock.settimeout(QUIT_SECONDS)
            backend.close()


@contextlib.contextmanager
def _as_node_errors() -> Iterator[None]:
    try:
        yield
    except DoorError as error:
        raise NodeError(error.code, "The mail server did not answer in time.", retryable=error.retryable) from error
    except smtplib.SMTPRecipientsRefused as error:
        raise _all_refused(error.recipients) from error
    except smtplib.SMTPAuthenticationError as error:
        raise _refused("login_failed", "The mail server refused the operator's login", error) from error
    except smtplib.SMTPResponseException as error:
        raise _refused("mail_refused", "The mail server refused the message", error) from error
    except smtplib.SMTPServerDisconnected as error:
        if isinstance(error.__context__, TimeoutError):  # The library tells both in the same way.
            raise NodeError("timeout", "The mail server did not answer in time.", retryable=True) from error
        raise NodeError("connection_lost", "The mail server closed the connection.", retryable=True) from error
    except smtplib.SMTPNotSupportedError as error:
        raise NodeError(
            "mail_refused", "The mail server does not offer what is needed, such as STARTTLS or a login."
        ) from error
    except ssl.SSLError as error:
        raise NodeError("tls", "The connection to the mail server could not be made safe.") from error
    except TimeoutError as error:
        raise NodeError("timeout", "The mail server did not answer in time.", retryable=True) from error
    except (OSError, smtplib.SMTPException) as error:
        raise NodeError("connect", "The mail server could not be reached.", retryable=True) from error


def is_temporary(code: int) -> bool:
    """Test whether a server's reply means "later" (RFC 5321, 4.2.1)."""
    return 400 <= code < 500


def _refused(code: str, what: str, error: smtplib.SMTPResponseException) -> NodeError:
    return NodeError(
        code,
        f"{what} ({error.smtp_code}): {said(error.smtp_error)}",
        retryable=is_temporary(error.smtp_code),
        details={"smtp_code": error.smtp_code},
    )


def _all_refused(refusals: Refusals) -> NodeError:
    address, (code, text) = next(iter(refusals.items()))
    return NodeError(
        "recipients_refused",
        f"The mail server takes the message for none of its recipients. Of {address} it said ({code}): {said(text)}",
        retryable=any(is_temporary(each) for each, _ in refusals.values()),
        details={"refused": as_json(refusals)},
    )


def as_json(refusals: Refusals) -> list[dict[str, object]]:
    """Return refusals as JSON data."""
    return [{"address": address, "code": code, "message": said(text)} for address, (code, text) in refusals.items()]


def said(text: bytes | str) -> str:
    """Return what a server said, short and on one line."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(shown.split())[:MAX_TEXT_CHARS]
