"""The secrets of webhooks: set, rotated, ended, stored encrypted, shown once.

What is stored is one envelope around ``[{"id", "secret", "created_at", "until"}, …]``, the newest first, bound to the
registration's row: verifying a delivery costs no look-up of its own. ``until`` is null for one without an end.
"""

from __future__ import annotations

import json
import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from projects import audit, envelopes
from projects.access import Actor
from projects.crypto import SecretUnreadable
from projects.exceptions import Unavailable
from triggers.exceptions import InvalidSecret, NoSuchSecret, ProofBroken
from triggers.models import WebhookDelivery, WebhookRegistration
from triggers.webhooks.signatures import Scheme, holes_in, scheme_of, scheme_or_closed

# Secrets that are valid at once: each costs every request one more HMAC.
MAX_LIVE = 4
# Their envelope, bound to the registration's row.
ENVELOPES = envelopes.register(
    WebhookRegistration,
    "secret",
    project_path="workflow__project",
    where=~Q(secret=""),
    secrets_in=lambda text: [entry["secret"] for entry in json.loads(text)],
)
# How far back one looks for what a secret has proven last.
DELIVERIES_LOOKED_AT = 1000


@dataclass(frozen=True)
class LiveSecret:
    """A secret that is valid now. Only for the verification of a request."""

    id: str
    text: str


@dataclass(frozen=True)
class SecretFacts:
    """What may be told of a secret.

    ``is_usable``: the webhook's scheme, as it is now, can use it. ``last_used_at``: when the newest delivery that it has
    proven came, among the last 1,000 of the webhook.
    """

    id: str
    created_at: datetime | None
    until: datetime | None
    is_usable: bool
    last_used_at: datetime | None


@dataclass(frozen=True)
class _Secret:
    id: str
    text: str
    created_at: datetime | None
    until: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.until is None or self.until > now


# --- Setting and ending -------------------------------------------------------------------------------------------------


@transaction.atomic
def set_secret(registration: WebhookRegistration, *, by: Actor | None, now: datetime, secret: str | None = None) -> str:
    """Give a webhook a secret, in place of all that it had, and return it: this once and never again.

    :param secret: without it, one is made.
    :raises InvalidSecret: if the webhook's signature scheme can't use it, or leaves making one to the other side.
    :raises ProofBroken: if the scheme does not keep strangers out.
    """
    return _add(registration, secret, keep=[], action="webhook.secret_set", by=by, now=now)


@transaction.atomic
def rotate_secret(
    registration: WebhookRegistration,
    *,
    grace: timedelta,
    by: Actor | None,
    now: datetime,
    secret: str | None = None,
) -> str:
    """Give a webhook another secret; those that it has stay valid for a while, while callers change over (S-WH-8).

    :raises InvalidSecret: if the webhook's signature scheme can't use it, or leaves making one to the other side.
    :raises ProofBroken: if the scheme does not keep strangers out.
    """
    ends = now + grace
    keep = [replace(each, until=min(each.until or ends, ends)) for each in _live(_locked(registration), now)]
    return _add(registration, secret, keep=keep, action="webhook.secret_rotated", by=by, now=now)


@transaction.atomic
def end_secret(registration: WebhookRegistration, secret_id: str, *, by: Actor | None, now: datetime) -> None:
    """End one of a webhook's secrets at once. If it was the last one, everything is refused until another is set.

    :raises NoSuchSecret: if it has none of this id that is valid.
    :raises Unavailable: if its secrets can't be read.
    """
    live = _live(_locked(registration), now)
    left = [each for each in live if each.id != secret_id]
    if len(left) == len(live):
        raise NoSuchSecret(f"The webhook has no live secret {secret_id!r}.")
    _write(registration, left, action="webhook.secret_ended", by=by, details={"secret": secret_id})


def can_make_secret(registration: WebhookRegistration) -> bool:
    """Test whether a secret for a webhook can be made here, and would be of use."""
    scheme = scheme_or_closed(registration.auth)
    return scheme.needs_secret and not scheme.made_by


# --- Reading ------------------------------------------------------------------------------------------------------------


def live_secrets(registration: WebhookRegistration, now: datetime) -> list[LiveSecret]:
    """Return the secrets that are valid now, the newest first. Only for the verification of a request.

    :raises SecretUnreadable: if the key is not there.
    """
    return [LiveSecret(each.id, each.text) for each in _stored(registration) if each.is_live(now)]


def facts_of_secrets(registration: WebhookRegistration, now: datetime) -> list[SecretFacts]:
    """Return what may be told of the secrets that are valid now, the newest first.

    :raises Unavailable: if they can't be read.
    """
    live, scheme = _live(registration, now), scheme_or_closed(registration.auth)
    used = _last_used(registration) if live else {}
    return [
        SecretFacts(
            each.id,
            each.created_at,
            each.until,
            is_usable=scheme.problem_with(each.text) is None,
            last_used_at=used.get(each.id),
        )
        for each in live
    ]


def _last_used(registration: WebhookRegistration) -> dict[str, datetime]:
    newest_first = WebhookDelivery.objects.filter(registration=registration).order_by("-received_at", "-id")
    used: dict[str, datetime] = {}
    for secret_id, received_at in newest_first.values_list("secret_id", "received_at")[:DELIVERIES_LOOKED_AT]:
        if secret_id:
            used.setdefault(secret_id, received_at)
    return used


# --- The envelope -------------------------------------------------------------------------------------------------------


def _locked(registration: WebhookRegistration) -> WebhookRegistration:
    return WebhookRegistration.objects.select_for_update(of=("self",), no_key=True).get(pk=registration.pk)


def _live(registration: WebhookRegistration, now: datetime) -> list[_Secret]:
    try:
        return [each for each in _stored(registration) if each.is_live(now)]
    except SecretUnreadable as error:
        raise Unavailable(
            f"The webhook's secrets cannot be read: {error.message}",
            retry_after=60,
            hint=error.hint or "Set a new secret without `grace_seconds`: it takes the place of those that are lost.",
        ) from error


def _add(
    registration: WebhookRegistration,
    given: str | None,
    *,
    keep: Sequence[_Secret],
    action: str,
    by: Actor | None,
    now: datetime,
) -> str:
    scheme = scheme_of(registration.auth)
    text = _checked(scheme, given)
    check_proof(scheme, text, now=now)
    secrets = [_Secret(random.token_hex(8), text, created_at=now), *keep][:MAX_LIVE]
    _write(registration, secrets, action=action, by=by, details={"live_secrets": len(secrets), "secret": secrets[0].id})
    return text


def _checked(scheme: Scheme, given: str | None) -> str:
    if given is None and scheme.needs_secret and scheme.made_by:
        raise InvalidSecret(scheme.made_by, path="/secret", hint="Send it as `secret`.")
    text = scheme.new_secret() if given is None else given
    problem = scheme.problem_with(text)
    if problem:
        raise InvalidSecret(problem, path="/secret")
    return text


def check_proof(scheme: Scheme, secret: str | None, *, now: datetime) -> None:
    """Refuse a scheme that lets strangers in, with its settings and a secret (S-WH-2).

    :param secret: None if there is none yet; the settings are tried all the same.
    :raises ProofBroken: if it does.
    """
    holes = holes_in(scheme, secret, now)
    if holes:
        raise ProofBroken(
            f"The signature scheme {scheme.key} does not keep strangers out with these settings: {holes[0]}",
            hint="This is a fault of Segue. Choose another scheme, and report it.",
        )


def _write(
    registration: WebhookRegistration,
    secrets: Sequence[_Secret],
    *,
    action: str,
    by: Actor | None,
    details: dict[str, Any],
) -> None:
    entries = [
        {
            "id": each.id,
            "secret": each.text,
            "created_at": each.created_at.isoformat() if each.created_at else None,
            "until": each.until.isoformat() if each.until else None,
        }
        for each in secrets
    ]
    project = registration.workflow.project
    registration.secret = ENVELOPES.seal(registration, json.dumps(entries)) if entries else ""
    WebhookRegistration.objects.filter(pk=registration.pk).update(secret=registration.secret)
    audit.record(action, registration, project=project, by=by, details=details)


def _stored(registration: WebhookRegistration) -> list[_Secret]:
    if not registration.secret:
        return []
    entries = json.loads(ENVELOPES.open(registration))
    # The first secrets of all had neither an id nor a beginning; they are valid, and end with the next one.
    return [
        _Secret(entry.get("id", ""), entry["secret"], _moment(entry.get("created_at")), _moment(entry["until"]))
        for entry in entries
    ]


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
