"""Tokens for people's accounts and for service accounts, from a server that checks what it gets."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from tests.workflows.http.servers import Answering, response
from tests.workflows.tools.calling import World, answer_json, call
from tests.workflows.tools.token_server import ACCOUNT, TokenServer, key_file, pem
from workflows.http.oauth import shared_cache
from workflows.nodes.base import NodeError
from workflows.tools.http_request.arguments import RequestArguments

SHEETS = "https://www.googleapis.com/auth/spreadsheets"


@dataclass
class Keeper(World):
    """A context that knows these secrets."""

    def __post_init__(self):
        self.secrets = {"CLIENT": "cl1ent-s3cret", "REFRESH": "refresh-1", **self.secrets}


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    yield
    shared_cache().forget()


def refreshing(login, **more):
    return {
        "type": "oauth2_refresh_token",
        "token_url": login.url("/token"),
        "client_id": "app",
        "client_secret": "⟦CLIENT⟧",
        "refresh_token": "⟦REFRESH⟧",
        **more,
    }


def signing(**more):
    return {"type": "oauth2_jwt_bearer", "key_file": "⟦FILE⟧", "scope": SHEETS, **more}


def account(login, **other):
    """Return a context with the account's key file as one secret."""
    return Keeper(secrets={"FILE": key_file(login.url("/token"), **other)})


def sent(server):
    return [request.headers.get("authorization") for request in server.received]


def form(request):
    return {name: values[0] for name, values in parse_qs(request.body.decode()).items()}


class TestRefreshToken:
    def test_asks_as_the_client_that_it_was_given_to(self):
        """RFC 6749, 6."""
        with TokenServer() as login, Answering() as service:
            call(Keeper(), url=service.url(), auth=refreshing(login))

        assert form(login.received[0]) == {
            "grant_type": "refresh_token",
            "refresh_token": "refresh-1",
            "client_id": "app",
            "client_secret": "cl1ent-s3cret",
        }
        assert sent(service) == ["Bearer token-number-1"]

    def test_or_by_basic(self):
        with TokenServer() as login, Answering() as service:
            call(Keeper(), url=service.url(), auth=refreshing(login, client_auth="client_secret_basic", scope="read"))

        request = login.received[0]
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        assert pair == "app:cl1ent-s3cret"
        assert form(request) == {"grant_type": "refresh_token", "refresh_token": "refresh-1", "scope": "read"}

    @pytest.mark.parametrize("client_auth", ["client_secret_post", "client_secret_basic"])
    def test_a_client_without_a_secret_says_who_it_is(self, client_auth):
        with TokenServer() as login, Answering() as service:
            call(Keeper(), url=service.url(), auth=refreshing(login, client_secret="", client_auth=client_auth))

        assert "authorization" not in login.received[0].headers
        assert form(login.received[0])["client_id"] == "app"

    def test_keeps_the_token_and_replaces_it_once_when_it_is_refused(self):
        good = ["Bearer token-number-1"]

        def answer(request):
            return response(200 if request.headers["authorization"] in good else 401)

        with TokenServer() as login, Answering(answer) as service:
            call(Keeper(), url=service.url(), auth=refreshing(login))
            call(Keeper(), url=service.url(), auth=refreshing(login))
            good[:] = ["Bearer token-number-2"]
            assert call(Keeper(), url=service.url(), auth=refreshing(login))["status"] == 200

        assert login.issued == ["token-number-1", "token-number-2"]

    def test_another_refresh_token_has_another_token(self):
        with TokenServer() as login, Answering() as service:
            call(Keeper(), url=service.url(), auth=refreshing(login))
            login.refresh_token = "refresh-of-bob"
            call(Keeper(secrets={"REFRESH": "refresh-of-bob"}), url=service.url(), auth=refreshing(login))

        assert sent(service) == ["Bearer token-number-1", "Bearer token-number-2"]

    def test_one_that_has_ended_says_so(self):
        with TokenServer(refresh_token="another") as login, pytest.raises(NodeError) as caught:
            call(Keeper(), url="http://127.0.0.1:1", auth=refreshing(login))

        assert caught.value.code == "oauth_refused"
        assert "400: invalid_grant, Token has been expired or revoked." in caught.value.message
        assert "whether the refresh token still holds" in caught.value.message
        assert not caught.value.retryable

    def test_one_that_is_replaced_with_each_use_is_refused_rather_than_lost(self):
        with TokenServer(rotates=True) as login, Answering() as service, pytest.raises(NodeError) as caught:
            call(Keeper(), url=service.url(), auth=refreshing(login))

        assert caught.value.code == "oauth_refused"
        assert "replaces the refresh token with each use" in caught.value.message
        assert "`if_replaced: ignore`" in caught.value.message
        assert caught.value.message.endswith("or an API key.")
        assert (service.received, "refresh-2" in caught.value.message) == ([], False)

    def test_one_that_stays_valid_beside_a_new_one_is_used_on(self):
        def answer(_):
            return answer_json({"access_token": "the-token", "refresh_token": "refresh-2", "expires_in": 1})

        with Answering(answer) as login, Answering() as service:
            call(Keeper(), url=service.url(), auth=refreshing(login, if_replaced="ignore"))

        assert sent(service) == ["Bearer the-token"]

    def test_one_that_comes_back_unchanged_is_none_that_is_replaced(self):
        def answer(_):
            return answer_json({"access_token": "the-token", "refresh_token": "refresh-1"})

        with Answering(answer) as login, Answering() as service:
            assert call(Keeper(), url=service.url(), auth=refreshing(login))["status"] == 200


class TestServiceAccount:
    def test_signs_who_it_is_and_what_for(self):
        """RFC 7523, 2.1 and 3; the server has checked signature, issuer, audience and times."""
        with TokenServer() as login, Answering() as service:
            call(account(login), url=service.url(), auth=signing())

        assert form(login.received[0]).keys() == {"grant_type", "assertion"}
        header = jwt.get_unverified_header(form(login.received[0])["assertion"])
        assert header == {"alg": "RS256", "typ": "JWT", "kid": "0123abcd"}
        (claims,) = login.claims
        assert (claims["iss"], claims["aud"], claims["scope"]) == (ACCOUNT, login.url("/token"), SHEETS)
        assert claims["exp"] - claims["iat"] <= 3600
        assert "sub" not in claims
        assert sent(service) == ["Bearer token-number-1"]

    def test_acts_for_somebody(self):
        with TokenServer() as login, Answering() as service:
            call(account(login), url=service.url(), auth=signing(subject="ada@example.com"))

        assert login.claims[0]["sub"] == "ada@example.com"

    @pytest.mark.parametrize("key", [pem(), pem().replace("\n", "\\n")], ids=["as it is", "with written line breaks"])
    def test_needs_no_file(self, key):
        with TokenServer() as login, Answering() as service:
            own = {"token_url": login.url("/token"), "issuer": ACCOUNT, "private_key": "⟦KEY⟧"}
            call(Keeper(secrets={"KEY": key}), url=service.url(), auth={"type": "oauth2_jwt_bearer", **own})

        assert sent(service) == ["Bearer token-number-1"]

    def test_names_another_audience_where_the_service_asks(self):
        with TokenServer() as login, pytest.raises(NodeError, match="Audience doesn't match"):
            call(account(login), url="http://127.0.0.1:1", auth=signing(audience="https://login.example.com"))

    @pytest.mark.parametrize("other", [{"scope": "drive"}, {"subject": "bob@example.com"}])
    def test_another_purpose_has_another_token(self, other):
        with TokenServer() as login, Answering() as service:
            call(account(login), url=service.url(), auth=signing())
            call(account(login), url=service.url(), auth=signing())
            call(account(login), url=service.url(), auth=signing(**other))

        assert sent(service) == ["Bearer token-number-1"] * 2 + ["Bearer token-number-2"]

    @pytest.mark.parametrize(
        ("file", "said"),
        [
            ("", "is no JSON object"),
            ("-----BEGIN PRIVATE KEY-----", "is no JSON object"),
            ("[]", "is no JSON object"),
            ('{"type": "authorized_user", "client_id": "x"}', "has no `token_uri`"),
            (key_file("https://login.example.com", private_key=None), "has no `private_key`"),
            (key_file("https://login.example.com", client_email=5), "has no `client_email`"),
        ],
    )
    def test_a_file_of_another_kind_is_refused_without_telling_what_is_in_it(self, file, said):
        with pytest.raises(NodeError) as caught:
            call(Keeper(secrets={"FILE": file or " "}), url="http://127.0.0.1:1", auth=signing())

        assert (caught.value.code, said in caught.value.message) == ("invalid_key_file", True)
        assert "BEGIN" not in caught.value.message

    @pytest.mark.parametrize(
        "key",
        [
            "no key",
            "-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n",
            ec.generate_private_key(ec.SECP256R1())
            .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            .decode(),
        ],
        ids=["text", "nonsense", "another kind"],
    )
    def test_a_key_that_cannot_sign_is_refused(self, key):
        with TokenServer() as login, pytest.raises(NodeError) as caught:
            call(account(login, private_key=key), url="http://127.0.0.1:1", auth=signing())

        assert (caught.value.code, "RSA key in PEM" in caught.value.message) == ("oauth_refused", True)
        assert (login.received, caught.value.retryable) == ([], False)

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"issuer": "a", "private_key": "b"},
            {"key_file": "a", "issuer": "b"},
            {"key_file": "a", "key_id": "b"},
            {"key_file": ""},
        ],
    )
    def test_either_the_file_or_what_is_in_it(self, given):
        with pytest.raises(ValidationError, match="key_file"):
            RequestArguments.model_validate(
                {"url": "https://example.com", "auth": {"type": "oauth2_jwt_bearer", **given}}
            )


class TestSecrecy:
    @pytest.mark.parametrize("kind", ["refresh", "sign"])
    def test_nothing_comes_back_from_servers_that_repeat_it(self, kind):
        def refuse(request):
            return answer_json({"error": "invalid", "error_description": unquote_plus(request.body.decode())}, 401)

        def echo(request):
            return answer_json(
                {"you": request.headers["authorization"], "key": pem(), "raw": "cl1ent-s3cret refresh-1"}
            )

        def auth(login):
            return refreshing(login) if kind == "refresh" else signing()

        with TokenServer() as login, Answering(echo) as service:
            output = json.dumps(call(account(login), url=service.url(), auth=auth(login)))
        with Answering(refuse) as login, pytest.raises(NodeError) as caught:
            call(account(login), url="http://127.0.0.1:1", auth=auth(login))
        said = caught.value.message + json.dumps(caught.value.details)

        assert "token-number-1" not in output
        if kind == "refresh":
            assert not [secret for secret in ("cl1ent-s3cret", "refresh-1") if secret in output + said]
        else:
            assert pem().splitlines()[2] not in output
            assert form(login.received[0])["assertion"][:100] not in said
