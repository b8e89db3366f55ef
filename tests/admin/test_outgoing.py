"""Limits for calls to the outside, in the admin."""

from __future__ import annotations

import pytest

from executions.models import OutgoingLimit
from tests.admin.rows import url
from tests.factories import ProjectFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        (
            {"host": "example.com", "secret_name": "KEY", "per_minute": "5"},
            {"host": ["A limit is for a host or for a secret. Give one of `host` and `secret_name`."]},
        ),
        (
            {"host": "http://example.com", "burst": "2"},
            {
                "host": ["This is no host. Write api.example.com, or *.example.com for all below it."],
                "per_minute": ["This limits nothing. Give `per_minute`, `at_once`, or both."],
                "burst": ["A burst is part of a rate. Give `per_minute` too."],
            },
        ),
    ],
)
def test_a_limit_that_is_none_says_so_beside_its_fields(browser, given, errors):
    answer = browser.post(url("add", OutgoingLimit), {"project": ProjectFactory().pk, **given})

    assert answer.context["adminform"].form.errors == errors
    assert not OutgoingLimit.objects.exists()


def test_a_limit_is_added_and_changed(browser):
    project = ProjectFactory()
    browser.post(url("add", OutgoingLimit), {"project": project.pk, "host": "API.example.com", "per_minute": "5"})
    limit = OutgoingLimit.objects.get()
    assert (limit.host, limit.per_minute) == ("api.example.com", 5)

    browser.post(url("change", OutgoingLimit, limit.pk), {"host": "api.example.com", "at_once": "2"})
    limit.refresh_from_db()
    assert (limit.per_minute, limit.at_once) == (None, 2)
