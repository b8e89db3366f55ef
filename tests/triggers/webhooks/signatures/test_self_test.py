"""The self-test finds what is broken: each of these schemes has one fault that some product has had (S-WH-2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clock import NOON
from triggers.webhooks.signatures import Verdict, holes_in, known_schemes
from triggers.webhooks.signatures.bearer import Bearer
from triggers.webhooks.signatures.github import GitHub
from triggers.webhooks.signatures.json_web_token import JsonWebToken
from triggers.webhooks.signatures.none import Unsigned
from triggers.webhooks.signatures.slack import Slack

SECRET = "a-secret-of-25-characters"
YES = Verdict(is_genuine=True)


class LetsAllIn(GitHub):
    def check(self, secrets, request, now):
        return YES


class LetsInWhatHasNoSignature(GitHub):
    def check(self, secrets, request, now):
        return super().check(secrets, request, now) if "x-hub-signature-256" in request.headers else YES


class LetsInWhatHasTheRightForm(GitHub):
    def check(self, secrets, request, now):
        return YES if "x-hub-signature-256" in request.headers else super().check(secrets, request, now)


class SignsNoBody(GitHub):
    def check(self, secrets, request, now):
        return super().check(secrets, replace(request, body=b'{"self_test": true}'), now)


class ForgetsTheTime(Slack):
    def check(self, secrets, request, now):
        seconds = request.headers.get("x-slack-request-timestamp", "0")
        return super().check(secrets, request, now.fromtimestamp(int(seconds), now.tzinfo))


class TakesAnyToken(Bearer):
    def check(self, secrets, request, now):
        return YES if "authorization" in request.headers else super().check(secrets, request, now)


class BelievesTheToken(JsonWebToken):
    def check(self, secrets, request, now):
        return YES if "authorization" in request.headers else super().check(secrets, request, now)


@pytest.mark.parametrize(
    "broken",
    [
        LetsAllIn(),
        LetsInWhatHasNoSignature(),
        LetsInWhatHasTheRightForm(),
        SignsNoBody(),
        ForgetsTheTime(),
        TakesAnyToken(),
        BelievesTheToken("HS256", "issuer", "audience"),
        BelievesTheToken("RS256", "issuer", "audience"),
    ],
    ids=lambda scheme: f"{type(scheme).__name__} {getattr(scheme, 'algorithm', '')}",
)
def test_a_broken_scheme_is_found_out(broken):
    assert holes_in(broken, SECRET, NOON)


def test_what_needs_no_secret_has_nothing_to_test():
    assert holes_in(Unsigned(), None, NOON) == []


def test_the_broken_ones_are_nobody_s_scheme():
    assert len(known_schemes()) == 11
