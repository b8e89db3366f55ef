"""Whatever a caller sends, a verifier answers; and nothing but the very thing that was signed is genuine (S-WH-3)."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.clock import NOON
from tests.triggers.webhooks.signatures.schemes import CASES, SIGNED
from triggers.webhooks.signatures import Request, scheme_of, verify
from triggers.webhooks.signatures.base import Verdict

ANY_TEXT = st.text(st.characters(codec=None), max_size=100)
CASE = st.sampled_from(CASES)
# Signing with RSA a thousand times would be all that these tests do.
HEADERS = {case.name: case.headers() for case in CASES}
# "Bearer" and "Basic" may be written in any case and be followed by any number of spaces: RFC 9110, 11.1.
LENIENT = ("bearer", "basic", "jwt HS256")


def mutations(text: str) -> st.SearchStrategy[str]:
    """Return texts that differ from one in a single place: a character changed, removed, put in, or the end cut off."""
    places = st.integers(0, len(text))
    return st.one_of(
        st.builds(lambda at, new: text[:at] + new + text[at + 1 :], places, st.characters(codec=None)),
        st.builds(lambda at, new: text[:at] + new + text[at:], places, st.characters(codec=None)),
        st.builds(lambda at: text[:at] + text[at + 1 :], places),
        st.builds(lambda at: text[:at], places),
    )


def flipped(data: bytes, bit: int) -> bytes:
    place, mask = bit // 8, 1 << bit % 8
    return data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


@settings(max_examples=500, deadline=None)
@given(case=CASE, values=st.lists(ANY_TEXT, min_size=4, max_size=4), secret=ANY_TEXT, body=st.binary(max_size=100))
def test_no_input_is_an_exception(case, values, secret, body):
    headers = dict(zip(HEADERS[case.name], values, strict=False))

    verdict = verify(scheme_of(case.auth), [secret.encode(errors="replace").decode()], Request(headers, body), NOON)

    assert isinstance(verdict, Verdict)


@settings(max_examples=500, deadline=None)
@given(case=CASE, data=st.data())
def test_no_token_of_any_form_is_an_exception(case, data):
    part = st.text(st.sampled_from("ABCabc012-_=+/.{}"), max_size=40)
    value = case.prefix + data.draw(st.builds(".".join, st.lists(part, max_size=4)))

    assert not case.check(HEADERS[case.name] | {case.proof: value}).is_genuine


@settings(max_examples=1000, deadline=None)
@given(case=CASE, data=st.data())
def test_no_mutation_of_a_proof_is_genuine(case, data):
    right = HEADERS[case.name]
    value = data.draw(mutations(right[case.proof]))
    assume(value != right[case.proof])
    if case.name in LENIENT:
        assume(
            value.lower().split(" ")[0] != case.prefix.strip().lower()
            or value.split()[-1] != right[case.proof].split()[-1]
        )

    assert not case.check(right | {case.proof: value}).is_genuine


@settings(max_examples=1000, deadline=None)
@given(case=CASE, data=st.data())
def test_no_proof_with_another_bit_is_genuine(case, data):
    value = HEADERS[case.name][case.proof]
    # The word before the proof is not a part of it.
    first = len(case.prefix) if case.name in LENIENT else 0
    bit = data.draw(st.integers(first * 8, len(value) * 8 - 1))

    other = flipped(value.encode(), bit).decode("latin-1")

    assert not case.check(HEADERS[case.name] | {case.proof: other}).is_genuine


@settings(max_examples=500, deadline=None)
@given(case=st.sampled_from(SIGNED), data=st.data())
def test_no_body_with_another_bit_is_genuine(case, data):
    body = flipped(case.body, data.draw(st.integers(0, len(case.body) * 8 - 1)))

    assert not case.check(HEADERS[case.name], body=body).is_genuine


@settings(max_examples=300, deadline=None)
@given(case=st.sampled_from(SIGNED), body=st.binary(max_size=40))
def test_no_other_body_is_genuine(case, body):
    assume(body != case.body)

    assert not case.check(HEADERS[case.name], body=body).is_genuine


@settings(max_examples=300, deadline=None)
@given(case=st.sampled_from([case for case in SIGNED if case.tolerance]), data=st.data())
def test_no_other_value_beside_the_body_is_genuine(case, data):
    right = HEADERS[case.name]
    # Slack names deliveries in the body, the others sign what their headers say.
    name = data.draw(st.sampled_from(sorted(right)))
    value = data.draw(mutations(right[name]))
    assume(value != right[name])

    assert not case.check(right | {name: value}).is_genuine
