from __future__ import annotations

import pytest

from config.supervisor.environment import missing, needs_broker
from config.supervisor.folder import Folder

URL = "http://127.0.0.1:8000"


class TestMissing:
    def test_names_a_broker_of_its_own_and_the_address(self, tmp_path):
        folder = Folder(tmp_path)

        assert missing(folder, given={}, url=URL) == {
            "WEBHOOK_BASE_URL": URL,
            "CELERY_BROKER_URL": f"redis+socket://{folder.broker_socket}",
        }

    @pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "REDIS_URL"])
    def test_uses_the_broker_that_is_named(self, tmp_path, name):
        given = {name: "redis://127.0.0.1:6379/5"}

        assert not needs_broker(given)
        assert missing(Folder(tmp_path), given=given, url=URL) == {"WEBHOOK_BASE_URL": URL}

    def test_leaves_the_address_that_is_named(self, tmp_path):
        given = {"WEBHOOK_BASE_URL": "https://segue.example.com", "REDIS_URL": "redis://127.0.0.1:6379/5"}

        assert missing(Folder(tmp_path), given=given, url=URL) == {}

    def test_takes_an_empty_value_for_none(self, tmp_path):
        assert needs_broker({"CELERY_BROKER_URL": "", "REDIS_URL": ""})
