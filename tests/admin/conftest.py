"""Whoever sits in front of the admin. (Django is imported late: this file is read before its settings are.)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def _browser_of(user: Any) -> Any:
    from django.test import Client

    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def superuser(db: None) -> Any:
    """Return somebody who may do everything."""
    from tests.factories import UserFactory

    return UserFactory(username="sam", superuser=True)


@pytest.fixture
def browser(superuser: Any) -> Any:
    """Return the browser of somebody who may do everything."""
    return _browser_of(superuser)


@pytest.fixture
def staff(db: None) -> Callable[..., Any]:
    """Return a maker of browsers: ``staff("executions.view_workflowexecution")`` is somebody who may do that alone."""
    from django.contrib.auth.models import Permission

    from tests.factories import UserFactory

    def browser_of(*permissions: str) -> Any:
        user = UserFactory(is_staff=True)
        for permission in permissions:
            app, codename = permission.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        return _browser_of(user)

    return browser_of
