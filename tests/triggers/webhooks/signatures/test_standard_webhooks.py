"""Standard Webhooks v1: the official vector, the lists of cases of the reference packages, and what they let through."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from triggers.webhooks.signatures import Request, scheme_of, verify
from triggers.webhooks.signatures.made_here import new_secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another key of 32 bytes, exactly").decode()
BODY = b'{"test": 2432232314}'
SIGNED_AT = datetime.fromtimestamp(1614265330, UTC)
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
SIGNATURE = HEADERS["webhook-signature"]
STRANGE_SIGNATURE = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="


def check(secrets=(SECRET,), headers=HEADERS, body=BODY, now=SIGNED_AT):
    return verify(scheme_of({"scheme": "standard_webhooks"}), list(secrets), Request(headers, body), now)


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in HEADERS.items() if key != name}


class TestGenuine:
    def test_the_official_vector(self):
        verdict = check()

        assert verdict.is_genuine
        assert verdict.delivery_id == "msg_p5jXN8AQM9LWM0D4loKWxJek"

    def test_what_the_reference_package_signs(self):
        secret = new_secret()
        headers = HEADERS | {"webhook-signature": Webhook(secret).sign("msg_1", SIGNED_AT, BODY.decode())}

        assert check([secret], headers | {"webhook-id": "msg_1"}).is_genuine

    def test_one_right_signature_among_several(self):
        signatures = f"{STRANGE_SIGNATURE} v2,{SIGNATURE[3:]} {SIGNATURE} {STRANGE_SIGNATURE}"

        assert check(headers=HEADERS | {"webhook-signature": signatures}).is_genuine

    @pytest.mark.parametrize("secrets", [[SECRET, OTHER_SECRET], [OTHER_SECRET, SECRET]])
    def test_either_of_two_live_secrets(self, secrets):
        """S-WH-8"""
        assert check(secrets).is_genuine

    def test_a_secret_without_its_prefix(self):
        assert check([SECRET.removeprefix("whsec_")]).is_genuine

    def test_a_body_that_is_no_text(self):
        body = b"\xff\x00\xfe"
        key = base64.b64decode(SECRET.removeprefix("whsec_"))
        signature = base64.b64encode(hmac.digest(key, b"msg_1.1614265330." + body, "sha256")).decode()

        headers = HEADERS | {"webhook-id": "msg_1", "webhook-signature": f"v1,{signature}"}
        assert check(headers=headers, body=body).is_genuine

    @pytest.mark.parametrize("seconds", [-300, 300])
    def test_five_minutes_off_to_either_side(self, seconds):
        """S-WH-4"""
        assert check(now=SIGNED_AT + timedelta(seconds=seconds)).is_genuine


class TestRefused:
    """S-WH-3: anything that is not exactly right is refused, and never an exception."""

    @pytest.mark.parametrize("name", list(HEADERS))
    def test_a_missing_header(self, name):
        assert check(headers=without(name)).code == "signature_malformed"

    @pytest.mark.parametrize("seconds", [-301, 301])
    def test_more_than_five_minutes_off(self, seconds):
        """S-WH-4"""
        assert check(now=SIGNED_AT + timedelta(seconds=seconds)).code == "timestamp_off"

    @pytest.mark.parametrize(
        "timestamp",
        [
            "",
            "hello",
            "1614265330.5",
            "-1614265330",
            "+1614265330",
            "1e9",
            " 1614265330",
            "٣",
            "9" * 13,
            "nan",
            "inf",
            "1_6",
        ],
    )
    def test_a_timestamp_that_is_no_whole_number(self, timestamp):
        assert check(headers=HEADERS | {"webhook-timestamp": timestamp}).code == "signature_malformed"

    def test_another_timestamp_than_was_signed(self):
        assert check(headers=HEADERS | {"webhook-timestamp": "1614265331"}).code == "signature_wrong"

    def test_another_id_than_was_signed(self):
        assert check(headers=HEADERS | {"webhook-id": "msg_other"}).code == "signature_wrong"

    @pytest.mark.parametrize("delivery_id", ["", "a.b", "a b", "é", "\x00", "x" * 201])
    def test_an_id_that_could_be_read_in_two_ways(self, delivery_id):
        assert check(headers=HEADERS | {"webhook-id": delivery_id}).code == "signature_malformed"

    def test_another_body(self):
        assert check(body=BODY + b" ").code == "signature_wrong"

    def test_another_secret(self):
        assert check([OTHER_SECRET]).code == "signature_wrong"

    @pytest.mark.parametrize(
        "signature",
        [
            "",
            " ",
            "v1",
            "v1,",
            ",",
            SIGNATURE[:-8],  # A prefix of the right one (CVE-2024-21491).
            SIGNATURE[:3] + base64.b64encode(base64.b64decode(SIGNATURE[3:])[:31]).decode(),
            SIGNATURE[3:],  # No version.
            SIGNATURE + ",",
            SIGNATURE.replace(",", ",,"),
            SIGNATURE.replace(",", ", "),
            f"{SIGNATURE[:10]}!{SIGNATURE[10:]}",  # Junk that a lenient decoder skips.
            SIGNATURE.rstrip("="),
            SIGNATURE + "=",
            SIGNATURE.replace("+", "-").replace("/", "_"),
            SIGNATURE.replace("OE=", "OF="),  # Other bits that a lenient decoder drops.
            f" {SIGNATURE}",
            f"{SIGNATURE}  {SIGNATURE}",
            f"{SIGNATURE}\t{SIGNATURE}",
            "v1,é",
            "v1,\ud800",
        ],
    )
    def test_a_signature_that_is_malformed(self, signature):
        assert check(headers=HEADERS | {"webhook-signature": signature}).code == "signature_malformed"

    @pytest.mark.parametrize("signature", [STRANGE_SIGNATURE, "v2," + SIGNATURE[3:], "v1a," + SIGNATURE[3:]])
    def test_a_signature_that_proves_nothing(self, signature):
        assert check(headers=HEADERS | {"webhook-signature": signature}).code == "signature_wrong"

    def test_more_than_eight_signatures(self):
        assert check(headers=HEADERS | {"webhook-signature": " ".join([SIGNATURE] * 8)}).is_genuine
        assert not check(headers=HEADERS | {"webhook-signature": " ".join([SIGNATURE] * 9)}).is_genuine

    def test_a_header_of_more_than_four_kilobytes(self):
        filler = f" v2,{'x' * (4096 - len(SIGNATURE) - 4)}"

        assert check(headers=HEADERS | {"webhook-signature": SIGNATURE + filler}).is_genuine
        assert not check(headers=HEADERS | {"webhook-signature": SIGNATURE + filler + "x"}).is_genuine

    def test_everything_while_no_secret_is_set(self):
        """S-WH-2"""
        assert check([]).code == "secret_not_set"

    @pytest.mark.parametrize("secret", ["whsec_", "whsec_short", "It's a Secret to Everybody", "whsec_" + "A" * 88])
    def test_everything_while_the_secret_is_one_of_another_scheme(self, secret):
        """S-WH-2"""
        assert check([secret]).code == "secret_unusable"


class TestNewSecret:
    def test_is_a_key_of_32_random_bytes_that_the_scheme_takes(self):
        secret = new_secret()

        assert scheme_of({"scheme": "standard_webhooks"}).problem_with(secret) is None
        assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
        assert new_secret() != secret
