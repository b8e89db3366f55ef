"""What ``email.send`` takes."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from workflows.nodes.base import Config
from workflows.nodes.fields import Dynamic
from workflows.nodes.forms import Form
from workflows.tools.email_send.addresses import MailAddress
from workflows.tools.storage.contents import MediaType
from workflows.tools.storage.names import FileName

MAX_LISTED = 1_000
MAX_ATTACHMENTS = 20
Recipients = MailAddress | Annotated[list[MailAddress], Field(max_length=MAX_LISTED)]
OneLine = Annotated[str, Form(r"[^\x00-\x1f\x7f]{0,500}", "One line of at most 500 characters.")]
PersonName = Annotated[
    str, Form(r'[^"\\<>@,;:\x00-\x1f\x7f]{0,100}', "A name of at most 100 characters, without <>@,;: and quotes.")
]
AttachmentName = Annotated[
    str, Form(r'[^/\\":*?<>|\x00-\x1f\x7f]{1,150}', 'At most 150 characters, without / \\ " : * ? < > | and line ends.')
]


class Attachment(Config):
    """One attached file: its content is given, or it lies in the project's storage."""

    filename: Dynamic[AttachmentName] | None = Field(
        None, description="Its name for the reader; without it, that of the file in the storage."
    )
    text: Dynamic[str] | None = Field(None, description="The content as text (UTF-8).")
    base64: Dynamic[str] | None = Field(None, description="The content as bytes, in base64.")
    storage: Dynamic[FileName] | None = Field(None, description="The name of a file in the project's storage.")
    content_type: Dynamic[MediaType] | None = Field(None, description="Its media type; else by the name's ending.")

    @model_validator(mode="after")
    def _has_one_content_and_a_name(self) -> Self:
        if sum(given is not None for given in (self.text, self.base64, self.storage)) != 1:
            raise ValueError("An attachment has one content: text, base64 or storage.")
        if self.filename is None and self.storage is None:
            raise ValueError("An attachment whose content is given needs a filename.")
        return self


class EmailArguments(Config):
    """What ``email.send`` takes."""

    to: Dynamic[Recipients] = Field(description="Whom it is for: one address or a list.")
    cc: Dynamic[Recipients] = Field([], description="Who gets a copy: one address or a list.")
    bcc: Dynamic[Recipients] = Field([], description="Who gets a copy that the others do not know of.")
    reply_to: Dynamic[Recipients] = Field([], description="Whom answers go to, if not to the installation's address.")
    from_name: Dynamic[PersonName] = Field(
        "",
        description="A name beside the address that messages come from, which is the operator's (DEFAULT_FROM_EMAIL).",
    )
    subject: Dynamic[OneLine] = Field(description="The subject, one line.")
    text: Dynamic[str] | None = Field(None, description="The message as text.")
    html: Dynamic[str] | None = Field(
        None, description="The message as HTML, beside the text or instead. Values in it are not made safe for you."
    )
    attachments: Dynamic[Annotated[list[Attachment], Field(max_length=MAX_ATTACHMENTS)]] = Field(
        [], description="Attached files."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.text is None and self.html is None:
            raise ValueError("A message has a text, html, or both.")
        return self


def listed(recipients: str | list[str]) -> list[str]:
    """Return one address or several as a list."""
    return [recipients] if isinstance(recipients, str) else recipients
