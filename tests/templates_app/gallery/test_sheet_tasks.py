"""Rows of a Google Sheet are worked on and marked, and new ones come in by a webhook."""

from __future__ import annotations

import re

import pytest

from tests.templates_app.gallery.sheets import ID, Sheet
from tests.templates_app.gallery.stage import body_of
from tests.workflows.tools.token_server import TokenServer, key_file
from workflows.http.oauth import shared_cache

NAME = "Ada's tasks"


@pytest.fixture
def google():
    with TokenServer() as server:
        yield server
    shared_cache().forget()


@pytest.fixture
def sheet(service, google):
    rows = [
        ["Task", "For", "Status"],
        ["Send the tea", "Ada", ""],
        ["Call", "Bob", "done 2026-03-01"],
        ["", "", ""],
        ["Pay", 12.5],
    ]
    return Sheet(service, NAME, rows, is_valid=lambda token: token in google.issued)


@pytest.fixture
def installed(stage, service, google, settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    return stage(
        "sheet-tasks",
        SPREADSHEET_ID=ID,
        SHEET=NAME,
        SERVICE_ACCOUNT=key_file(google.url("/token")),
        ACTION_URL=service.url_for("/act"),
        ACTION_TOKEN="action-token",
        SHEETS_URL=service.url_for("").rstrip("/"),
    )


@pytest.fixture
def acts(service):
    service.expect_request("/act", headers={"Authorization": "Bearer action-token"}).respond_with_data("ok")
    return lambda: [request.json for request, _ in service.log if request.path == "/act"]


class TestSheetTasks:
    def test_acts_on_each_row_without_a_status_and_marks_it(self, installed, sheet, google, acts):
        execution = installed.fire()

        assert execution.result == {"rows": 2, "not_marked": []}
        assert acts() == [
            {"Task": "Send the tea", "For": "Ada", "Status": ""},
            {"Task": "Pay", "For": "12.5", "Status": ""},
        ]
        assert re.match(r"done \d{4}-", sheet.rows[1][2])
        assert re.match(r"done \d{4}-", sheet.rows[4][2])
        assert (sheet.rows[2][2], sheet.rows[3]) == ("done 2026-03-01", ["", "", ""])
        assert len(google.issued) == 1

    def test_does_nothing_when_all_are_done(self, installed, sheet, acts):
        installed.fire()
        installed.fire()

        assert installed.ended().result == {"rows": 0, "not_marked": []}
        assert len(acts()) == 2

    def test_writes_into_the_sheet_why_one_has_failed_and_goes_on(self, installed, sheet, service):
        service.expect_oneshot_request("/act").respond_with_data("no such person", status=404)
        service.expect_request("/act").respond_with_data("ok")

        installed.fire()

        assert sheet.rows[1][2].startswith("failed: POST http://")
        assert sheet.rows[1][2].endswith("answered with status 404.")
        assert sheet.rows[4][2].startswith("done ")

    def test_says_which_column_is_missing(self, installed, sheet):
        sheet.rows[0][2] = "State"

        execution = installed.fire()

        assert (execution.status, "The sheet has no column Status." in execution.error["message"]) == ("failed", True)

    def test_appends_what_the_webhook_gets_in_the_order_of_the_columns(self, installed, sheet):
        answer = installed.send({"For": "Eve", "Task": "=1+1", "Other": 5}, x_sheet_token=installed.secret)

        assert (answer.status_code, body_of(answer)) == (201, {"range": f"'{NAME}'!A6:C6"})
        assert sheet.rows[-1] == ["=1+1", "Eve", ""]

    @pytest.mark.parametrize("wrong", [{}, [], {"Task": {"a": 1}}])
    def test_refuses_what_is_no_row(self, shelf, wrong):
        refusing = shelf(
            "sheet-tasks",
            SPREADSHEET_ID=ID,
            SERVICE_ACCOUNT="{}",
            ACTION_URL="https://act.example.com",
            ACTION_TOKEN="action-token",
        )

        assert refusing.ask(wrong, x_sheet_token=refusing.secret).status_code == 400
