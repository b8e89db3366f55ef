"""Files of large outputs, on a folder and on another storage of Django's."""

from __future__ import annotations

import os
import re
import threading
import uuid

import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from executions.exceptions import OutputNotKept, OutputUnreadable, StorageDown
from executions.outputs import files
from executions.outputs.files import opened, read, write
from executions.outputs.reference import OutputFile, file_columns, result_in
from projects.payloads import storable
from tests.clock import NOON
from tests.executions.outputs.storages import (
    AwayStorage,
    RefusingStorage,
    change,
    folder,
    forget,
    lose,
    storage,
    stored,
    use,
)
from tests.workflows.tools.world import World
from workflows.nodes.base import NodeError
from workflows.tools.base import catalogue

__all__ = ["folder", "storage"]

PROJECT, EXECUTION = uuid.uuid4(), uuid.uuid4()
LARGE = {"text": "x" * 1000, "list": [1, None, 2.5, "grüße"]}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", (0.0, 0.0))


def written(value=LARGE):
    return write(value, project_id=PROJECT, execution_id=EXECUTION, now=NOON)


def reread(file):
    forget()
    return read(file, node_id="fetch")


class TestWrite:
    def test_what_was_written_is_read_by_another_process(self, storage):
        assert reread(written()) == LARGE

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(value=json_values)
    def test_every_storable_value_comes_back_the_same(self, storage, value):
        value = storable(value)

        assert reread(written(value)) == value

    def test_says_how_long_it_is_and_its_hash(self, storage):
        file = written()

        with opened(file, node_id="fetch") as found:
            data = found.read()
        assert (file.size, data) == (len(data), orjson.dumps(LARGE))
        assert re.fullmatch("[0-9a-f]{64}", file.sha256)

    def test_goes_by_project_day_and_execution_and_cannot_be_guessed(self, storage):
        one, other = written(), written()

        pattern = rf"outputs/{PROJECT}/{NOON:%Y-%m-%d}/{EXECUTION}\.[0-9a-f]{{32}}\.json"
        assert re.fullmatch(pattern, one.name)
        assert one.name != other.name
        assert stored() == sorted([one.name, other.name])

    def test_fits_its_column(self, storage):
        assert len(written().name) <= 200

    @pytest.mark.parametrize("name", ["outputs", "../../outputs", "../{file}", "{file}"])
    def test_is_out_of_the_storage_tools_reach(self, storage, name):
        file = written()
        world = World(project_id=str(PROJECT))
        listed = catalogue()["storage.list"]
        reading = catalogue()["storage.read"]

        assert listed.call(listed.Arguments(), world)["files"] == []
        with pytest.raises((NodeError, ValueError)):
            reading.call(reading.Arguments.model_validate({"name": name.format(file=file.name)}), world)

    def test_is_on_the_disk_with_its_new_folders_when_it_returns(self, folder, monkeypatch):
        synced = []
        sync = os.fsync
        monkeypatch.setattr(
            os,
            "fsync",
            lambda descriptor: (synced.append(os.readlink(f"/proc/self/fd/{descriptor}")), sync(descriptor)),
        )

        file = written()

        project = folder / "outputs" / str(PROJECT)
        assert synced[0].startswith(str(folder / ".parts"))
        assert synced[1] == str((folder / file.name).parent)
        assert set(synced[2:]) >= {str(project), str(folder / "outputs"), str(folder)}

    def test_asks_a_storage_that_failed_once_more(self, settings, tmp_path, impatient):
        use(settings, tmp_path, RefusingStorage)
        RefusingStorage.refusals = 2

        assert reread(written()) == LARGE

    def test_says_what_to_do_if_the_storage_does_not_take_it(self, settings, tmp_path, impatient):
        use(settings, tmp_path, RefusingStorage)
        RefusingStorage.refusals = 100

        with pytest.raises(OutputNotKept, match=r"has 1,041 bytes.*\(OSError\).*STORAGE_BACKEND"):
            written()
        RefusingStorage.refusals = 0
        assert stored() == []


class TestRead:
    def test_of_a_lost_file_names_node_file_and_what_to_do(self, storage):
        file = written()
        lose(file.name)

        with pytest.raises(OutputUnreadable, match="is not there any more") as raised:
            read(file, node_id="fetch")

        assert "`fetch`" in raised.value.message
        assert file.name in raised.value.message
        assert "run the execution again from `fetch`" in raised.value.hint

    def test_of_a_changed_file_gives_no_value(self, storage):
        file = written()
        change(file.name)

        with pytest.raises(OutputUnreadable, match="does not hold any more what was written"):
            read(file, node_id="fetch")

    def test_of_a_file_that_was_cut_gives_no_value(self, folder):
        file = written()
        os.truncate(folder / file.name, 10)
        forget()

        with pytest.raises(OutputUnreadable, match="does not hold any more"):
            read(file, node_id="fetch")

    def test_asks_a_storage_that_cannot_be_reached_once_more(self, settings, tmp_path, impatient):
        use(settings, tmp_path, AwayStorage)
        file = written()
        AwayStorage.refusals = 2

        assert reread(file) == LARGE

    def test_says_that_the_storage_is_away(self, settings, tmp_path, impatient):
        use(settings, tmp_path, AwayStorage)
        file = written()
        AwayStorage.refusals = 100

        with pytest.raises(StorageDown, match=r"could not be read now \(ConnectionError\)"):
            reread(file)
        AwayStorage.refusals = 0

    def test_reads_once_what_is_asked_for_again_and_again(self, folder, monkeypatch):
        file = written()
        reread(file)
        monkeypatch.setattr(files, "default_storage", lambda: pytest.fail("It is read again."))

        assert read(file, node_id="fetch") == LARGE

    def test_may_come_from_many_threads_at_once(self, folder):
        file = written()
        forget()
        found = []
        threads = [threading.Thread(target=lambda: found.append(read(file, node_id="fetch"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert found == [LARGE] * 8


class TestReference:
    def test_is_three_columns(self):
        file = OutputFile("outputs/a", 3, "f" * 64)

        assert OutputFile.named(*file_columns(file).values()) == file
        assert OutputFile.named(*file_columns(None).values()) is None

    @pytest.mark.parametrize(
        ("output", "result"),
        [({"value": 1, "status": None}, 1), ({"other": 1}, {"other": 1}), ([1], [1]), (None, None)],
    )
    def test_a_result_is_the_value_of_an_output_node(self, output, result):
        assert result_in(output) == result
