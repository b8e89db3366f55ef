"""Outputs that lie in files, in the admin: what is said of them, and where they are downloaded."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from django.urls import reverse

from tests.admin.pages import open_page
from tests.executions.outputs.rows import VALUE, run_with_file
from tests.executions.outputs.storages import folder, storage
from tests.factories import ProjectFactory

__all__ = ["folder", "storage"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    return run_with_file(ProjectFactory())


class TestPages:
    def test_shows_where_to_download_it(self, storage, browser, run):
        page = open_page(browser, run)

        assert f'<a href="{reverse("node-run-output", args=[run.execution_id, run.pk])}">download it</a>' in page
        assert run.output_file_sha256 in page
        assert "grüße" not in page

    def test_shows_it_for_an_executions_result_and_in_its_list(self, storage, browser, run):
        page = open_page(browser, run.execution)

        assert f"/api/executions/{run.execution_id}/node-runs/{run.pk}/output/" in page
        assert f"{run.output_file_bytes} bytes, in a file" in page

    def test_read_no_file(self, folder, browser, run, monkeypatch):
        monkeypatch.setattr("executions.outputs.files.default_storage", lambda: pytest.fail("A file was looked at."))

        for row in (run, run.execution):
            open_page(browser, row)

    def test_lead_where_whoever_sees_them_may_go(self, storage, browser, run):
        with closing(browser.get(reverse("node-run-output", args=[run.execution_id, run.pk]))) as answer:
            assert json.loads(b"".join(answer.streaming_content)) == VALUE
