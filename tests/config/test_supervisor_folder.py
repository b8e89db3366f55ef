from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from config.supervisor.exceptions import UpError
from config.supervisor.folder import SOCKET_PATH_BYTES, Folder, make_private


@pytest.fixture
def short() -> Path:
    """A folder whose path is short, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


class TestBrokerSocket:
    def test_stands_in_the_folder_itself_when_its_path_is_short(self, short):
        assert Folder(short).broker_socket == short / "var" / "run" / "broker.sock"

    @pytest.mark.parametrize("name", ["x" * 120, "with space", "with%percent", "mit-ü"])
    def test_goes_where_every_client_can_name_it(self, short, name):
        path = Folder(short / name).broker_socket

        assert short not in path.parents
        assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES

    def test_is_the_same_at_every_call_and_another_for_another_folder(self, short):
        here, there = short / ("x" * 120), short / ("y" * 120)

        assert Folder(here).broker_socket == Folder(here).broker_socket
        assert Folder(here).broker_socket != Folder(there).broker_socket

    def test_does_without_a_long_folder_for_temporary_files(self, short, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(short / ("t" * 120)))

        assert Folder(short / ("x" * 120)).broker_socket.parent.parent == Path("/tmp")


class TestMake:
    def test_lets_nobody_else_into_the_sockets_folder(self, short):
        folder = Folder(short)

        folder.make()

        assert stat.S_IMODE(folder.broker_socket.parent.stat().st_mode) == 0o700
        assert folder.log("web").parent.is_dir()

    def test_lets_nobody_else_read_the_data(self, short):
        Folder(short).make()

        assert stat.S_IMODE(Folder(short).var.stat().st_mode) == 0o700

    def test_may_be_called_again(self, short):
        Folder(short).make()
        Folder(short).make()

    def test_says_that_the_place_cannot_be_written(self, short):
        (short / "var").write_text("a file stands where the folder should")

        with pytest.raises(UpError, match="cannot be created"):
            Folder(short).make()


class TestLeave:
    def test_takes_the_sockets_folder_away(self, short):
        folder = Folder(short)
        folder.make()

        folder.leave()

        assert not folder.broker_socket.parent.exists()
        assert folder.var.exists()


class TestMakePrivate:
    def test_refuses_a_link_that_somebody_put_there(self, short):
        (short / "elsewhere").mkdir()
        (short / "run").symlink_to(short / "elsewhere")

        with pytest.raises(UpError, match="belongs to somebody else"):
            make_private(short / "run")
