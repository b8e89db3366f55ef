"""The gallery's files: read whole, or refused with a sentence."""

from __future__ import annotations

import json

import pytest

from templates_app.exceptions import BrokenTemplateFile
from templates_app.files import read_gallery
from tests.factories import DEFINITION

FILE = {
    "slug": "hello",
    "name": "Hello",
    "description": "Says hello.",
    "category": "examples",
    "version": "1.0.0",
    "workflow_definition": DEFINITION,
}


@pytest.fixture
def write(tmp_path):
    def write_file(file_name="hello.json", **changes):
        (tmp_path / file_name).write_text(json.dumps({**FILE, **changes}), encoding="utf-8")
        return tmp_path

    return write_file


class TestReadGallery:
    def test_reads_every_file_in_order(self, write):
        write("zebra.json", slug="zebra")
        folder = write("apple.json", slug="apple")

        assert [file.slug for file in read_gallery(folder)] == ["apple", "zebra"]

    def test_leaves_other_files_alone(self, write):
        folder = write()
        (folder / "README.md").write_text("# Templates")

        assert len(read_gallery(folder)) == 1

    def test_finds_out_which_tools_are_needed(self, write):
        call = {"id": "call", "type": "tool", "config": {"tool": "http.request", "with": {"url": "https://x.example"}}}
        definition = {**DEFINITION, "nodes": [*DEFINITION["nodes"], call]}

        (file,) = read_gallery(write(workflow_definition=definition))

        assert file.columns()["required_tools"] == ["http.request"]

    def test_draws_the_picture(self, write):
        (file,) = read_gallery(write())

        assert file.columns()["preview_image"].startswith("<svg")
        assert "Graph of Hello" in file.columns()["preview_image"]

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"slug": "other"}, "hello.json holds the template 'other'. Call it other.json."),
            ({"slug": "Hello World"}, "slug: String should match pattern"),
            ({"name": ""}, "name: String should have at least 1 character"),
            ({"version": "1"}, "version: String should match pattern"),
            ({"tags": ['a"b']}, r"tags\.0: String should match pattern"),
            ({"stars": 5}, "stars: Extra inputs are not permitted"),
            ({"is_featured": "yes"}, "is_featured: Input should be a valid boolean"),
            ({"workflow_definition": {"nodes": 1}}, "workflow_definition: Value error, This is not a valid definition"),
            ({"required_variables": [{"name": "x"}]}, r"required_variables\.0\.name: String should match pattern"),
        ],
    )
    def test_refuses_a_file_that_is_no_template(self, write, changes, sentence):
        with pytest.raises(BrokenTemplateFile, match=sentence):
            read_gallery(write(**changes))

    def test_says_everything_that_is_wrong_with_a_file(self, write):
        with pytest.raises(BrokenTemplateFile, match=r"hello\.json is no template: name: .*; category: "):
            read_gallery(write(name="", category=""))

    def test_refuses_a_file_that_is_no_json(self, tmp_path):
        (tmp_path / "hello.json").write_text("{")

        with pytest.raises(BrokenTemplateFile, match=r"hello\.json is no template: the whole: Invalid JSON"):
            read_gallery(tmp_path)
