from __future__ import annotations

import os

import pytest

from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder
from config.supervisor.lock import only_one


@pytest.fixture
def folder(tmp_path) -> Folder:
    (tmp_path / "var").mkdir()
    return Folder(tmp_path)


class TestOnlyOne:
    def test_tells_a_second_one_who_is_there_and_how_to_stop_it(self, folder):
        with (
            only_one(folder),
            pytest.raises(UpError, match=f"process {os.getpid()}.*kill {os.getpid()}"),
            only_one(folder),
        ):
            pass

    def test_lets_the_next_one_in_when_the_first_is_gone(self, folder):
        with only_one(folder):
            pass

        with only_one(folder):
            assert folder.lock.read_text() == str(os.getpid())

    def test_does_not_forget_the_first_one_when_a_second_one_has_tried(self, folder):
        with only_one(folder):
            with pytest.raises(UpError), only_one(folder):
                pass

            assert folder.lock.read_text() == str(os.getpid())
