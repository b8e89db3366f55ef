"""Secrets of webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from projects.crypto import SecretUnreadable
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import WebhookFactory
from tests.threads import at_once
from triggers.exceptions import InvalidSecret
from triggers.models import WebhookRegistration
from triggers.services import rotate_secret, set_secret
from triggers.services.webhook_secrets import MAX_LIVE, live_secrets

pytestmark = pytest.mark.django_db

GRACE = timedelta(hours=1)


def bearer(**values):
    return WebhookFactory(auth={"scheme": "bearer"}, **values)


class TestSetSecret:
    def test_makes_one_and_returns_it_once(self):
        hook = bearer()

        secret = set_secret(hook, by=None, now=NOON)

        assert secret.startswith("whsec_")
        hook.refresh_from_db()
        assert live_secrets(hook, NOON) == [secret]

    def test_takes_the_place_of_all_that_were_there(self):
        """S-WH-8"""
        hook = bearer()
        set_secret(hook, secret="the first secret"[:16].replace(" ", "-"), by=None, now=NOON)

        set_secret(hook, secret="the-second-secret", by=None, now=NOON)

        assert live_secrets(hook, NOON) == ["the-second-secret"]

    def test_stores_it_encrypted_and_bound_to_its_row(self):
        """S-SEC-1: an envelope that is copied to another hook opens nothing."""
        hook = bearer()
        secret = set_secret(hook, by=None, now=NOON)
        hook.refresh_from_db()
        assert secret not in hook.secret

        thief = WebhookFactory(trigger__workflow__project=hook.workflow.project, secret=hook.secret)

        with pytest.raises(SecretUnreadable):
            live_secrets(thief, NOON)

    def test_writes_down_that_it_happened_but_not_what(self):
        hook = bearer()
        secret = set_secret(hook, by=None, now=NOON)

        entry = AuditEntry.objects.get(action="webhook.secret_set")

        assert entry.target_id == str(hook.pk)
        assert secret not in str(entry.details)

    @pytest.mark.parametrize("scheme", ["none", "standard_webhooks", "github", "bearer"])
    def test_refuses_what_the_scheme_cannot_use(self, scheme):
        hook = WebhookFactory(auth={"scheme": scheme})

        with pytest.raises(InvalidSecret):
            set_secret(hook, secret="short", by=None, now=NOON)

        hook.refresh_from_db()
        assert hook.secret == ""


class TestRotateSecret:
    def test_leaves_the_old_one_valid_for_a_while(self):
        """S-WH-8"""
        hook = bearer()
        old = set_secret(hook, by=None, now=NOON)

        new = rotate_secret(hook, grace=GRACE, by=None, now=NOON)

        assert live_secrets(hook, NOON + GRACE - timedelta(seconds=1)) == [new, old]
        assert live_secrets(hook, NOON + GRACE) == [new]

    def test_does_not_lengthen_what_is_ending_already(self):
        hook = bearer()
        first = set_secret(hook, by=None, now=NOON)
        second = rotate_secret(hook, grace=GRACE, by=None, now=NOON)

        third = rotate_secret(hook, grace=GRACE, by=None, now=NOON + GRACE / 2)

        assert live_secrets(hook, NOON + GRACE / 2) == [third, second, first]
        assert live_secrets(hook, NOON + GRACE) == [third, second]

    def test_keeps_only_so_many(self):
        hook = bearer()
        made = [rotate_secret(hook, grace=GRACE, by=None, now=NOON) for _ in range(MAX_LIVE + 2)]

        assert live_secrets(hook, NOON) == made[::-1][:MAX_LIVE]


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_no_rotation_is_lost(self):
        hook = bearer()
        set_secret(hook, by=None, now=NOON)

        def rotate():
            fresh = WebhookRegistration.objects.get(pk=hook.pk)
            return rotate_secret(fresh, grace=GRACE, by=None, now=NOON)

        made = at_once(rotate, rotate)

        stored = live_secrets(WebhookRegistration.objects.get(pk=hook.pk), NOON)
        assert set(made) <= set(stored)
        assert len(stored) == 3
