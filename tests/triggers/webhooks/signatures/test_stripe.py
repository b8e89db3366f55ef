"""Stripe: what its client library signs and verifies, several signatures, and the schemes that do not count."""

from __future__ import annotations

import pytest
from stripe import SignatureVerificationError, WebhookSignature

from tests.clock import NOON
from tests.triggers.webhooks.signatures.schemes import BY_NAME, OTHER, SECRET
from triggers.webhooks.signatures import scheme_of

STRIPE = scheme_of({"scheme": "stripe"})
CASE = BY_NAME["stripe"]
TIMESTAMP, SIGNATURE = CASE.headers()["stripe-signature"].split(",")
STRANGE = f"v1={'0' * 64}"


def check(*entries, **more):
    return CASE.check({"stripe-signature": ",".join(entries)}, **more)


class TestCheck:
    def test_takes_one_right_signature_among_several(self):
        """As Stripe sends while a secret is rolled: one for each."""
        assert check(TIMESTAMP, STRANGE, SIGNATURE, STRANGE).is_genuine

    def test_takes_the_signature_of_either_side_of_a_rotation(self):
        """S-WH-8"""
        old = CASE.headers(secret=OTHER)["stripe-signature"].split(",")[1]

        assert check(TIMESTAMP, old, SIGNATURE, secrets=(SECRET,)).is_genuine
        assert check(TIMESTAMP, old, SIGNATURE, secrets=(OTHER,)).is_genuine

    def test_lets_other_schemes_stand_but_not_count(self):
        """The v0 of test mode; and whoever finds a weakness in a scheme must not be able to ask for it."""
        value = SIGNATURE.removeprefix("v1=")

        assert check(TIMESTAMP, SIGNATURE, f"v0={value}", f"v2={value}").is_genuine
        assert check(TIMESTAMP, STRANGE, f"v0={value}", f"v2={value}").code == "signature_wrong"
        assert check(TIMESTAMP, f"v0={value}").code == "signature_malformed"

    @pytest.mark.parametrize(
        "entries",
        [
            (TIMESTAMP,),
            (SIGNATURE,),
            (TIMESTAMP, TIMESTAMP, SIGNATURE),
            (TIMESTAMP, "t=1", SIGNATURE),
            ("t=", SIGNATURE),
            ("t=abc", SIGNATURE),
            ("t=-1", SIGNATURE),
            ("T" + TIMESTAMP[1:], SIGNATURE),
            (TIMESTAMP, "v1="),
            (TIMESTAMP, SIGNATURE, ""),
            (TIMESTAMP, SIGNATURE, "v1"),
            (TIMESTAMP, SIGNATURE + "="),
            (TIMESTAMP, SIGNATURE, "x=1"),
            (TIMESTAMP, " " + SIGNATURE),
            (TIMESTAMP, SIGNATURE.upper()),
            (TIMESTAMP, *[STRANGE] * 15, SIGNATURE),
        ],
    )
    def test_refuses_what_is_malformed(self, entries):
        """S-WH-3"""
        assert check(*entries).code == "signature_malformed"

    def test_takes_up_to_sixteen_entries(self):
        assert check(TIMESTAMP, *[STRANGE] * 14, SIGNATURE).is_genuine

    def test_the_order_of_the_entries_does_not_matter(self):
        assert check(SIGNATURE, TIMESTAMP).is_genuine

    def test_agrees_with_stripe_s_own_library_on_what_our_side_signs(self):
        header = STRIPE.sign(SECRET, CASE.request({}), NOON)["stripe-signature"]

        assert WebhookSignature.verify_header(CASE.body, header, SECRET)
        with pytest.raises(SignatureVerificationError):
            WebhookSignature.verify_header(CASE.body + b" ", header, SECRET)

    @pytest.mark.parametrize(
        ("body", "delivery_id"), [(b"{}", None), (b'{"id": 7}', None), (b"[]", None), (b"{broken", None), (b"", None)]
    )
    def test_knows_no_id_where_there_is_none(self, body, delivery_id):
        verdict = CASE.check(CASE.headers(body=body), body=body)

        assert (verdict.is_genuine, verdict.delivery_id) == (True, delivery_id)

    @pytest.mark.parametrize("key", ["sk_live_51AbCdEfGhIjKlMnOp", "rk_test_51AbCdEfGhIjKlMnOp", "a secret of our own"])
    def test_tells_an_api_key_from_a_signing_secret(self, key):
        assert "whsec_" in STRIPE.problem_with(key)
