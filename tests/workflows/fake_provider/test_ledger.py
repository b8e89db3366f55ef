"""It counts what it was asked, and keeps no key."""

from __future__ import annotations

from tests.providers import FakeProvider
from tests.workflows.fake_provider.asking import CHAT, MESSAGES, OPENAI_KEY, ask, openai_client, user

ASKED = {"model": "any", "messages": [user("Hello")]}
LEDGER = "/_requests"


class TestLedger:
    def test_tells_every_request_over_http(self):
        with FakeProvider() as provider:
            ask(provider, CHAT, ASKED, headers={**OPENAI_KEY, "idempotency-key": "step-1"})
            ask(provider, MESSAGES, ASKED)
            told = ask(provider, LEDGER, method="GET", headers={}).json

        first, second = told["requests"]
        assert told["count"] == 2
        assert (first["protocol"], first["path"], first["status"], first["is_complete"]) == ("openai", CHAT, 200, True)
        assert (first["idempotency_key"], first["body"]) == ("step-1", ASKED)
        assert (second["protocol"], second["path"], second["status"]) == ("anthropic", MESSAGES, 400)

    def test_is_emptied_over_http(self):
        with FakeProvider() as provider:
            ask(provider, CHAT, ASKED)

            assert ask(provider, LEDGER, method="DELETE", headers={}).status == 204
            assert provider.requests == []

    def test_keeps_no_key(self):
        with FakeProvider() as provider:
            client = openai_client(provider)
            client.chat.completions.create(model="any", messages=[user("My key is sk-openai-key-for-tests.")])
            told = ask(provider, LEDGER, method="GET", headers={}).text

        assert "sk-openai-key-for-tests" not in told
        assert "authorization" not in told

    def test_writes_down_what_nobody_answers(self):
        with FakeProvider() as provider:
            answer = ask(provider, "/v1/embeddings", {})

            assert answer.status == 404
            assert "POST /v1/chat/completions" in answer.json["error"]["message"]
            assert [request.path for request in provider.requests] == ["/v1/embeddings"]
