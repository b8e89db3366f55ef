"""S-API-1: opaque keys of 256 random bits, stored as a digest."""

from __future__ import annotations

import math

import pytest

from projects import keys


def test_a_key_has_256_bits_and_tells_its_prefix():
    key, prefix = keys.new_key()

    name, key_prefix, secret, checksum = key.split("_")
    assert (name, key_prefix) == ("segue", prefix)
    assert len(secret) * math.log2(len(keys.ALPHABET)) >= 256
    assert len(checksum) == 6


def test_no_two_keys_are_alike():
    assert len({keys.new_key() for _ in range(1000)}) == 1000


def test_the_prefix_is_found_again():
    key, prefix = keys.new_key()

    assert keys.prefix_of(key) == prefix


@pytest.mark.parametrize(
    "mistake",
    [
        lambda key: key[:-1],
        lambda key: key[:-1] + ("0" if key[-1] != "0" else "1"),
        lambda key: key.swapcase(),
        lambda key: key + "_",
        lambda key: "x" + key,
        lambda key: key.replace("segue", "token"),
        lambda key: "",
        lambda key: "segue_",
        lambda key: "\u017f" + key[1:],
        lambda key: key + "\x00",
    ],
)
def test_a_mistyped_key_is_recognised_without_asking_the_database(mistake):
    key, _ = keys.new_key()

    assert keys.prefix_of(mistake(key)) is None


def test_a_key_fits_its_own_digest_alone():
    key, _ = keys.new_key()
    other, _ = keys.new_key()

    assert keys.is_key_of(key, keys.digest_of(key))
    assert not keys.is_key_of(other, keys.digest_of(key))
