"""The secrets of webhooks: set, rotated, stored encrypted, shown once.

What is stored is one envelope around ``[{"secret": …, "until": moment or null}, …]``, bound to the registration's row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from projects import audit, crypto
from projects.access import Actor
from triggers.exceptions import InvalidSecret
from triggers.models import WebhookRegistration
from triggers.webhooks.signatures import scheme_of
from triggers.webhooks.signatures.standard_webhooks import new_secret

# Secrets that are valid at once: each costs every request one more HMAC.
MAX_LIVE = 4


@dataclass(frozen=True)
class _Secret:
    text: str
    until: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        return self.until is None or self.until > now


@transaction.atomic
def set_secret(registration: WebhookRegistration, *, by: Actor | None, now: datetime, secret: str | None = None) -> str:
    """Give a webhook a secret, in place of all that it had, and return it: this once and never again.

    :param secret: without it, one is made.
    :raises InvalidSecret: if the webhook's signature scheme can't use it.
    """
    return _store(registration, secret, keep=[], action="webhook.secret_set", by=by, now=now)


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

    :raises InvalidSecret: if the webhook's signature scheme can't use it.
    """
    locked = WebhookRegistration.objects.select_for_update(of=("self",), no_key=True).get(pk=registration.pk)
    ends = now + grace
    keep = [_Secret(each.text, min(each.until or ends, ends)) for each in _stored(locked) if each.is_live(now)]
    return _store(registration, secret, keep=keep, action="webhook.secret_rotated", by=by, now=now)


def live_secrets(registration: WebhookRegistration, now: datetime) -> list[str]:
    """Return the secrets that are valid now, the newest first. Only for the verification of a request.

    :raises SecretUnreadable: if the key is not there.
    """
    return [each.text for each in _stored(registration) if each.is_live(now)]


def _stored(registration: WebhookRegistration) -> list[_Secret]:
    if not registration.secret:
        return []
    project = registration.workflow.project
    entries = json.loads(crypto.decrypt(project, registration.secret, binds_to=_place_of(registration)))
    return [
        _Secret(entry["secret"], datetime.fromisoformat(entry["until"]) if entry["until"] else None)
        for entry in entries
    ]


def _store(
    registration: WebhookRegistration,
    secret: str | None,
    *,
    keep: list[_Secret],
    action: str,
    by: Actor | None,
    now: datetime,
) -> str:
    text = new_secret() if secret is None else secret
    problem = scheme_of(registration.auth).problem_with(text)
    if problem:
        raise InvalidSecret(problem, path="/secret")
    secrets = [_Secret(text), *keep][:MAX_LIVE]
    entries = [{"secret": each.text, "until": each.until.isoformat() if each.until else None} for each in secrets]
    project = registration.workflow.project
    registration.secret = crypto.encrypt(project, json.dumps(entries), binds_to=_place_of(registration))
    WebhookRegistration.objects.filter(pk=registration.pk).update(secret=registration.secret)
    audit.record(action, registration, project=project, by=by, details={"live_secrets": len(secrets)})
    return text


def _place_of(registration: WebhookRegistration) -> str:
    return f"webhook_registrations.secret:{registration.pk}"
