"""Whether a scheme, with its settings and a secret, keeps strangers out. Asked before a webhook opens (S-WH-2).

It plays both sides: somebody who knows the secret and must get in, and somebody who does not and must not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from triggers.webhooks.signatures.base import Request, Scheme, verify

_BODY = b'{"self_test": true}'
_LONG_AGO = timedelta(days=1)


def holes_in(scheme: Scheme, secret: str | None, now: datetime) -> list[str]:
    """Return what gets in that must not, each as a sentence; none, if the scheme keeps its promises.

    :param secret: the webhook's, or None if it has none yet: then one is made up.
    """
    if not scheme.needs_secret:
        return []
    return list(_holes(scheme, secret or scheme.new_secret(), now))


def _holes(scheme: Scheme, secret: str, now: datetime) -> Iterator[str]:
    request = Request(headers={}, body=_BODY)
    for headers in scheme.forgeries(secret, request, now):
        forged = replace(request, headers=headers)
        if verify(scheme, [secret], forged, now).is_genuine:
            yield f"A request of somebody who does not know the secret got in, with {sorted(headers) or 'no header'}."
        if verify(scheme, [], forged, now).is_genuine:
            yield "A request got in although there was no secret."
    if not scheme.signs_body and not scheme.signs_time:
        return
    signed = replace(request, headers=scheme.sign(secret, request, now))
    if scheme.signs_body and verify(scheme, [secret], replace(signed, body=_BODY + b" "), now).is_genuine:
        yield "A signature got in with another body than the one that was signed."
    if scheme.signs_time and verify(scheme, [secret], signed, now + _LONG_AGO).is_genuine:
        yield "A signature of yesterday got in."
