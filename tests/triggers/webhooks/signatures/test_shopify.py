"""Shopify: an example computed apart, and the ids that its requests carry."""

from __future__ import annotations

import pytest

from tests.clock import NOON
from tests.triggers.webhooks.signatures.schemes import BY_NAME
from triggers.webhooks.signatures import Request, scheme_of, verify

SHOPIFY = scheme_of({"scheme": "shopify"})
CASE = BY_NAME["shopify"]


class TestCheck:
    def test_takes_what_openssl_computes(self):
        """printf '%s' '{"id":820982911946154508}' | openssl dgst -sha256 -hmac hush-hush-hush-hush -binary | base64"""
        headers = {"x-shopify-hmac-sha256": "aDPQjbkrpNlMdy9Xpgse3eKgANQc2Yx/Najj029WpLU="}

        assert verify(SHOPIFY, ["hush-hush-hush-hush"], Request(headers, b'{"id":820982911946154508}'), NOON).is_genuine

    def test_knows_a_delivery_by_its_own_id_and_not_by_the_event_s(self):
        """Two subscriptions to one change share the event's id, and are two deliveries."""
        assert CASE.check().delivery_id == "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"

    @pytest.mark.parametrize("token", ["shpat_" + "a" * 32, "shpca_" + "a" * 32])
    def test_tells_an_access_token_from_a_secret(self, token):
        assert "access token" in SHOPIFY.problem_with(token)
