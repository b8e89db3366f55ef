"""From the arguments of ``email.send`` to a message (RFC 5322), and to those who get it."""

from __future__ import annotations

import hashlib
from email import encoders
from email.mime.base import MIMEBase
from email.utils import formataddr, formatdate

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives

from workflows.nodes.base import Context, NodeError
from workflows.tools.email_send.addresses import as_header, bare, parse
from workflows.tools.email_send.arguments import Attachment, EmailArguments, listed
from workflows.tools.storage import contents, files

# Their parts have rules of their own, which base64 would break (RFC 2046).
_COMPOSITE = frozenset({"message", "multipart"})


def build(arguments: EmailArguments, context: Context) -> EmailMessage:
    """Return the message. The same node run gives it the same ``Message-ID``, so that a second one can be known as such.

    :raises NodeError: ``too_many_recipients``, ``secret_refused``, ``invalid_content``, or what reading the storage says.
    """
    _refuse_too_many(arguments)
    subject = _told(arguments.subject, context)
    text, html = (each if each is None else _told(each, context) for each in (arguments.text, arguments.html))
    message = EmailMultiAlternatives(
        subject=subject,
        body=html if text is None else text,
        from_email=_sender(arguments.from_name),
        to=[as_header(each) for each in listed(arguments.to)],
        cc=[as_header(each) for each in listed(arguments.cc)],
        bcc=[as_header(each) for each in listed(arguments.bcc)],
        reply_to=[as_header(each) for each in listed(arguments.reply_to)],
        attachments=[_attached(each, context) for each in arguments.attachments],
        headers={
            "Message-ID": message_id(context.idempotency_key),
            "Date": formatdate(context.now.timestamp()),
            "Auto-Submitted": "auto-generated",  # RFC 3834: no holiday notes to us, please.
        },
    )
    if text is None:
        message.content_subtype = "html"
    elif html is not None:
        message.attach_alternative(html, "text/html")
    return message


def message_id(idempotency_key: str) -> str:
    """Return a ``Message-ID`` that is the same for every attempt."""
    domain = bare(settings.DEFAULT_FROM_EMAIL).rpartition("@")[2]
    return f"<{hashlib.sha256(idempotency_key.encode()).hexdigest()[:40]}@{domain}>"


def recipients(arguments: EmailArguments) -> list[str]:
    """Return every address that the message goes to, once, without names."""
    everybody = [*listed(arguments.to), *listed(arguments.cc), *listed(arguments.bcc)]
    return list(dict.fromkeys(bare(each) for each in everybody))


def _told(text: str, context: Context) -> str:
    # A link is for whoever gets the message; a secret is for nobody who reads.
    told = context.fill_links(text)
    contents.refuse_secrets(told, context)
    contents.from_text(told, what="The message")
    return told


def _refuse_too_many(arguments: EmailArguments) -> None:
    count, most = len(recipients(arguments)), settings.EMAIL_MAX_RECIPIENTS
    if not listed(arguments.to):
        raise NodeError("no_recipients", "The list `to` is empty.")
    if count > most:
        raise NodeError(
            "too_many_recipients",
            f"The message has {count:,} recipients; at most {most:,} are possible (EMAIL_MAX_RECIPIENTS). Send several messages, "
            "in a loop.",
        )


def _sender(name: str) -> str:
    own_name, address = parse(settings.DEFAULT_FROM_EMAIL)
    return formataddr((name or own_name, address))


def _attached(attachment: Attachment, context: Context) -> MIMEBase:
    name = attachment.filename or (attachment.storage or "").rpartition("/")[2]
    media_type = attachment.content_type or contents.guessed_type(name)
    kind, _, rest = media_type.partition("/")
    subtype, _, charset = rest.partition(";")
    if kind.lower() in _COMPOSITE:
        kind, subtype, charset = "application", "octet-stream", ""
    part = MIMEBase(kind, subtype)
    if charset or attachment.text is not None:
        part.set_param("charset", charset.partition("=")[2] or "utf-8")
    part.set_payload(_bytes(attachment, context))
    encoders.encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=name if name.isascii() else ("utf-8", "", name))
    return part


def _bytes(attachment: Attachment, context: Context) -> bytes:
    if attachment.text is not None:
        text = context.fill_links(attachment.text)
        contents.refuse_secrets(text, context)
        return contents.from_text(text, what="An attachment")
    if attachment.base64 is not None:
        return contents.from_base64(attachment.base64, what="An attachment")
    return files.read(context.project_id, attachment.storage or "")
