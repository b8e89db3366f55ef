"""The storage tools, on a real folder and on another storage of Django's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from projects.files import PARTS
from tests.builders import definition, node
from tests.environment import ROOT
from tests.workflows.definition.checks import problems
from tests.workflows.tools.world import PROJECT, World
from workflows.nodes.base import Effect, NodeError
from workflows.nodes.evaluation import validated
from workflows.tools.base import catalogue

OTHER_PROJECT = "01a21499-402b-7235-8eea-000000000000"


@pytest.fixture(params=["folder", "memory"])
def storage(request, settings, tmp_path):
    """Each of two storages: a folder, and one that has no paths."""
    settings.MEDIA_ROOT = str(tmp_path / "storage")
    backend = {"folder": "FileSystemStorage", "memory": "InMemoryStorage"}[request.param]
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"django.core.files.storage.{backend}"}}
    return request.param


@pytest.fixture
def folder(settings, tmp_path):
    """The folder of the project's files."""
    settings.MEDIA_ROOT = str(tmp_path / "storage")
    return tmp_path / "storage" / "projects" / PROJECT


def call(tool, world=None, **arguments):
    found = catalogue()[f"storage.{tool}"]
    return found.call(validated(found.Arguments, arguments), world or World())


def refused(tool, **arguments):
    with pytest.raises(NodeError) as raised:
        call(tool, **arguments)
    return raised.value


class TestWriteAndRead:
    @pytest.mark.parametrize(
        ("name", "content", "body_format", "body"),
        [
            ("a.txt", {"text": "grüße\n"}, "text", "grüße\n"),
            ("a.json", {"json": {"b": [1, None]}}, "json", {"b": [1, None]}),
            ("a.json", {"json": None}, "json", None),
            ("a.csv", {"text": "a,b\n1,2\n"}, "text", "a,b\n1,2\n"),
            ("a.png", {"base64": "AP8="}, "base64", "AP8="),
            ("a", {"base64": "AP8="}, "base64", "AP8="),
            ("a", {"text": "words"}, "text", "words"),
            ("deep/er/ä b.txt", {"text": ""}, "empty", None),
        ],
    )
    def test_what_was_written_is_read(self, storage, name, content, body_format, body):
        written = call("write", name=name, **content)

        read = call("read", name=name)

        assert (read["body_format"], read["body"]) == (body_format, body)
        assert (read["name"], read["size"]) == (written["name"], written["size"])
        assert read["modified_at"]
        assert written["is_written"] is True

    def test_says_what_it_has_written(self, storage):
        assert call("write", name="a.json", json={"a": 1}) == {
            "name": "a.json",
            "size": 7,
            "sha256": "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862",
            "content_type": "application/json",
            "is_written": True,
        }

    def test_a_file_can_be_taken_as_it_is(self, storage):
        call("write", name="a.json", text="{broken")

        assert refused("read", name="a.json").code == "invalid_json"
        assert call("read", name="a.json", **{"as": "text"})["body"] == "{broken"
        assert call("read", name="a.json", **{"as": "bytes"})["body"] == "e2Jyb2tlbg=="

    def test_a_file_that_is_not_there(self, storage):
        error = refused("read", name="none.txt")

        assert (error.code, error.retryable) == ("file_not_found", False)

    def test_projects_do_not_see_each_others_files(self, storage):
        """[S-AUTHZ-1]"""
        call("write", name="a.txt", text="mine")

        with pytest.raises(NodeError, match="no file"):
            call("read", world=World(project_id=OTHER_PROJECT), name="a.txt")
        assert call("list", world=World(project_id=OTHER_PROJECT))["files"] == []
        assert call("delete", world=World(project_id=OTHER_PROJECT), name="a.txt")["is_deleted"] is False

    def test_secrets_are_not_written(self, storage):
        for content in ({"text": "a ⟦TOKEN⟧"}, {"json": {"deep": ["⟦TOKEN⟧"]}}):
            with pytest.raises(NodeError, match="Secrets do not go into files"):
                call("write", world=World(secrets={"TOKEN": "t0ken"}), name="a", **content)

    @pytest.mark.parametrize("content", [{"text": "\ud800"}, {"base64": "no base64!"}])
    def test_what_is_no_content_is_refused(self, storage, content):
        assert refused("write", name="a", **content).code == "invalid_content"


class TestIfExists:
    def test_replaces_unless_told_otherwise(self, storage):
        call("write", name="a", text="one")

        assert call("write", name="a", text="two")["is_written"] is True
        assert call("read", name="a")["body"] == "two"

    def test_keeps_what_is_there(self, storage):
        first = call("write", name="a", text="one")

        again = call("write", name="a", text="other", if_exists="keep")

        assert again == first | {"is_written": False}
        assert call("read", name="a")["body"] == "one"

    def test_fails_if_it_holds_something_else(self, storage):
        call("write", name="a", text="one", if_exists="fail")

        assert call("write", name="a", text="one", if_exists="fail")["is_written"] is False
        assert refused("write", name="a", text="two", if_exists="fail").code == "file_exists"

    def test_of_many_at_once_one_wins_and_nothing_is_mixed(self, folder):
        outcomes = []

        def write(number):
            try:
                outcomes.append(call("write", name="a", text=f"{number}" * 50_000, if_exists="fail"))
            except NodeError as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert outcomes.count("file_exists") == 7
        assert len(set(call("read", name="a")["body"])) == 1


class TestNames:
    """[S-FILE-1]"""

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "",
                "/",
                "/etc/passwd",
                "a/",
                "a//b",
                "..",
                "../a",
                "a/../../b",
                "a/..",
                ".",
                "./a",
                "a/./b",
                "a/.hidden",
                ".parts",
            ),
            *("..\\a", "a\\b", "C:\\a", "C:a", "a\x00b", "a\nb", "a\x7f", "\ud800", "a\u202eb", "a\u200bb", "e\u0301"),
            *(
                "a ",
                " a",
                "a.",
                "a*",
                "a?b",
                "~/a",
                "$HOME",
                "a;b",
                "a|b",
                "a:b",
                "%2e%2e/a",
                "a" * 101,
                "a/" * 10 + "a",
                "ä" * 301,
                "日" * 86,
                "\u093f",
                "a/\u0e31b",
                "a \u093f",
            ),
        ],
    )
    @pytest.mark.parametrize("tool", ["read", "write", "delete"])
    def test_what_could_be_another_place_is_refused(self, tool, name):
        more = {"text": ""} if tool == "write" else {}

        with pytest.raises(ValidationError):
            catalogue()[f"storage.{tool}"].Arguments.model_validate({"name": name, **more})

    @pytest.mark.parametrize("name", ["..", "../a", "/a", "a/", "a/../..", ".parts"])
    def test_folders_too(self, name):
        with pytest.raises(ValidationError):
            catalogue()["storage.list"].Arguments.model_validate({"folder": name})

    @pytest.mark.parametrize(
        "name",
        ["a", "Ärger 1.txt", "日本/報告.csv", "हिन्दी.txt", "สวัสดี/1", "a-b_c (1),v=2@x+y.tar.gz", "a..b", "日" * 85],
    )
    def test_ordinary_ones_are_allowed(self, storage, name):
        call("write", name=name, text="x")

        assert [file["name"] for file in call("list")["files"]] == [name]

    def test_are_checked_when_an_expression_has_made_them(self):
        assert refused("read", name="../other").code == "invalid_config"

    def test_a_name_that_is_a_folders_is_refused(self, folder):
        call("write", name="a/b", text="x")

        assert refused("write", name="a", text="x").code == "name_taken"
        assert refused("read", name="a").code == "name_taken"
        assert refused("delete", name="a").code == "name_taken"
        assert refused("write", name="a/b/c", text="x").code == "name_taken"


class TestLimits:
    def test_a_content_that_is_too_large_is_refused(self, storage, settings):
        settings.STORAGE_MAX_FILE_BYTES = 10

        call("write", name="a", text="0123456789")

        assert refused("write", name="b", text="0123456789a").code == "file_too_large"

    def test_a_file_that_is_too_large_is_not_read(self, storage, settings):
        call("write", name="a", text="0123456789a")
        settings.STORAGE_MAX_FILE_BYTES = 10

        assert refused("read", name="a").code == "file_too_large"


class TestListAndDelete:
    def test_lists_by_name_with_all_below(self, storage):
        for name in ("b", "a/two", "a/one", "c/x/y"):
            call("write", name=name, text=name)

        assert [file["name"] for file in call("list")["files"]] == ["a/one", "a/two", "b", "c/x/y"]
        assert [file["name"] for file in call("list", folder="a")["files"]] == ["a/one", "a/two"]
        assert call("list", folder="none") == {"files": [], "is_complete": True}

    def test_says_when_there_are_more(self, storage):
        for name in "abc":
            call("write", name=name, text=name)

        output = call("list", max_files=2)

        assert [file["name"] for file in output["files"]] == ["a", "b"]
        assert output["is_complete"] is False
        assert call("list", max_files=3)["is_complete"] is True

    def test_deletes_once(self, storage):
        call("write", name="a", text="x")

        assert call("delete", name="a") == {"name": "a", "is_deleted": True}
        assert call("delete", name="a") == {"name": "a", "is_deleted": False}
        assert call("list")["files"] == []


class TestCrash:
    SCRIPT = (
        "import django; django.setup();"
        "from workflows.tools.storage import files;"
        "files.write('{project}', 'a', b'new' * 100_000, if_exists='replace', content_type='')"
    )

    def test_a_writer_that_is_killed_leaves_the_old_file_whole(self, folder, settings):
        """[R-2]"""
        call("write", name="a", text="old")
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "STORAGE_ROOT": settings.MEDIA_ROOT,
            "SEGUE_FAILPOINTS": "storage.aside=kill",
        }

        done = subprocess.run([sys.executable, "-c", self.SCRIPT.format(project=PROJECT)], cwd=ROOT, env=environment)

        assert done.returncode == -signal.SIGKILL
        assert call("read", name="a")["body"] == "old"
        assert [file["name"] for file in call("list")["files"]] == ["a"]
        assert len(list(Path(settings.MEDIA_ROOT, PARTS).iterdir())) == 1

    def test_what_it_left_is_removed_after_a_day(self, folder, settings):
        aside = Path(settings.MEDIA_ROOT, PARTS)
        aside.mkdir(parents=True)
        for name, age in (("old", 2 * 24 * 3600), ("new", 3600)):
            (aside / name).write_text("half")
            moment = (aside / name).stat().st_mtime - age
            os.utime(aside / name, (moment, moment))

        call("write", name="a", text="x")

        assert [part.name for part in aside.iterdir()] == ["new"]

    def test_a_storage_that_fails_is_tried_again_and_tells_no_paths(self, folder, settings):
        Path(settings.MEDIA_ROOT).mkdir()
        Path(settings.MEDIA_ROOT, "projects").symlink_to("projects")

        error = refused("write", name="a", text="x")

        assert (error.code, error.retryable) == ("storage_failed", True)
        assert settings.MEDIA_ROOT not in error.message


class TestCatalogue:
    @pytest.mark.parametrize(
        ("tool", "effect"),
        [("read", Effect.READ), ("list", Effect.READ), ("write", Effect.WRITE), ("delete", Effect.WRITE)],
    )
    def test_says_what_each_does_to_the_outside(self, tool, effect):
        assert catalogue()[f"storage.{tool}"].effect({}) is effect

    def test_names_and_contents_may_be_expressions(self):
        given = {"name": "orders/{{ input.id }}.json", "json": {"id": "{{ input.id }}"}}
        raw = definition("start > it", it=node("tool", {"tool": "storage.write", "with": given}))

        assert problems(raw) == []

    @pytest.mark.parametrize(
        "given", [{}, {"text": "a", "base64": "YQ=="}, {"text": "a", "json": None}, {"text": None}]
    )
    def test_a_file_has_one_content(self, given):
        raw = definition("start > it", it=node("tool", {"tool": "storage.write", "with": {"name": "a", **given}}))

        assert [problem.message for problem in problems(json.loads(json.dumps(raw)))]
