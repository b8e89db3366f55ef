"""S-SEC-4, S-SEC-5, S-SEC-7: secrets go only where they may, and what was filled in does not come back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from projects.masking import MASK, Masker
from tests.workflows.http.servers import Answering, response
from workflows.http import Door
from workflows.http.errors import SecretNotAllowed
from workflows.http.secrets import FilledIn, Secret, Secrets, bound_by

VALUES = {"⟦A⟧": 's3cret/+"quoted"', "⟦B⟧": "hunter2"}


@dataclass
class World:
    """A context with two secrets."""

    masker: Masker = field(default_factory=Masker)

    def fill_secrets(self, text: str) -> str:
        for placeholder, value in VALUES.items():
            if placeholder in text:
                self.masker.add(value)
                text = text.replace(placeholder, value)
        return text


@pytest.fixture
def secrets():
    return Secrets(World())


class TestSecrets:
    def test_fills_texts_wherever_they_stand(self, secrets):
        value = {"a": ["x ⟦A⟧ y", 1, None, True, {"b": "⟦B⟧"}], "c": "plain"}

        assert secrets.fill(value) == {"a": ['x s3cret/+"quoted" y', 1, None, True, {"b": "hunter2"}], "c": "plain"}

    def test_masks_what_was_filled_in(self, secrets):
        secrets.fill({"header": "Bearer ⟦A⟧", "body": "⟦B⟧"})

        assert secrets.mask({"echo": ["hunter2!", 'a s3cret/+"quoted" b', 5], "hunter2": None}) == {
            "echo": [f"{MASK}!", f"a {MASK} b", 5],
            MASK: None,
        }

    def test_masks_each_of_two_in_one_text(self, secrets):
        secrets.fill("⟦A⟧:⟦B⟧")

        assert secrets.mask('hunter2 and s3cret/+"quoted"') == f"{MASK} and {MASK}"

    def test_masks_nothing_that_was_not_used(self, secrets):
        secrets.fill("no placeholder, hunter2")

        assert secrets.mask("hunter2") == "hunter2"

    def test_masks_what_was_got_for_a_secret(self, secrets):
        secrets.remember("an-access-token")

        assert secrets.mask("Bearer an-access-token") == f"Bearer {MASK}"


def filled_in(*hosts: str) -> FilledIn:
    found = FilledIn()
    found.note(Secret("API_TOKEN", "t0ken-of-alice", hosts))
    return found


class TestAllowedHosts:
    """[S-SEC-5]"""

    def test_let_a_secret_go_where_it_may(self, door):
        with Answering(response(200, b"ok")) as server, bound_by(filled_in("127.0.0.1")):
            assert door.request("GET", server.url()).status == 200

    def test_send_nothing_elsewhere(self, door):
        with Answering(response(200, b"ok")) as server, bound_by(filled_in("api.example.com", "*.example.org")):
            with pytest.raises(
                SecretNotAllowed, match=r"`API_TOKEN` may only be sent to api.example.com, \*.example.org"
            ):
                door.request("GET", server.url())
            assert server.received == []

    def test_hold_for_redirects(self, door):
        with Answering(response(200, b"ok")) as elsewhere:
            with (
                Answering(response(302, location=elsewhere.url(host="localhost"))) as server,
                bound_by(filled_in("127.0.0.1")),
                pytest.raises(SecretNotAllowed),
            ):
                door.request("GET", server.url())
            assert elsewhere.received == []

    def test_are_those_of_all_secrets_together(self, door):
        both = filled_in("127.0.0.1", "api.example.com")
        both.note(Secret("OTHER", "0ther", ("api.example.com",)))

        with (
            Answering(response(200, b"ok")) as server,
            bound_by(both),
            pytest.raises(SecretNotAllowed, match="`OTHER`"),
        ):
            door.request("GET", server.url())

    def test_end_with_the_node_run(self, door):
        with Answering(response(200, b"ok")) as server:
            with bound_by(filled_in("api.example.com")):
                pass
            assert door.request("GET", server.url()).status == 200

    def test_do_not_show_the_secret(self):
        assert "t0ken" not in repr(Secret("API_TOKEN", "t0ken-of-alice"))


def test_the_door_without_secrets_goes_anywhere(door: Door):
    with Answering(response(200, b"ok")) as server:
        assert door.request("GET", server.url()).status == 200
