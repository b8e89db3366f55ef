"""GitHub's signature, the tokens, and no proof at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from triggers.webhooks.signatures import Request, UnknownScheme, known_schemes, scheme_of, verify

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOKEN = "a-token-of-twenty-five-ch"


def check(auth, secrets, headers, body=b""):
    return verify(scheme_of(auth), secrets, Request(headers, body), NOON)


class TestGitHub:
    AUTH = {"scheme": "github"}
    SECRET = "It's a Secret to Everybody"
    BODY = b"Hello, World!"
    SIGNATURE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

    def check(self, signature, secrets=(SECRET,), body=BODY, **headers):
        return check(self.AUTH, list(secrets), {"x-hub-signature-256": signature} | headers, body)

    def test_takes_the_documented_vector(self):
        assert self.check(self.SIGNATURE).is_genuine

    def test_takes_either_of_two_live_secrets(self):
        """S-WH-8"""
        assert self.check(self.SIGNATURE, ["an older secret of ours", self.SECRET]).is_genuine

    def test_knows_a_delivery_by_github_s_id(self):
        verdict = verify(
            scheme_of(self.AUTH),
            [self.SECRET],
            Request(
                {"x-hub-signature-256": self.SIGNATURE, "x-github-delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
                self.BODY,
            ),
            NOON,
        )

        assert verdict.delivery_id == "72d3162e-cc78-11e3-81ab-4c9367dc0958"

    @pytest.mark.parametrize(
        "signature",
        [
            "",
            "sha256=",
            SIGNATURE[7:],
            SIGNATURE[:-1],
            SIGNATURE + "0",
            SIGNATURE.upper(),
            f" {SIGNATURE}",
            "sha1=" + "0" * 40,
        ],
    )
    def test_refuses_what_is_malformed(self, signature):
        """S-WH-3"""
        assert self.check(signature).code == "signature_malformed"

    def test_refuses_another_body_or_secret(self):
        assert self.check(self.SIGNATURE, body=b"Hello, World?").code == "signature_wrong"
        assert self.check(self.SIGNATURE, ["not the secret at all"]).code == "signature_wrong"

    def test_refuses_a_missing_signature(self):
        """S-WH-2: also CVE-2026-21894, a trigger that never verified."""
        assert check(self.AUTH, [self.SECRET], {}, self.BODY).code == "signature_malformed"

    def test_fails_closed_without_a_secret(self):
        """S-WH-2: CVE-2026-86080, a trigger that let all through when its secret was not stored."""
        assert self.check(self.SIGNATURE, []).code == "secret_not_set"

    def test_does_not_store_what_proves_the_caller(self):
        assert "x-hub-signature-256" in scheme_of(self.AUTH).secret_headers


class TestBearer:
    AUTH = {"scheme": "bearer"}

    @pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN}"])
    def test_takes_the_token(self, header):
        assert check(self.AUTH, [TOKEN], {"authorization": header}).is_genuine

    @pytest.mark.parametrize(
        "header", ["", TOKEN, "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN} x", "Bearer é"]
    )
    def test_refuses_what_is_no_bearer_token(self, header):
        assert check(self.AUTH, [TOKEN], {"authorization": header}).code == "token_missing"

    @pytest.mark.parametrize("token", [TOKEN[:-1], TOKEN + "x", TOKEN.upper()])
    def test_refuses_another_token(self, token):
        assert check(self.AUTH, [TOKEN], {"authorization": f"Bearer {token}"}).code == "token_wrong"

    def test_fails_closed_without_a_secret(self):
        """S-WH-2"""
        assert check(self.AUTH, [], {"authorization": "Bearer "}).code == "secret_not_set"

    @pytest.mark.parametrize(
        "secret", ["fifteen-letters", "a secret with spaces in it", "é" * 20, "x" * 1025, "tab\tbed-secret-of-us"]
    )
    def test_wants_a_secret_that_a_header_can_carry(self, secret):
        assert scheme_of(self.AUTH).problem_with(secret)

    def test_takes_sixteen_characters_as_a_secret(self):
        assert scheme_of(self.AUTH).problem_with("sixteen-letters!") is None


class TestHeaderToken:
    AUTH = {"scheme": "header", "header": "X-Gitlab-Token"}

    def test_takes_the_token(self):
        assert check(self.AUTH, [TOKEN], {"x-gitlab-token": TOKEN}).is_genuine

    def test_refuses_a_missing_one(self):
        assert check(self.AUTH, [TOKEN], {"x-other": TOKEN}).code == "token_missing"

    def test_refuses_another_one(self):
        assert check(self.AUTH, [TOKEN], {"x-gitlab-token": TOKEN + "x"}).code == "token_wrong"

    def test_does_not_store_what_proves_the_caller(self):
        assert scheme_of(self.AUTH).secret_headers == ("x-gitlab-token",)


class TestUnsigned:
    def test_takes_everything_and_needs_no_secret(self):
        assert check({"scheme": "none"}, [], {}).is_genuine

    def test_takes_no_secret(self):
        assert scheme_of({"scheme": "none"}).problem_with(TOKEN)


class TestDeliveryId:
    def test_is_the_idempotency_key_where_the_scheme_has_no_id_of_its_own(self):
        assert check({"scheme": "none"}, [], {"idempotency-key": " abc "}).delivery_id == "abc"

    def test_is_none_when_the_sender_gave_none(self):
        assert check({"scheme": "none"}, [], {"idempotency-key": "  "}).delivery_id is None

    @pytest.mark.parametrize("given", ["x" * 201, "with space", "é\x00", "\ud800"])
    def test_is_known_by_its_hash_if_it_is_no_plain_text(self, given):
        verdict = check({"scheme": "none"}, [], {"idempotency-key": given})

        assert verdict.delivery_id.startswith("sha256:")
        assert verdict == check({"scheme": "none"}, [], {"idempotency-key": given})


class TestSchemeOf:
    def test_knows_the_schemes(self):
        assert known_schemes() == (
            "basic",
            "bearer",
            "github",
            "header",
            "hmac",
            "jwt",
            "none",
            "shopify",
            "slack",
            "standard_webhooks",
            "stripe",
        )

    @pytest.mark.parametrize(
        "auth", [{}, {"scheme": "md5"}, {"scheme": None}, {"scheme": "header"}, {"scheme": "github", "x": 1}]
    )
    def test_fails_closed_on_anything_else(self, auth):
        """S-WH-2"""
        with pytest.raises(UnknownScheme, match="is not known"):
            scheme_of(auth)
