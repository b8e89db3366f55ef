"""The HMAC of one's own description: what may be said, and that nothing that is signed can be read in two ways."""

from __future__ import annotations

import base64
import hmac

import pytest

from tests.clock import NOON
from triggers.webhooks.signatures import Request, scheme_of, verify

SECRET = "a-secret-of-25-characters"
NOW = str(int(NOON.timestamp()))


def check(auth, headers, body=b"{}", **request):
    return verify(scheme_of({"scheme": "hmac", **auth}), [SECRET], Request(headers, body, **request), NOON)


def signature(signed: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.digest(SECRET.encode(), signed, algorithm)


class TestCheck:
    @pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
    @pytest.mark.parametrize("encoding", ["hex", "base64"])
    @pytest.mark.parametrize("prefix", ["", "sha=", "v1,"])
    def test_takes_every_algorithm_encoding_and_prefix(self, algorithm, encoding, prefix):
        value = signature(b"{}", algorithm)
        text = value.hex() if encoding == "hex" else base64.b64encode(value).decode()
        auth = {"header": "X-Signature", "algorithm": algorithm, "encoding": encoding, "prefix": prefix}

        assert check(auth, {"x-signature": prefix + text}).is_genuine
        assert not check(auth, {"x-signature": text if prefix else f"sha={text}"}).is_genuine

    @pytest.mark.parametrize("algorithm", ["sha1", "sha512"])
    def test_refuses_a_signature_by_another_algorithm(self, algorithm):
        headers = {"x-signature": signature(b"{}", algorithm).hex()}

        assert check({"header": "X-Signature"}, headers).code == "signature_malformed"

    def test_takes_the_signature_of_websub(self):
        """W3C WebSub, 7.1.2: X-Hub-Signature: method=signature."""
        auth = {"header": "X-Hub-Signature", "prefix": "sha256="}

        assert check(auth, {"x-hub-signature": f"sha256={signature(b'{}').hex()}"}).is_genuine

    def test_signs_the_path_and_the_method(self):
        auth = {"header": "X-Signature", "signed": "{method} {path}\n{body}"}
        headers = {"x-signature": signature(b"PUT /webhooks/a/b\n{}").hex()}

        assert check(auth, headers, method="PUT", path="/webhooks/a/b").is_genuine
        assert not check(auth, headers, method="POST", path="/webhooks/a/b").is_genuine
        assert not check(auth, headers, method="PUT", path="/webhooks/a/c").is_genuine

    def test_takes_a_signature_without_a_time_at_any_time(self):
        headers = {"x-signature": signature(b"{}").hex()}

        assert check({"header": "X-Signature"}, headers).is_genuine

    @pytest.mark.parametrize("timestamp", ["", "1e9", "-1", "1.5", "٣", "9" * 13])
    def test_refuses_a_time_that_is_no_whole_number(self, timestamp):
        auth = {"header": "X-Signature", "signed": "{timestamp}.{body}", "timestamp_header": "X-Time"}
        headers = {"x-time": timestamp, "x-signature": signature(f"{timestamp}.{{}}".encode()).hex()}

        assert check(auth, headers).code == "signature_malformed"

    def test_knows_a_delivery_by_the_signed_id(self):
        auth = {"header": "X-Signature", "signed": "{id}.{body}", "id_header": "X-Id"}
        headers = {"x-id": "msg-1", "x-signature": signature(b"msg-1.{}").hex()}

        assert check(auth, headers).delivery_id == "msg-1"


class TestAmbiguity:
    """What was signed as one text must not be readable as another one, with another id or another body."""

    def test_an_id_does_not_take_a_part_of_the_body(self):
        auth = {"header": "X-Signature", "signed": "{id}.{body}", "id_header": "X-Id"}
        headers = {"x-signature": signature(b"msg-1.a.b").hex()}

        assert check(auth, headers | {"x-id": "msg-1"}, b"a.b").is_genuine
        assert check(auth, headers | {"x-id": "msg-1.a"}, b"b").code == "signature_malformed"

    def test_a_query_does_not_take_a_part_of_the_body(self):
        auth = {"header": "X-Signature", "signed": "{path}?{query}?{body}"}
        headers = {"x-signature": signature(b"/w?a=1?b?c").hex()}

        assert check(auth, headers, b"b?c", path="/w", query="a=1").is_genuine
        assert check(auth, headers, b"c", path="/w", query="a=1?b").code == "signature_malformed"

    def test_a_time_does_not_take_a_digit_of_the_body(self):
        auth = {"header": "X-Signature", "signed": "{timestamp}{body}", "timestamp_header": "X-Time"}
        headers = {"x-signature": signature(f"{NOW}42".encode()).hex()}

        assert check(auth, headers | {"x-time": NOW}, b"42").is_genuine
        assert check(auth, headers | {"x-time": f"{NOW}4"}, b"2").code == "timestamp_off"
        assert check(auth, headers | {"x-time": NOW[:-1]}, f"{NOW[-1]}42".encode()).code == "timestamp_off"
