"""Secrets of webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from projects.crypto import SecretUnreadable
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import DeliveryFactory, WebhookFactory
from tests.threads import at_once
from tests.triggers.webhooks.signatures.schemes import CASES, pair
from triggers.exceptions import InvalidSecret, NoSuchSecret, ProofBroken
from triggers.models import WebhookRegistration
from triggers.services import rotate_secret, set_secret
from triggers.services.webhook_secrets import (
    DELIVERIES_LOOKED_AT,
    MAX_LIVE,
    check_proof,
    end_secret,
    facts_of_secrets,
    live_secrets,
)
from triggers.webhooks.signatures import Verdict, scheme_of
from triggers.webhooks.signatures.github import GitHub

pytestmark = pytest.mark.django_db

GRACE = timedelta(hours=1)


def texts(hook, now=NOON):
    return [secret.text for secret in live_secrets(hook, now)]


def bearer(**values):
    return WebhookFactory(auth={"scheme": "bearer"}, **values)


class TestSetSecret:
    def test_makes_one_and_returns_it_once(self):
        hook = bearer()

        secret = set_secret(hook, by=None, now=NOON)

        assert secret.startswith("whsec_")
        hook.refresh_from_db()
        assert texts(hook, NOON) == [secret]

    def test_takes_the_place_of_all_that_were_there(self):
        """S-WH-8"""
        hook = bearer()
        set_secret(hook, secret="the first secret"[:16].replace(" ", "-"), by=None, now=NOON)

        set_secret(hook, secret="the-second-secret", by=None, now=NOON)

        assert texts(hook, NOON) == ["the-second-secret"]

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

        assert texts(hook, NOON + GRACE - timedelta(seconds=1)) == [new, old]
        assert texts(hook, NOON + GRACE) == [new]

    def test_does_not_lengthen_what_is_ending_already(self):
        hook = bearer()
        first = set_secret(hook, by=None, now=NOON)
        second = rotate_secret(hook, grace=GRACE, by=None, now=NOON)

        third = rotate_secret(hook, grace=GRACE, by=None, now=NOON + GRACE / 2)

        assert texts(hook, NOON + GRACE / 2) == [third, second, first]
        assert texts(hook, NOON + GRACE) == [third, second]

    def test_keeps_only_so_many(self):
        hook = bearer()
        made = [rotate_secret(hook, grace=GRACE, by=None, now=NOON) for _ in range(MAX_LIVE + 2)]

        assert texts(hook, NOON) == made[::-1][:MAX_LIVE]


class TestSecretsOfEveryScheme:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_are_set_and_rotated(self, case):
        """S-WH-8"""
        hook = WebhookFactory(auth=case.auth)
        set_secret(hook, secret=case.secret, by=None, now=NOON)

        rotate_secret(hook, secret=case.other, grace=GRACE, by=None, now=NOON)

        assert texts(hook) == [case.other, case.secret]

    @pytest.mark.parametrize("scheme", ["stripe", "slack", "shopify"])
    def test_that_the_sender_makes_are_not_made_here(self, scheme):
        hook = WebhookFactory(auth={"scheme": scheme})

        with pytest.raises(InvalidSecret, match=f"(?i){scheme} makes it"):
            set_secret(hook, by=None, now=NOON)

        hook.refresh_from_db()
        assert hook.secret == ""

    def test_a_private_key_is_refused_and_not_kept(self):
        auth = {"scheme": "jwt", "algorithm": "RS256", "issuer": "i", "audience": "a"}
        hook = WebhookFactory(auth=auth)

        with pytest.raises(InvalidSecret, match="private key"):
            set_secret(hook, secret=pair("ours")[0], by=None, now=NOON)

    def test_for_basic_a_user_and_a_password_are_made(self):
        hook = WebhookFactory(auth={"scheme": "basic"})

        assert set_secret(hook, by=None, now=NOON).startswith("webhook:whsec_")


class TestEndSecret:
    def test_ends_one_at_once_and_leaves_the_others(self):
        """S-WH-8"""
        hook = bearer()
        old = set_secret(hook, by=None, now=NOON)
        new = rotate_secret(hook, grace=GRACE, by=None, now=NOON)
        oldest = live_secrets(hook, NOON)[1]
        assert oldest.text == old

        end_secret(hook, oldest.id, by=None, now=NOON)

        assert texts(WebhookRegistration.objects.get(pk=hook.pk)) == [new]
        entry = AuditEntry.objects.get(action="webhook.secret_ended")
        assert (entry.details, entry.target_id) == ({"secret": oldest.id}, str(hook.pk))

    def test_of_the_last_one_closes_the_webhook(self):
        """S-WH-2"""
        hook = bearer()
        set_secret(hook, by=None, now=NOON)

        end_secret(hook, live_secrets(hook, NOON)[0].id, by=None, now=NOON)

        hook.refresh_from_db()
        assert (hook.secret, texts(hook)) == ("", [])

    @pytest.mark.parametrize("secret_id", ["", "0" * 16, "nonsense"])
    def test_knows_only_what_is_there(self, secret_id):
        hook = bearer()
        set_secret(hook, by=None, now=NOON)

        with pytest.raises(NoSuchSecret):
            end_secret(hook, secret_id, by=None, now=NOON)

        assert len(texts(hook)) == 1

    def test_does_not_end_what_has_ended(self):
        hook = bearer()
        set_secret(hook, by=None, now=NOON)
        rotate_secret(hook, grace=GRACE, by=None, now=NOON)
        old = live_secrets(hook, NOON)[1]

        with pytest.raises(NoSuchSecret):
            end_secret(hook, old.id, by=None, now=NOON + GRACE)


class TestFactsOfSecrets:
    def test_tell_when_each_was_set_and_when_it_ends(self):
        hook = bearer()
        set_secret(hook, by=None, now=NOON)
        rotate_secret(hook, grace=GRACE, by=None, now=NOON + GRACE)

        new, old = facts_of_secrets(hook, NOON + GRACE)

        assert (new.created_at, new.until) == (NOON + GRACE, None)
        assert (old.created_at, old.until) == (NOON, NOON + 2 * GRACE)
        assert new.id != old.id

    def test_tell_what_each_has_proven_last(self):
        hook = bearer()
        set_secret(hook, by=None, now=NOON)
        rotate_secret(hook, grace=GRACE, by=None, now=NOON)
        new, old = live_secrets(hook, NOON)
        DeliveryFactory(registration=hook, copy=True, secret_id=old.id)
        DeliveryFactory(registration=hook, copy=True, secret_id=old.id, received_at=NOON + GRACE / 2)
        DeliveryFactory(registration=hook, rejected=True, received_at=NOON + GRACE)

        used = {each.id: each.last_used_at for each in facts_of_secrets(hook, NOON)}

        assert used == {new.id: None, old.id: NOON + GRACE / 2}

    def test_look_at_no_more_than_the_last_thousand(self, monkeypatch):
        assert DELIVERIES_LOOKED_AT == 1000
        monkeypatch.setattr("triggers.services.webhook_secrets.DELIVERIES_LOOKED_AT", 2)
        hook = bearer()
        set_secret(hook, by=None, now=NOON)
        DeliveryFactory(registration=hook, copy=True, secret_id=live_secrets(hook, NOON)[0].id)
        DeliveryFactory.create_batch(2, registration=hook, copy=True, received_at=NOON + GRACE)

        assert facts_of_secrets(hook, NOON)[0].last_used_at is None

    def test_tell_which_the_scheme_cannot_use(self):
        hook = bearer()
        set_secret(hook, secret="a-token-of-25-characters!", by=None, now=NOON)
        hook.auth = {"scheme": "standard_webhooks"}
        hook.save()

        assert [each.is_usable for each in facts_of_secrets(hook, NOON)] == [False]

    def test_cost_one_query_however_many_there_are(self, django_assert_num_queries):
        hook = bearer()
        for _ in range(MAX_LIVE):
            rotate_secret(hook, grace=GRACE, by=None, now=NOON)

        with django_assert_num_queries(1):
            assert len(facts_of_secrets(hook, NOON)) == MAX_LIVE

    def test_never_hold_the_secret(self):
        hook = bearer()
        secret = set_secret(hook, by=None, now=NOON)

        assert secret not in repr(facts_of_secrets(hook, NOON))


class TestCheckProof:
    def test_lets_a_sound_scheme_be(self):
        check_proof(scheme_of({"scheme": "github"}), None, now=NOON)

    def test_refuses_one_that_lets_strangers_in(self):
        """S-WH-2"""

        class LetsAllIn(GitHub):
            def check(self, secrets, request, now):
                return Verdict(is_genuine=True)

        with pytest.raises(ProofBroken, match="does not keep strangers out"):
            check_proof(LetsAllIn(), "a-secret-of-25-characters", now=NOON)


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_no_rotation_is_lost(self):
        hook = bearer()
        set_secret(hook, by=None, now=NOON)

        def rotate():
            fresh = WebhookRegistration.objects.get(pk=hook.pk)
            return rotate_secret(fresh, grace=GRACE, by=None, now=NOON)

        made = at_once(rotate, rotate)

        stored = texts(WebhookRegistration.objects.get(pk=hook.pk), NOON)
        assert set(made) <= set(stored)
        assert len(stored) == 3
