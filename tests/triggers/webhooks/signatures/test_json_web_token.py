"""JWT: the algorithm is the webhook's, the key is the webhook's, and every claim that is asked for is there."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta

import jwt
import pytest

from tests.clock import NOON
from tests.triggers.webhooks.signatures.schemes import AUDIENCE, BY_NAME, ISSUER, OTHER, SECRET, claims, pair
from triggers.webhooks.signatures import Request, scheme_of, verify

HS256, RS256 = BY_NAME["jwt HS256"], BY_NAME["jwt RS256"]
PRIVATE, PUBLIC = pair("ours")


def encoded(value) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_hand(header, payload, key: bytes = SECRET.encode()) -> str:
    """Return a token under HMAC-SHA256, whatever its header says."""
    signed = f"{encoded(header)}.{encoded(payload)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, signed.encode(), "sha256")).rstrip(b"=").decode()
    return f"{signed}.{signature}"


def check(token: str, *, now=NOON, secret=SECRET):
    return HS256.check({"authorization": f"Bearer {token}"}, secrets=(secret,), now=now)


def with_claims(**more) -> str:
    """Return a token with other claims; one that is None is left out."""
    return by_hand({"alg": "HS256"}, {name: value for name, value in (claims() | more).items() if value is not None})


class TestAlgorithm:
    @pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", None, 7])
    def test_none_is_none(self, name):
        unsigned = f"{encoded({'alg': name})}.{encoded(claims())}."

        assert not check(unsigned).is_genuine
        assert not check(by_hand({"alg": name}, claims())).is_genuine
        assert not check(f"{unsigned}AAAA").is_genuine

    @pytest.mark.parametrize("name", ["HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA", "hs256"])
    def test_that_the_token_chooses_is_refused(self, name):
        """RFC 8725, 3.1"""
        assert check(by_hand({"alg": name}, claims())).code == "algorithm_wrong"

    def test_is_not_left_out(self):
        assert not check(by_hand({"typ": "JWT"}, claims())).is_genuine

    def test_a_public_key_is_not_taken_for_a_shared_secret(self):
        """RFC 8725, 2.1: the attack by which everybody signs who knows the public key."""
        forged = by_hand({"alg": "HS256"}, claims(), key=PUBLIC.encode())

        assert RS256.check({"x-token": forged}).code == "algorithm_wrong"
        assert not RS256.check({"x-token": by_hand({"alg": "RS256"}, claims(), key=PUBLIC.encode())}).is_genuine

    def test_a_public_key_is_no_secret_of_hs256(self):
        assert "RS256" in scheme_of(HS256.auth).problem_with(PUBLIC)
        assert check(by_hand({"alg": "HS256"}, claims(), key=PUBLIC.encode()), secret=PUBLIC).code == "secret_unusable"


class TestHeader:
    @pytest.mark.parametrize(
        "more",
        [
            {"kid": "../../dev/null"},
            {"kid": "' UNION SELECT 'x"},
            {"jku": "https://evil.example.com/keys"},
            {"x5u": "https://evil.example.com/certificate"},
            {"jwk": {"kty": "oct", "k": "AAAA"}},
            {"x5c": ["AAAA"]},
        ],
    )
    def test_s_word_on_where_the_key_is_does_not_count(self, more):
        """RFC 8725, 3.10: the key is the webhook's; nothing is opened or fetched."""
        assert check(by_hand({"alg": "HS256", **more}, claims())).is_genuine
        assert not check(by_hand({"alg": "HS256", **more}, claims(), key=b"")).is_genuine

    @pytest.mark.parametrize("more", [{"crit": ["exp"]}, {"crit": "b64"}, {"b64": False, "crit": ["b64"]}, {"kid": 7}])
    def test_that_asks_for_what_is_not_understood_is_refused(self, more):
        """RFC 7515, 4.1.11"""
        assert not check(by_hand({"alg": "HS256", **more}, claims())).is_genuine

    def test_is_the_one_of_the_settings(self):
        token = jwt.encode(claims(), PRIVATE, algorithm="RS256")

        assert RS256.check({"x-token": token}).is_genuine
        assert RS256.check({"authorization": f"Bearer {token}"}).code == "token_missing"
        assert RS256.check({"x-token": f"Bearer {token}"}).code == "token_missing"


class TestClaims:
    @pytest.mark.parametrize("name", ["iss", "aud", "exp"])
    def test_that_must_be_there_are_missed(self, name):
        assert check(with_claims(**{name: None})).code == "claims_wrong"

    @pytest.mark.parametrize(
        "more",
        [
            {"iss": "https://issuer.example.com/"},
            {"iss": "HTTPS://ISSUER.EXAMPLE.COM"},
            {"iss": [ISSUER]},
            {"iss": {"a": ISSUER}},
            {"aud": "other"},
            {"aud": ["other", "more"]},
            {"aud": []},
            {"aud": [AUDIENCE, 7]},
            {"aud": {AUDIENCE: True}},
            {"exp": "2999-01-01"},
            {"exp": "32503680000"},
            {"exp": True},
            {"exp": [32503680000]},
            {"exp": 1e300},
            {"exp": float("nan")},
            {"exp": float("inf")},
            {"exp": int("9" * 300)},
            {"nbf": "now"},
            {"iat": {}},
            {"jti": 7},
            {"sub": 7},
        ],
    )
    def test_that_are_not_what_is_asked_for_are_refused(self, more):
        assert not check(with_claims(**more)).is_genuine

    def test_an_audience_may_be_one_of_several(self):
        assert check(with_claims(aud=["other", AUDIENCE])).is_genuine

    @pytest.mark.parametrize("name", ["nbf", "iat"])
    @pytest.mark.parametrize(("later", "code"), [(0, ""), (60, ""), (61, "token_not_yet"), (86400, "token_not_yet")])
    def test_a_token_of_the_future_is_refused(self, name, later, code):
        """S-WH-4"""
        moment = int((NOON + timedelta(seconds=later)).timestamp())

        assert check(with_claims(**{name: moment})).code == code

    def test_a_token_is_known_by_its_jti_and_without_one_by_the_sender_s_key(self):
        token = with_claims(jti=None)

        assert check(with_claims(jti="abc")).delivery_id == "abc"
        assert check(token).delivery_id is None
        request = Request({"authorization": f"Bearer {token}", "idempotency-key": "k-1"})
        assert verify(scheme_of(HS256.auth), [SECRET], request, NOON).delivery_id == "k-1"


class TestForm:
    TOKEN = with_claims()

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "a",
            "a.b",
            "a.b.c",
            "..",
            TOKEN + ".",
            TOKEN + ".AAAA",
            TOKEN + "=",
            "." + TOKEN,
            TOKEN.replace(".", "..", 1),
            TOKEN[:-1] + ("A" if TOKEN[-1] not in "ABCD" else "Q"),
            f"{encoded([1])}.{encoded(claims())}.AAAA",
            by_hand({"alg": "HS256"}, "text"),
            by_hand({"alg": "HS256"}, [claims()]),
            by_hand([], claims()),
            json.dumps({"payload": "x", "signatures": []}),
        ],
    )
    def test_that_is_no_token_s_is_refused(self, token):
        assert not check(token).is_genuine

    def test_a_token_in_the_token_s_other_writing_is_refused(self):
        """The last character of a signature of 32 bytes has two bits that mean nothing; both must be nought."""
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        last = alphabet.index(self.TOKEN[-1])

        assert not check(self.TOKEN[:-1] + alphabet[last ^ 1]).is_genuine


class TestReason:
    def test_with_several_secrets_is_that_of_the_one_that_has_signed(self):
        verdict = HS256.check({"authorization": f"Bearer {with_claims(aud='other')}"}, secrets=(OTHER, SECRET, OTHER))

        assert verdict.code == "claims_wrong"


class TestPublicKey:
    @pytest.mark.parametrize(
        ("secret", "word"),
        [
            (PRIVATE, "private"),
            (pair("short", 1024)[1], "1024 bits"),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "PEM"),
            (PUBLIC.replace("PUBLIC KEY", "CERTIFICATE"), "PEM"),
            ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ", "PEM"),
            (SECRET, "PEM"),
        ],
    )
    def test_that_is_none_is_refused_with_the_reason(self, secret, word):
        assert word in scheme_of(RS256.auth).problem_with(secret)

    def test_is_made_by_whoever_signs(self):
        assert scheme_of(RS256.auth).made_by
        assert not scheme_of(HS256.auth).made_by
