from __future__ import annotations

import base64
import json
import logging
import threading
import time
from dataclasses import dataclass
from urllib.parse import parse_qs

import pytest

from tests.workflows.http.servers import Answering, response
from tests.workflows.tools.calling import World, answer_json, call
from workflows.http.oauth import shared_cache
from workflows.nodes.base import NodeError

SECRET = "s3cret/of the client"


@dataclass
class Owner(World):
    """A context whose secret is the client's."""

    def fill_secrets(self, text):
        return text.replace("⟦SECRET⟧", SECRET)


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    yield
    shared_cache().forget()


def issuing(**more):
    """Return what answers each request for a token with another one."""

    def answer(_):
        value = f"token-number-{next(numbers)}"
        return answer_json({"access_token": value, "token_type": "Bearer", "expires_in": 3600, **more})

    numbers = iter(range(1, 1000))
    return answer


def auth(login, **more):
    return {
        "type": "oauth2",
        "token_url": login.url("/token"),
        "client_id": "client:1",
        "client_secret": "⟦SECRET⟧",
        **more,
    }


def sent(server):
    return [request.headers.get("authorization") for request in server.received]


class TestAsking:
    def test_by_basic_with_both_parts_encoded_first(self):
        """RFC 6749, 2.3.1 and 4.4.2."""
        with Answering(issuing()) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login, scope="read write", audience="https://api"))

        request = login.received[0]
        assert (request.method, request.target) == ("POST", "/token")
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        assert pair == "client%3A1:s3cret%2Fof+the+client"
        assert parse_qs(request.body.decode()) == {
            "grant_type": ["client_credentials"],
            "scope": ["read write"],
            "audience": ["https://api"],
        }
        assert sent(service) == ["Bearer token-number-1"]

    def test_or_in_the_form(self):
        with Answering(issuing()) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login, client_auth="client_secret_post"))

        request = login.received[0]
        assert "authorization" not in request.headers
        assert parse_qs(request.body.decode()) == {
            "grant_type": ["client_credentials"],
            "client_id": ["client:1"],
            "client_secret": [SECRET],
        }

    def test_any_success_with_a_token_will_do(self):
        with Answering(answer_json({"access_token": "made"}, 201)) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))

        assert service.received[0].headers["authorization"] == "Bearer made"

    def test_a_redirect_is_not_followed_with_credentials(self):
        """S-SSRF-2"""
        with (
            Answering(issuing()) as elsewhere,
            Answering(lambda _: response(307, location=elsewhere.url())) as login,
            pytest.raises(NodeError, match="status 307") as caught,
        ):
            call(Owner(), url="http://127.0.0.1:1", auth=auth(login))

        assert caught.value.code == "oauth_refused"
        assert elsewhere.received == []


class TestKeeping:
    def test_a_token_is_used_until_it_expires(self):
        with Answering(issuing()) as login, Answering() as service:
            for _ in range(3):
                call(Owner(), url=service.url(), auth=auth(login))

        assert sent(service) == ["Bearer token-number-1"] * 3
        assert len(login.received) == 1

    def test_one_that_is_about_to_expire_is_replaced(self, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(shared_cache(), "_clock", lambda: now[0])
        monkeypatch.setattr("workflows.tools.http_request.sending.time.monotonic", lambda: now[0])
        with Answering(issuing(expires_in=100)) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))
            now[0] += 89
            call(Owner(), url=service.url(), auth=auth(login))
            now[0] += 2
            call(Owner(), url=service.url(), auth=auth(login))

        assert sent(service) == ["Bearer token-number-1", "Bearer token-number-1", "Bearer token-number-2"]

    @pytest.mark.parametrize("expires_in", [0, -5, "0"])
    def test_one_that_is_good_for_one_call_is_not_kept(self, expires_in):
        with Answering(issuing(expires_in=expires_in)) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))
            call(Owner(), url=service.url(), auth=auth(login))

        assert len(login.received) == 2

    @pytest.mark.parametrize("expires_in", [None, "3600", 3600.5, True, "soon", 1e300])
    def test_whatever_is_said_of_its_life_it_is_used(self, expires_in):
        with Answering(issuing(expires_in=expires_in)) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))
            call(Owner(), url=service.url(), auth=auth(login))

        assert len(login.received) == 1

    @pytest.mark.parametrize(
        "other",
        [{"scope": "write"}, {"audience": "b"}, {"client_id": "client:2"}, {"client_auth": "client_secret_post"}],
    )
    def test_another_client_or_purpose_has_another_token(self, other):
        with Answering(issuing()) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))
            call(Owner(), url=service.url(), auth=auth(login, **other))

        assert sent(service) == ["Bearer token-number-1", "Bearer token-number-2"]

    def test_another_project_has_another_token_whatever_it_knows(self):
        with Answering(issuing()) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))
            call(Owner(project_id="another"), url=service.url(), auth=auth(login))

        assert sent(service) == ["Bearer token-number-1", "Bearer token-number-2"]

    def test_many_at_once_ask_once(self):
        def slowly(request):
            time.sleep(0.2)
            return issue(request)

        issue = issuing()
        with Answering(slowly) as login, Answering() as service:
            arguments = {"url": service.url(), "auth": auth(login)}
            threads = [threading.Thread(target=call, args=(Owner(),), kwargs=arguments) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)

        assert len(login.received) == 1
        assert sent(service) == ["Bearer token-number-1"] * 8

    def test_who_waits_for_it_waits_no_longer_than_the_call_may_take(self):
        def slowly(request):
            time.sleep(1)
            return issuing()(request)

        with Answering(slowly) as login, Answering() as service:
            first = threading.Thread(target=call, args=(Owner(),), kwargs={"url": service.url(), "auth": auth(login)})
            first.start()
            time.sleep(0.2)
            with pytest.raises(NodeError, match="another call that fetches") as caught:
                call(Owner(), url=service.url(), auth=auth(login), timeout_seconds=0.2)
            first.join(10)

        assert (caught.value.code, caught.value.retryable) == ("timeout", True)


class TestRefused:
    def test_a_kept_token_that_is_refused_is_replaced_once(self):
        good = ["Bearer token-number-1"]

        def answer(request):
            return response(200 if request.headers["authorization"] in good else 401)

        with Answering(issuing()) as login, Answering(answer) as service:
            call(Owner(), url=service.url(), auth=auth(login))
            good[:] = ["Bearer token-number-2"]
            assert call(Owner(), url=service.url(), auth=auth(login))["status"] == 200

        assert len(login.received) == 2

    def test_a_new_one_that_is_refused_is_the_answer(self):
        with Answering(issuing()) as login, Answering(response(401)) as service, pytest.raises(NodeError) as caught:
            call(Owner(), url=service.url(), auth=auth(login))

        assert (caught.value.code, caught.value.details["status"]) == ("http_status", 401)
        assert (len(login.received), len(service.received)) == (1, 1)

    def test_the_one_that_replaces_it_is_not_replaced_again(self):
        with Answering(issuing()) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))
            service.answer = lambda _: response(401)
            with pytest.raises(NodeError):
                call(Owner(), url=service.url(), auth=auth(login))

        assert len(service.received) == 3

    @pytest.mark.parametrize(
        ("answer", "code", "retryable", "said"),
        [
            (answer_json({"error": "invalid_client"}, 401), "oauth_refused", False, "401: invalid_client"),
            (
                answer_json({"error": "invalid_scope", "error_description": "No such scope."}, 400),
                "oauth_refused",
                False,
                "invalid_scope, No such scope",
            ),
            (response(503), "oauth_unavailable", True, "status 503"),
            (response(200, b"<html>"), "oauth_refused", False, "no access_token"),
            (answer_json({"access_token": ""}), "oauth_refused", False, "no access_token"),
            (answer_json({"access_token": "t", "token_type": "mac"}), "oauth_refused", False, "another type"),
            (answer_json([1]), "oauth_refused", False, "no access_token"),
        ],
    )
    def test_what_the_endpoint_says_is_told(self, answer, code, retryable, said):
        with Answering(answer) as login, Answering() as service, pytest.raises(NodeError, match=said) as caught:
            call(Owner(), url=service.url(), auth=auth(login))

        assert (caught.value.code, caught.value.retryable) == (code, retryable)
        assert service.received == []

    @pytest.mark.parametrize(("status", "is_advised"), [(401, True), (503, False)])
    def test_what_is_wrong_with_the_client_is_to_be_looked_for_unless_it_passes(self, status, is_advised):
        with Answering(response(status)) as login, pytest.raises(NodeError) as caught:
            call(Owner(), url="http://127.0.0.1:1", auth=auth(login))

        assert ("Look at `auth`" in caught.value.message) == is_advised

    def test_the_time_that_it_asks_for_is_told(self):
        with Answering(response(429, retry_after="9")) as login, pytest.raises(NodeError) as caught:
            call(Owner(), url="http://127.0.0.1:1", auth=auth(login))

        assert caught.value.retry_after == 9.0

    def test_a_failure_is_not_kept(self):
        with Answering(response(500)) as login, Answering() as service:
            with pytest.raises(NodeError):
                call(Owner(), url=service.url(), auth=auth(login))
            login.answer = issuing()
            call(Owner(), url=service.url(), auth=auth(login))

        assert sent(service) == ["Bearer token-number-1"]


class TestSecrecy:
    def test_neither_token_nor_secret_come_back_from_a_service_that_repeats_them(self):
        def echo(request):
            return answer_json({"you": request.headers["authorization"], "raw": SECRET})

        with Answering(issuing()) as login, Answering(echo) as service:
            output = json.dumps(call(Owner(), url=service.url(), auth=auth(login)))

        assert "token-number-1" not in output
        assert SECRET not in output

    def test_an_endpoint_that_repeats_the_secret_does_not_betray_it(self):
        said = answer_json({"error": "invalid_client", "error_description": f"{SECRET} is wrong"}, 401)
        with Answering(said) as login, pytest.raises(NodeError) as caught:
            call(Owner(), url="http://127.0.0.1:1", auth=auth(login))

        assert SECRET not in caught.value.message + json.dumps(caught.value.details)

    @pytest.mark.parametrize("before", range(150, 510, 7))
    def test_nor_a_part_of_it_where_a_long_answer_is_cut(self, before):
        said = answer_json({"error": "e", "error_description": f"{'x' * before}{SECRET}{'y' * 500}"}, 401)
        with Answering(said) as login, pytest.raises(NodeError) as caught:
            call(Owner(), url="http://127.0.0.1:1", auth=auth(login))

        assert SECRET[:6] not in caught.value.message
        assert len(caught.value.message) < 800

    def test_nothing_of_it_is_logged(self, caplog):
        caplog.set_level(logging.DEBUG)
        with Answering(issuing()) as login, Answering() as service:
            call(Owner(), url=service.url(), auth=auth(login))

        assert "token-number-1" not in caplog.text
        assert SECRET not in caplog.text
