"""S-SEC-4, S-SEC-7: what was filled in does not come back."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from workflows.http.secrets import MASK, Secrets

VALUES = {"⟦A⟧": 's3cret/+"quoted"', "⟦B⟧": "hunter2", "⟦SHORT⟧": "abc"}


def fill(text):
    for placeholder, value in VALUES.items():
        text = text.replace(placeholder, value)
    return text


@pytest.fixture
def secrets():
    return Secrets(fill)


class TestFill:
    def test_fills_texts_wherever_they_stand(self, secrets):
        value = {"a": ["x ⟦A⟧ y", 1, None, True, {"b": "⟦B⟧"}], "c": "plain"}

        assert secrets.fill(value) == {"a": ['x s3cret/+"quoted" y', 1, None, True, {"b": "hunter2"}], "c": "plain"}


class TestMask:
    def test_masks_what_was_filled_in(self, secrets):
        secrets.fill({"header": "Bearer ⟦A⟧", "body": "⟦B⟧"})

        assert secrets.mask({"echo": ["hunter2!", 'a s3cret/+"quoted" b', 5], "hunter2": None}) == {
            "echo": [f"{MASK}!", f"a {MASK} b", 5],
            MASK: None,
        }

    @pytest.mark.parametrize("spelled", [lambda text: json.dumps(text)[1:-1], lambda text: quote(text, safe="")])
    def test_masks_it_in_its_usual_spellings(self, secrets, spelled):
        secrets.fill("⟦A⟧")

        assert secrets.mask(f"<{spelled(VALUES['⟦A⟧'])}>") == f"<{MASK}>"

    def test_masks_nothing_that_was_not_used(self, secrets):
        secrets.fill("no placeholder, hunter2")

        assert secrets.mask("hunter2") == "hunter2"

    def test_leaves_alone_what_is_too_short_to_be_told_from_text(self, secrets):
        secrets.fill("⟦SHORT⟧")

        assert secrets.mask("abcdef") == "abcdef"

    def test_masks_what_was_made_from_secrets(self, secrets):
        secrets.remember("dXNlcjpwYXNz")

        assert secrets.mask("Basic dXNlcjpwYXNz") == f"Basic {MASK}"
