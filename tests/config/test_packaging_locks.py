from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = {"base.txt": ["base.in"], "dev.txt": ["base.in", "dev.in"]}


def wanted(name: str) -> list[Requirement]:
    """Return what an input file asks for."""
    lines = (line.partition("#")[0].strip() for line in (REQUIREMENTS / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def entries(name: str) -> list[str]:
    """Return a lock's entries, each on one line with its hashes."""
    return (REQUIREMENTS / name).read_text().replace("\\\n", "").splitlines()


def pins(name: str) -> dict[str, str]:
    """Return the version that a lock pins for each package."""
    found = (Requirement(entry.partition("--hash")[0]) for entry in entries(name))
    return {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in found}


@pytest.mark.parametrize("lock", LOCKS)
class TestLocks:
    def test_pin_everything_exactly_and_by_hash(self, lock):
        for entry in entries(lock):
            assert re.match(r"\S+==\S+ ", entry), entry
            assert "--hash=sha256:" in entry, entry

    def test_hold_everything_that_is_asked_for_in_a_version_that_will_do(self, lock):
        pinned = pins(lock)

        for requirement in (each for name in LOCKS[lock] for each in wanted(name)):
            version = pinned.get(canonicalize_name(requirement.name))
            assert version, f"{requirement} is missing: run `make lock`"
            assert requirement.specifier.contains(version), f"{requirement} is locked as {version}: run `make lock`"

    def test_name_no_place_to_fetch_from(self, lock):
        assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", (REQUIREMENTS / lock).read_text())


class TestDevelopment:
    def test_runs_the_versions_that_production_runs(self):
        development = pins("dev.txt")

        assert {name: development.get(name) for name in pins("base.txt")} == pins("base.txt")
