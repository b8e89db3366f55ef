"""What a webhook's trigger node may say of how callers prove themselves: each scheme its own keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import definition, node
from tests.triggers.webhooks.signatures.schemes import CASES
from tests.workflows.definition.checks import problems
from triggers.webhooks.signatures import known_schemes, scheme_of
from workflows.nodes.trigger.node import TriggerConfig, read_trigger
from workflows.nodes.trigger.webhook import WebhookTrigger

HMAC = {"scheme": "hmac", "header": "X-Signature"}
JWT = {"scheme": "jwt", "algorithm": "HS256", "issuer": "https://issuer.example.com", "audience": "segue"}


def hook(auth: Any = None, **config: Any) -> dict[str, Any]:
    return {"kind": "webhook", **({} if auth is None else {"auth": auth}), **config}


def found(config: dict[str, Any]) -> list[tuple[str, str]]:
    prefix = "/nodes/0/config"
    raw = definition("start > end", start=node("trigger", config))
    return [(problem.code, problem.path.removeprefix(prefix)) for problem in problems(raw)]


def sentence(config: dict[str, Any]) -> str:
    (problem,) = problems(definition("start > end", start=node("trigger", config)))
    return f"{problem.message} {problem.hint}"


class TestAuth:
    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_of_every_scheme_is_valid_and_is_what_the_verifier_takes(self, case):
        trigger = read_trigger(hook(case.auth))

        assert found(hook(case.auth)) == []
        assert isinstance(trigger, WebhookTrigger)
        assert scheme_of(trigger.auth.model_dump(exclude_none=True)) == scheme_of(case.auth)

    @pytest.mark.parametrize("scheme", ["standard_webhooks", "github", "bearer", "none"])
    def test_may_still_say_that_it_has_no_header(self, scheme):
        """So it was written while every scheme had that key."""
        assert found(hook({"scheme": scheme, "header": None})) == []

    @pytest.mark.parametrize(
        ("auth", "problem"),
        [
            ({"scheme": "header", "header": None}, ("wrong_type", "/auth/header")),
            ({"scheme": "stripe", "header": "X"}, ("unknown_key", "/auth/header")),
            ({"scheme": "slack", "tolerance_seconds": 9}, ("unknown_key", "/auth/tolerance_seconds")),
            ({"scheme": "basic", "user": "shop"}, ("unknown_key", "/auth/user")),
            ({"scheme": "stripe", "secret": "whsec_x"}, ("unknown_key", "/auth/secret")),
            ({"scheme": "Stripe"}, ("invalid_choice", "/auth/scheme")),
            ({"scheme": None}, ("invalid_choice", "/auth/scheme")),
            ("stripe", ("wrong_type", "/auth")),
            ({"scheme": "hmac"}, ("missing_key", "/auth/header")),
            (HMAC | {"header": "X Y"}, ("invalid_format", "/auth/header")),
            (HMAC | {"prefix": "a b"}, ("invalid_format", "/auth/prefix")),
            (HMAC | {"prefix": "x" * 41}, ("invalid_format", "/auth/prefix")),
            (HMAC | {"algorithm": "md5"}, ("invalid_choice", "/auth/algorithm")),
            (HMAC | {"encoding": "base32"}, ("invalid_choice", "/auth/encoding")),
            (HMAC | {"signed": ""}, ("too_short", "/auth/signed")),
            (HMAC | {"signed": "x"}, ("invalid_template", "/auth/signed")),
            (HMAC | {"signed": "{bodies}"}, ("invalid_template", "/auth/signed")),
            (HMAC | {"signed": "{body}{"}, ("invalid_template", "/auth/signed")),
            (HMAC | {"signed": "{body}.{body}"}, ("invalid_template", "/auth/signed")),
            (HMAC | {"signed": "{path}{body}"}, ("invalid_template", "/auth/signed")),
            (HMAC | {"signed": "{timestamp}.{body}"}, ("missing_key", "/auth/timestamp_header")),
            (HMAC | {"signed": "{id}.{body}"}, ("missing_key", "/auth/id_header")),
            (HMAC | {"timestamp_header": "X-Time"}, ("not_signed", "/auth/timestamp_header")),
            (HMAC | {"id_header": "X-Id"}, ("not_signed", "/auth/id_header")),
            (HMAC | {"tolerance_seconds": 0}, ("out_of_range", "/auth/tolerance_seconds")),
            (HMAC | {"tolerance_seconds": 3601}, ("out_of_range", "/auth/tolerance_seconds")),
            (JWT | {"algorithm": "none"}, ("invalid_choice", "/auth/algorithm")),
            (JWT | {"algorithm": "HS512"}, ("invalid_choice", "/auth/algorithm")),
            ({key: JWT[key] for key in JWT if key != "algorithm"}, ("missing_key", "/auth/algorithm")),
            ({key: JWT[key] for key in JWT if key != "issuer"}, ("missing_key", "/auth/issuer")),
            ({key: JWT[key] for key in JWT if key != "audience"}, ("missing_key", "/auth/audience")),
            (JWT | {"issuer": ""}, ("too_short", "/auth/issuer")),
            (JWT | {"audience": ["a"]}, ("wrong_type", "/auth/audience")),
            (JWT | {"leeway_seconds": 301}, ("out_of_range", "/auth/leeway_seconds")),
            (JWT | {"jwks_url": "https://example.com"}, ("unknown_key", "/auth/jwks_url")),
            (JWT | {"issuer": "{{ vars.x }}"}, ("expression_forbidden", "/auth/issuer")),
        ],
    )
    def test_may_not_say(self, auth, problem):
        assert found(hook(auth)) == [problem]

    @pytest.mark.parametrize(
        "signed",
        ["{body}", "{timestamp}.{body}", "{id}{timestamp}{body}", "{method}\n{path}\n{query}\n{body}", "v0:{body}:end"],
    )
    def test_may_sign_all_of_these(self, signed):
        auth = HMAC | {"signed": signed}
        if "{timestamp}" in signed:
            auth["timestamp_header"] = "X-Time"
        if "{id}" in signed:
            auth["id_header"] = "X-Id"

        assert found(hook(auth)) == []

    @pytest.mark.parametrize(
        ("auth", "words"),
        [
            (HMAC | {"signed": "{bodies}"}, "{bodies} stands for nothing"),
            (HMAC | {"signed": "{timestamp}"}, "Add {body}"),
            (HMAC | {"signed": "{path}{body}"}, "Put a character between them"),
            ({"scheme": "strpe"}, "Did you mean stripe?"),
            (HMAC | {"tolerance_secs": 60}, "Did you mean tolerance_seconds?"),
        ],
    )
    def test_says_what_to_do(self, auth, words):
        assert words in sentence(hook(auth)).replace("`", "")


class TestJsonSchema:
    def test_draws_a_form_for_each_scheme(self):
        schema = TriggerConfig.model_json_schema()

        auth = schema["$defs"]["WebhookTrigger"]["properties"]["auth"]
        by_scheme = auth["discriminator"]["mapping"]
        assert set(by_scheme) == set(known_schemes())
        for reference in by_scheme.values():
            described = schema["$defs"][reference.rpartition("/")[2]]
            assert described["description"]
            assert described["additionalProperties"] is False
            assert all("description" in field for name, field in described["properties"].items() if name != "scheme"), (
                reference
            )


class TestHandshake:
    @pytest.mark.parametrize(
        "handshake",
        [
            {"kind": "hub"},
            {"kind": "hub", "verify_token": "meatyhamhock"},
            {"kind": "hub", "topic": "https://example.com/feed"},
            {"kind": "hub", "verify_token": "meatyhamhock", "topic": "https://example.com/feed"},
        ],
    )
    def test_may_say(self, handshake):
        assert found(hook({"scheme": "github"}, handshake=handshake)) == []

    def test_without_a_secret_asks_for_something_of_its_own(self):
        assert found(hook(handshake={"kind": "hub"})) == [("missing_key", "/handshake")]
        assert found(hook(handshake={"kind": "hub", "topic": "https://example.com/feed"})) == []

    @pytest.mark.parametrize(
        ("handshake", "problem"),
        [
            ({}, ("missing_key", "/handshake/kind")),
            ({"kind": "slack"}, ("invalid_choice", "/handshake/kind")),
            ({"kind": "hub", "verify_token": "short"}, ("invalid_format", "/handshake/verify_token")),
            ({"kind": "hub", "verify_token": "has a space"}, ("invalid_format", "/handshake/verify_token")),
            ({"kind": "hub", "topic": ""}, ("too_short", "/handshake/topic")),
            ({"kind": "hub", "token": "x"}, ("unknown_key", "/handshake/token")),
        ],
    )
    def test_may_not_say(self, handshake, problem):
        assert found(hook({"scheme": "github"}, handshake=handshake)) == [problem]
