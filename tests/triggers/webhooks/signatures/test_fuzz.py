"""Whatever a caller sends, a verifier answers; and nothing but the very thing that was signed is genuine (S-WH-3)."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from triggers.webhooks.signatures import scheme_of, verify
from triggers.webhooks.signatures.base import Verdict

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"amount": 12}'

AUTHS = [
    {"scheme": "standard_webhooks"},
    {"scheme": "github"},
    {"scheme": "bearer"},
    {"scheme": "header", "header": "X-Token"},
]
GENUINE = {
    "standard_webhooks": {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOON.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", NOON, BODY.decode()),
    },
    "github": {"x-hub-signature-256": f"sha256={hmac.digest(SECRET.encode(), BODY, 'sha256').hex()}"},
    "bearer": {"authorization": f"Bearer {SECRET}"},
    "header": {"x-token": SECRET},
}
ANY_TEXT = st.text(st.characters(codec=None), max_size=100)
AUTH = st.sampled_from(AUTHS)


def mutations(text: str) -> st.SearchStrategy[str]:
    """Return texts that differ from one in a single place: a character changed, removed, put in, or the end cut off."""
    places = st.integers(0, len(text))
    return st.one_of(
        st.builds(lambda at, new: text[:at] + new + text[at + 1 :], places, st.characters(codec=None)),
        st.builds(lambda at, new: text[:at] + new + text[at:], places, st.characters(codec=None)),
        st.builds(lambda at: text[:at] + text[at + 1 :], places),
        st.builds(lambda at: text[:at], places),
    )


def test_the_genuine_ones_are_genuine():
    for auth in AUTHS:
        assert verify(scheme_of(auth), [SECRET], GENUINE[auth["scheme"]], BODY, NOON).is_genuine


@settings(max_examples=500, deadline=None)
@given(auth=AUTH, values=st.lists(ANY_TEXT, min_size=3, max_size=3), secret=ANY_TEXT, body=st.binary(max_size=100))
def test_no_input_is_an_exception(auth, values, secret, body):
    headers = dict(zip(GENUINE[auth["scheme"]], values, strict=False))

    verdict = verify(scheme_of(auth), [secret.encode(errors="replace").decode()], headers, body, NOON)

    assert isinstance(verdict, Verdict)


@settings(max_examples=1000, deadline=None)
@given(auth=AUTH, data=st.data())
def test_no_mutation_of_a_header_is_genuine(auth, data):
    genuine = GENUINE[auth["scheme"]]
    name = data.draw(st.sampled_from(sorted(genuine)))
    value = data.draw(mutations(genuine[name]))
    assume(value != genuine[name])
    # "bearer" may be written in any case and be followed by any number of spaces: RFC 9110, 11.1.
    assume(auth["scheme"] != "bearer" or value.lower().split() != genuine[name].lower().split() or SECRET not in value)

    assert not verify(scheme_of(auth), [SECRET], genuine | {name: value}, BODY, NOON).is_genuine


@settings(max_examples=300, deadline=None)
@given(auth=st.sampled_from(AUTHS[:2]), body=st.binary(max_size=40))
def test_no_other_body_is_genuine(auth, body):
    assume(body != BODY)

    assert not verify(scheme_of(auth), [SECRET], GENUINE[auth["scheme"]], body, NOON).is_genuine
