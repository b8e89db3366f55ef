from __future__ import annotations

import base64
import stat

import pytest

from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder
from config.supervisor.keys import ensure_keys

GIVEN = {"SECRET_KEY": "given", "SEGUE_ENCRYPTION_KEYS": "k1:given"}


@pytest.fixture
def folder(tmp_path) -> Folder:
    (tmp_path / "var").mkdir()
    return Folder(tmp_path)


def lines(folder: Folder) -> dict[str, str]:
    text = folder.keys.read_text()
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


class TestEnsureKeys:
    def test_makes_keys_that_only_this_user_can_read(self, folder):
        assert ensure_keys(folder, given={})

        assert stat.S_IMODE(folder.keys.stat().st_mode) == 0o600
        assert len(lines(folder)["SECRET_KEY"]) >= 50
        name, _, key = lines(folder)["SEGUE_ENCRYPTION_KEYS"].partition(":")
        assert name == "k1"
        assert len(base64.b64decode(key)) == 32

    def test_makes_other_keys_in_another_folder(self, folder, tmp_path):
        (tmp_path / "other" / "var").mkdir(parents=True)
        other = Folder(tmp_path / "other")

        ensure_keys(folder, given={})
        ensure_keys(other, given={})

        assert all(lines(folder)[name] != lines(other)[name] for name in lines(folder))

    def test_leaves_keys_that_are_there_alone(self, folder):
        ensure_keys(folder, given={})
        before = folder.keys.read_text()

        assert not ensure_keys(folder, given={})
        assert folder.keys.read_text() == before

    def test_makes_none_when_the_environment_gives_them(self, folder):
        assert not ensure_keys(folder, given=GIVEN)
        assert not folder.keys.exists()

    @pytest.mark.parametrize("name", GIVEN)
    def test_makes_them_when_the_environment_gives_one_empty(self, folder, name):
        assert ensure_keys(folder, given={**GIVEN, name: ""})

    def test_does_not_lock_people_out_of_their_database(self, folder):
        folder.database.write_bytes(b"data")

        with pytest.raises(UpError, match="Put it back from a backup"):
            ensure_keys(folder, given={})

        assert not folder.keys.exists()

    def test_cares_for_no_database_of_the_folder_when_another_is_named(self, folder):
        folder.database.write_bytes(b"data")

        assert ensure_keys(folder, given={"DATABASE_URL": "postgres://db/segue"})

    def test_leaves_nothing_else_behind(self, folder):
        ensure_keys(folder, given={})

        assert [path.name for path in folder.var.iterdir()] == ["keys.env"]
