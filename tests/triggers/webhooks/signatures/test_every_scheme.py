"""Every scheme against every fault: the right proof gets in, and nothing else does (S-WH-2, S-WH-3, S-WH-4, S-WH-8)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.clock import NOON
from tests.triggers.webhooks.signatures.schemes import BY_NAME, CASES, SIGNED, TIMED, Case, hs256, seconds
from triggers.webhooks.signatures import holes_in, known_schemes, scheme_of

SECOND = timedelta(seconds=1)


def reencoded(case: Case, value: str) -> str:
    """Return a proof in the other encoding."""
    text = value.removeprefix(case.prefix)
    if case.encoding == "hex":
        return case.prefix + base64.b64encode(bytes.fromhex(text)).decode()
    return case.prefix + base64.b64decode(text).hex()


def swapped(case: Case, value: str) -> str:
    """Return a proof with large letters for small ones, and the other way round."""
    return case.prefix + value.removeprefix(case.prefix).swapcase()


# What is done to the header that holds the proof. All of it must be refused.
FAULTS: dict[str, Callable[[Case, str], str]] = {
    "empty": lambda case, value: "",
    "only the prefix": lambda case, value: case.prefix,
    "one character shorter": lambda case, value: value[:-1],
    "eight characters shorter": lambda case, value: value[:-8],
    "half": lambda case, value: value[: len(value) // 2],
    "one character longer": lambda case, value: value + "0",
    "doubled": lambda case, value: f"{value},{value}",
    "doubled with a space": lambda case, value: f"{value}, {value}",
    "not ASCII": lambda case, value: value + "é",
    "digits of another script": lambda case, value: value[:-1] + "٣",
    "half a surrogate": lambda case, value: value[:-1] + "\ud800",
    "a space before": lambda case, value: f" {value}",
    "a space after": lambda case, value: f"{value} ",
    "a line break after": lambda case, value: f"{value}\n",
    "a tab inside": lambda case, value: f"{value[:-5]}\t{value[-5:]}",
    "NUL inside": lambda case, value: f"{value[:-5]}\x00{value[-5:]}",
    "in quotes": lambda case, value: f'"{value}"',
    "the other case": swapped,
    "without its prefix, twice as long": lambda case, value: value.removeprefix(case.prefix) * 2,
    "more than four kilobytes": lambda case, value: value + "0" * 4096,
}


class TestRight:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_gets_in_and_is_known_by_its_id(self, case):
        verdict = case.check()

        assert verdict.is_genuine
        assert verdict.delivery_id == case.delivery_id

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_gets_in_with_either_of_two_live_secrets_and_tells_which(self, case):
        """S-WH-8"""
        assert case.check(secrets=(case.other, case.secret)).secret == 1
        assert case.check(secrets=(case.secret, case.other)).secret == 0
        assert case.check(case.headers(secret=case.other), secrets=(case.secret, case.other)).secret == 1

    @pytest.mark.parametrize("case", TIMED, ids=str)
    @pytest.mark.parametrize("side", [-1, 1])
    def test_gets_in_at_the_edge_of_its_time(self, case, side):
        """S-WH-4"""
        assert case.check(now=NOON + side * case.tolerance * SECOND).is_genuine

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_is_one_that_our_own_side_makes_too(self, case):
        if case.name == "jwt RS256":
            pytest.skip("there only the other side can sign")

        headers = scheme_of(case.auth).sign(case.secret, case.request({}), NOON)

        assert case.check(headers).is_genuine

    @pytest.mark.parametrize("case", [each for each in SIGNED if each.name != "standard_webhooks"], ids=str)
    def test_gets_in_without_a_body(self, case):
        assert case.check(case.headers(body=b""), body=b"").is_genuine


class TestWrong:
    @pytest.mark.parametrize("case", CASES, ids=str)
    @pytest.mark.parametrize("fault", FAULTS)
    def test_proof_that_is_not_exactly_right_is_refused(self, case, fault):
        """S-WH-3"""
        headers = case.headers()
        headers[case.proof] = FAULTS[fault](case, headers[case.proof])

        verdict = case.check(headers)

        assert not verdict.is_genuine
        assert verdict.code
        assert verdict.message

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_proof_that_is_missing_is_refused(self, case):
        """S-WH-2"""
        headers = case.headers()
        del headers[case.proof]

        assert not case.check(headers).is_genuine
        assert not case.check({}).is_genuine

    @pytest.mark.parametrize("case", [case for case in CASES if case.encoding], ids=str)
    def test_proof_in_another_encoding_is_refused(self, case):
        headers = case.headers()
        headers[case.proof] = reencoded(case, headers[case.proof])

        assert not case.check(headers).is_genuine

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_secret_is_refused(self, case):
        assert case.check(case.headers(secret=case.other)).code in {
            "signature_wrong",
            "token_wrong",
            "credentials_wrong",
        }

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_secret_that_was_rotated_away_is_refused(self, case):
        """S-WH-8"""
        assert not case.check(secrets=(case.other,)).is_genuine

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_secret_that_is_not_set_or_empty_lets_nothing_in(self, case):
        """S-WH-2"""
        assert case.check(secrets=()).code == "secret_not_set"
        assert case.check(secrets=("",)).code == "secret_not_set"
        assert case.check(secrets=(case.secret, "")).code == "secret_not_set"

    @pytest.mark.parametrize("case", [case for case in SIGNED if case.name != "standard_webhooks"], ids=str)
    def test_signature_under_the_empty_secret_is_refused(self, case):
        """S-WH-2"""
        headers = scheme_of(case.auth).sign("", case.request({}), NOON)

        assert not case.check(headers, secrets=("",)).is_genuine

    @pytest.mark.parametrize("case", SIGNED, ids=str)
    @pytest.mark.parametrize("body", [b"", b"{}", BY_NAME["github"].body + b" ", BY_NAME["github"].body[:-1]])
    def test_body_is_refused(self, case, body):
        assert case.check(body=body).code == "signature_wrong"

    @pytest.mark.parametrize("case", TIMED, ids=str)
    @pytest.mark.parametrize("side", [-1, 1])
    def test_time_is_refused_however_well_it_is_signed(self, case, side):
        """S-WH-4: old, and from the future."""
        assert case.check(now=NOON + side * (case.tolerance + 1) * SECOND).code == "timestamp_off"

    @pytest.mark.parametrize("case", TIMED, ids=str)
    def test_time_that_was_not_signed_is_refused(self, case):
        """S-WH-4: an old request is not made young by its header."""
        old, moved = NOON - timedelta(days=1), {}
        for name, value in case.headers(at=old).items():
            moved[name] = value.replace(seconds(old), seconds(NOON))

        assert case.check(moved).code == "signature_wrong"

    @pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith("jwt")], ids=str)
    @pytest.mark.parametrize(
        ("later", "code"), [(301, ""), (359, ""), (361, "token_expired"), (86400, "token_expired")]
    )
    def test_token_that_has_ended_is_refused(self, case, later, code):
        """S-WH-4"""
        assert case.check(now=NOON + later * SECOND).code == code


class TestSecrets:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_that_are_right_are_taken(self, case):
        assert scheme_of(case.auth).problem_with(case.secret) is None

    @pytest.mark.parametrize("case", CASES, ids=str)
    @pytest.mark.parametrize("secret", ["", "short", "x" * 20_000, "\x00" * 40, "two\nlines of a text that is long"])
    def test_that_cannot_be_right_are_refused_with_a_sentence(self, case, secret):
        problem = scheme_of(case.auth).problem_with(secret)

        assert problem is not None
        assert problem.endswith(".")

    @pytest.mark.parametrize("case", [case for case in CASES if case.name != "jwt RS256"], ids=str)
    def test_that_are_made_here_are_right_and_new(self, case):
        scheme = scheme_of(case.auth)

        assert scheme.problem_with(scheme.new_secret()) is None
        assert scheme.new_secret() != scheme.new_secret()

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_headers_that_prove_something_are_known_as_private(self, case):
        assert case.proof in scheme_of(case.auth).secret_headers


class TestTable:
    def test_has_every_scheme(self):
        assert {case.auth["scheme"] for case in CASES} == set(known_schemes()) - {"none"}

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_says_of_each_what_the_scheme_says_of_itself(self, case):
        scheme = scheme_of(case.auth)

        assert (scheme.signs_body, scheme.signs_time) == (case.signs_body, case.tolerance is not None)


class TestHoles:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_no_scheme_has_any(self, case):
        """S-WH-2"""
        assert holes_in(scheme_of(case.auth), case.secret, NOON) == []
        assert holes_in(scheme_of(case.auth), None, NOON) == []


def test_a_token_of_hs256_needs_no_more_than_32_bytes():
    case = BY_NAME["jwt HS256"]

    assert case.check(hs256("x" * 32, b"", NOON), secrets=("x" * 32,)).is_genuine
    assert case.check(hs256("x" * 32, b"", NOON), secrets=("x" * 31,)).code == "secret_unusable"
