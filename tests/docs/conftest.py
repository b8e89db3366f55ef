"""A live installation as ``make up`` leaves it: SQLite, a person ``admin``, a project ``Demo``, the gallery."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.installation import Installation, installed

MAKE_THE_ADMIN_AND_LOAD_WHAT_COMES_WITH_SEGUE = """
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone
from projects import services
from projects.access import Actor
admin = User.objects.create_superuser("admin", password="not-a-secret-for-tests")
services.create_project(name="Demo", by=Actor(user=admin), now=timezone.now())
call_command("load_gallery")
call_command("load_model_prices")
"""


@pytest.fixture(scope="session")
def segue(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Return an installation with web, worker and beat running."""
    if missing := [name for name in ("bash", "curl", "openssl") if shutil.which(name) is None]:
        pytest.skip(f"readers have {' and '.join(missing)}, this machine has not")
    with installed("sqlite", tmp_path_factory.mktemp("docs"), broker) as running:
        running.manage("shell", "--verbosity=0", "-c", MAKE_THE_ADMIN_AND_LOAD_WHAT_COMES_WITH_SEGUE)
        running.start()
        yield running
