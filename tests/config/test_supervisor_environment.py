from __future__ import annotations

import pytest

from config.supervisor.environment import additions, needs_broker
from config.supervisor.folder import Folder

URL = "http://127.0.0.1:8000"


class TestAdditions:
    def test_names_a_broker_of_its_own_and_the_address(self, tmp_path):
        folder = Folder(tmp_path)

        assert additions(folder, given={}, url=URL) == {
            "WEBHOOK_BASE_URL": URL,
            "CELERY_BROKER_URL": f"redis+socket://{folder.broker_socket}",
        }

    @pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "REDIS_URL"])
    def test_uses_the_broker_that_is_named(self, tmp_path, name):
        given = {name: "redis://127.0.0.1:6379/5"}

        assert not needs_broker(given)
        assert additions(Folder(tmp_path), given=given, url=URL) == {"WEBHOOK_BASE_URL": URL}

    def test_leaves_the_address_that_is_named(self, tmp_path):
        given = {"WEBHOOK_BASE_URL": "https://segue.example.com", "REDIS_URL": "redis://127.0.0.1:6379/5"}

        assert additions(Folder(tmp_path), given=given, url=URL) == {}

    def test_takes_an_empty_value_for_none(self, tmp_path):
        assert needs_broker({"CELERY_BROKER_URL": "", "REDIS_URL": ""})

    def test_lets_itself_in_where_only_other_names_are_allowed(self, tmp_path):
        given = {"ALLOWED_HOSTS": "segue.example.com", "REDIS_URL": "redis://127.0.0.1:6379/5"}

        added = additions(Folder(tmp_path), given=given, url=URL)

        assert added["ALLOWED_HOSTS"] == "segue.example.com,127.0.0.1"

    @pytest.mark.parametrize(
        ("url", "hosts"),
        [
            ("http://192.0.2.7:8000", "localhost,127.0.0.1,[::1],192.0.2.7"),
            ("http://[fd00::7]:8000", "localhost,127.0.0.1,[::1],[fd00::7]"),
        ],
    )
    def test_answers_at_the_address_it_was_given(self, tmp_path, url, hosts):
        assert additions(Folder(tmp_path), given={}, url=url)["ALLOWED_HOSTS"] == hosts
