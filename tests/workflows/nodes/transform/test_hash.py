"""Hashes and HMACs, against the vectors of their standards."""

from __future__ import annotations

import base64

import pytest

from tests.workflows.nodes.runs import FakeContext
from tests.workflows.nodes.transform.stepping import failure, problems, result


class TestHash:
    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            # FIPS 180-4 and RFC 1321: of "abc".
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "sha384",
                "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            ),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ],
    )
    def test_is_that_of_the_standard(self, algorithm, expected):
        assert result("abc", "hash", algorithm=algorithm) == expected

    @pytest.mark.parametrize(
        ("encode", "expected"),
        [
            ("hex", "d41d8cd98f00b204e9800998ecf8427e"),
            ("base64", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("base64url", "1B2M2Y8AsgTpgAmY7PhCfg"),
        ],
    )
    def test_is_written_as_it_is_told(self, encode, expected):
        assert result("", "hash", algorithm="md5", encode=encode) == expected

    def test_reads_bytes(self):
        assert result(base64.b64encode(b"abc").decode(), "hash", encoded="base64") == result("abc", "hash")
        assert result("ü", "hash") == result("c3bc", "hash", encoded="hex")

    @pytest.mark.parametrize("value", [5, {}, [1], True])
    def test_is_of_text_alone(self, value):
        assert failure([value], "hash").code == "wrong_type"


class TestHmac:
    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            # RFC 4231, test case 2.
            ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "sha512",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            # RFC 2202, test case 2.
            ("md5", "750c783e6ab0b503eaa86e310a5db738"),
        ],
    )
    def test_is_that_of_the_standard(self, algorithm, expected):
        text = "what do ya want for nothing?"

        assert result(text, "hash", key="Jefe", algorithm=algorithm) == expected
        assert result(text, "hash", key="SmVmZQ==", key_encoded="base64", algorithm=algorithm) == expected

    def test_fills_the_secret_in_when_it_is_computed(self):
        class Filling(FakeContext):
            def fill_secrets(self, text):
                return "Jefe" if text == "placeholder" else text

        context = Filling(roots={"vars": {"KEY": "placeholder"}})

        signed = result("what do ya want for nothing?", "hash", key="{{ vars.KEY }}", context=context)

        assert signed == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

    def test_says_nothing_of_a_key_that_makes_no_sense(self):
        error = failure("x", "hash", key="hunter2!", key_encoded="hex")

        assert error.code == "invalid_encoding"
        assert "hunter" not in error.message

    def test_takes_no_empty_key(self):
        assert failure("x", "hash", key="{{ '' }}").code == "empty_key"


class TestConfig:
    @pytest.mark.parametrize(
        ("step", "found"),
        [
            ({"key": "{{ secret('API_KEY') }}"}, [("unknown_variable", "/key")]),
            ({"field": "{{ secret('API_KEY') }}"}, [("expression_forbidden", "/field")]),
            ({"algorithm": "crc32"}, [("invalid_choice", "/algorithm")]),
        ],
    )
    def test_is_checked_before_it_runs(self, step, found):
        assert problems(operation="hash", **step) == found

    def test_is_the_only_place_for_a_secret(self):
        assert problems(operation="set", fields={"a": "{{ secret('API_KEY') }}"}) == [
            ("not_available_here", "/fields/a")
        ]
        assert problems(operation="map", to={"key": "{{ secret('API_KEY') }}"}) == [("not_available_here", "/to/key")]
