from __future__ import annotations

import pytest
from django.test import RequestFactory

from projects.clients import client_address, client_user_agent


class TestClientAddress:
    @pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
    def test_is_the_other_end_of_the_connection(self, address):
        assert client_address(RequestFactory().get("/", REMOTE_ADDR=address)) == address

    def test_is_not_what_the_caller_says(self):
        request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7", headers={"X-Forwarded-For": "198.51.100.1"})

        assert client_address(request) == "192.0.2.7"

    def test_is_what_our_own_proxy_added(self, settings):
        settings.BEHIND_PROXY = True
        forwarded = {"X-Forwarded-For": "6.6.6.6, 198.51.100.1"}

        assert client_address(RequestFactory().get("/", headers=forwarded)) == "198.51.100.1"

    @pytest.mark.parametrize("address", ["", "unix:", "nonsense", "1.2.3"])
    def test_is_none_when_there_is_none(self, address):
        assert client_address(RequestFactory().get("/", REMOTE_ADDR=address)) is None


def test_a_user_agent_is_cut_to_what_the_column_holds():
    request = RequestFactory().get("/", headers={"User-Agent": "x" * 1000})

    assert client_user_agent(request) == "x" * 500
