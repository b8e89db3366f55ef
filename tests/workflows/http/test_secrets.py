"""S-SEC-4, S-SEC-5, S-SEC-7: secrets go only where they may, and what was filled in does not come back."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest

from projects.masking import MASK, Masker
from tests.workflows.http.servers import Answering, response
from workflows.http import Door, asks
from workflows.http.errors import BadRedirect, SecretNotAllowed
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

    def test_fills_keys(self, secrets):
        assert secrets.fill({"⟦B⟧": [{"⟦B⟧": 1}]}) == {"hunter2": [{"hunter2": 1}]}

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

    def test_hold_for_clients_of_other_protocols(self, door):
        with bound_by(filled_in("db.example.com")), pytest.raises(SecretNotAllowed):
            door.addresses("LOCALHOST", 5432)
        with bound_by(filled_in("localhost")):
            assert "127.0.0.1" in door.addresses("LOCALHOST", 5432)

    def test_end_with_the_node_run(self, door):
        with Answering(response(200, b"ok")) as server:
            with bound_by(filled_in("api.example.com")):
                pass
            assert door.request("GET", server.url()).status == 200

    def test_do_not_show_the_secret(self):
        assert "t0ken" not in repr(Secret("API_TOKEN", "t0ken-of-alice"))


class TestBodiesWithSecrets:
    """[S-SSRF-2]"""

    @pytest.mark.parametrize("body", [b'{"key": "t0ken-of-alice"}', b"dDBrZW4tb2YtYWxpY2U=", b"key=t0ken-of-alice&a=b"])
    def test_do_not_follow_a_redirect_to_another_origin(self, door, body):
        with Answering(response(200, b"ok")) as elsewhere:
            with (
                Answering(response(307, location=elsewhere.url())) as server,
                bound_by(filled_in()),
                pytest.raises(BadRedirect, match="holds a secret"),
            ):
                door.request("POST", server.url(), content=body)
            assert elsewhere.received == []

    def test_follow_one_at_the_same_origin(self, door):
        def answer(received):
            return response(308, location="/b") if received.target == "/a" else response(200, received.body)

        with Answering(answer) as server, bound_by(filled_in()):
            assert door.request("POST", server.url("/a"), content=b"t0ken-of-alice").body == b"t0ken-of-alice"

    @pytest.mark.parametrize(
        ("before", "after", "follows"),
        [
            ("http://api.example.com/a", "https://api.example.com/a", True),
            ("http://api.example.com/a", "https://www.example.com/a", False),
            ("http://api.example.com/a", "https://api.example.com:8443/a", False),
            ("http://api.example.com:8080/a", "https://api.example.com/a", False),
            ("http://api.example.com/a", "http://api.example.com:8080/a", False),
        ],
    )
    def test_follow_one_to_the_same_place_over_https(self, before, after, follows):
        ask = asks.build("POST", before, {}, b"t0ken-of-alice")

        with bound_by(filled_in()), nullcontext() if follows else pytest.raises(BadRedirect, match="holds a secret"):
            assert asks.redirected(ask, 308, after).content == b"t0ken-of-alice"

    def test_others_follow_it(self, door):
        with (
            Answering(lambda received: response(200, received.body)) as elsewhere,
            Answering(response(307, location=elsewhere.url())) as server,
            bound_by(filled_in()),
        ):
            assert door.request("POST", server.url(), content=b"a file").body == b"a file"


def test_the_door_without_secrets_goes_anywhere(door: Door):
    with Answering(response(200, b"ok")) as server:
        assert door.request("GET", server.url()).status == 200
