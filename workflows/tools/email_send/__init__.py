"""The tool ``email.send``."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from workflows.nodes.base import Context, NodeError
from workflows.tools.base import Tool, register
from workflows.tools.email_send import messages, sending
from workflows.tools.email_send.arguments import EmailArguments


@register("email.send")
class EmailSend(Tool[EmailArguments]):
    """Send an e-mail, as text, HTML or both, with attachments.

    The output is ``{"message_id": …, "accepted": […], "refused": [{"address": …, "code": 550, "message": …}]}``: the mail server has taken
    the message for those in ``accepted``. Every attempt carries the same ``Message-ID``. Messages come from the operator's
    address; secrets are not sent.
    """

    Arguments = EmailArguments
    icon = "mail"
    example: ClassVar[dict[str, Any]] = {
        "to": "{{ input.customer.email }}",
        "subject": "Your order {{ input.id }}",
        "text": "Thank you. It is on its way.",
        "attachments": [{"storage": "invoices/{{ input.id }}.pdf"}],
    }

    def call(self, arguments: EmailArguments, context: Context) -> dict[str, Any]:
        """Send it.

        :raises NodeError: ``no_recipients``, ``too_many_recipients``, ``secret_refused``, ``invalid_content``, ``file_not_found`` and others
            of the storage, and those of :func:`~workflows.tools.email_send.sending.hand_over`.
        :raises Cancelled: if the engine abandoned the node.
        """
        ends_at = time.monotonic() + context.seconds_left

        def left() -> float:
            seconds = ends_at - time.monotonic()
            if seconds <= 0:
                raise NodeError("timeout", "The node's time was over before the message was sent.", retryable=True)
            return seconds

        message = messages.build(arguments, context)
        everybody = messages.recipients(arguments)
        refusals = sending.hand_over(message, everybody, left=left)
        return {
            "message_id": message.extra_headers["Message-ID"],
            "accepted": [address for address in everybody if address not in refusals],
            "refused": sending.as_json(refusals),
        }
