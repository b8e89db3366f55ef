"""What holds for every page of the admin, found by itself: it opens, it is bounded, it escapes, it guards."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext

from executions.models import (
    Approval,
    ApprovalDecision,
    GoneEndpoint,
    Link,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from executions.spending.models import ModelCall
from projects.backoffice.pages import Page
from projects.models import ApiToken, AuditEntry, Project
from templates_app.models import WorkflowTemplate
from tests.admin.rows import FACTORIES, OUR_APPS, OUR_MODELS, SCRIPT, harmful, ordinary, url
from triggers.models import (
    Event,
    EventMatch,
    Poll,
    PollKey,
    ScheduleBackfill,
    SkippedSlots,
    Subscription,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
)
from workflows.models import Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db

each_model = pytest.mark.parametrize("model", OUR_MODELS, ids=lambda model: model._meta.label)

READ_ONLY = (
    ApiToken,
    AuditEntry,
    WorkflowVersion,
    WorkflowExecution,
    WorkflowExecutionLog,
    Approval,
    ApprovalDecision,
    Link,
    GoneEndpoint,
    ModelCall,
    Trigger,
    WebhookRegistration,
    WebhookDelivery,
    Subscription,
    Event,
    EventMatch,
    Poll,
    PollKey,
    SkippedSlots,
    ScheduleBackfill,
)
each_read_only = pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model._meta.label)

UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"

LARGE = (ModelCall, AuditEntry, WorkflowExecution, WorkflowExecutionLog, WebhookDelivery, Event, EventMatch)

QUESTIONS: list[dict[str, str]] = [
    {"q": "' OR 1=1 --"},
    {"q": "\x00"},
    {"q": SCRIPT},
    {"q": UNKNOWN_ID},
    {"q": "x" * 5000},
    {"q": '"unclosed'},
    {"p": "99999999999999999999"},
    {"p": "-1"},
    {"p": "x"},
    {"all": ""},
    {"o": "1.2.-3"},
    {"project": "nobody"},
    {"project": "\x00"},
    {"status__exact": "\x00"},
    {"status__exact": "nobody"},
    {"created_at__gte": "yesterday"},
    {"id__exact": "nobody"},
    {"workflow__project__name": "x"},
    {"user__password__startswith": "a"},
    {"e": "1"},
]

# Columns whose content no page may show.
SECRET_COLUMNS = ("digest", "data_key", "secret", "password")


class _Tags(HTMLParser):
    """Collects what a browser would run."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs))
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def tags_of(html: str) -> _Tags:
    tags = _Tags()
    tags.feed(html)
    return tags


def text_of(response: Any) -> str:
    return response.content.decode()


class TestEveryModel:
    def test_is_registered_with_a_page_of_segue_and_has_a_row_here(self):
        from django.apps import apps

        models = {model for model in apps.get_models() if model._meta.app_label in OUR_APPS}

        assert models == set(OUR_MODELS) == set(FACTORIES)
        assert all(isinstance(admin.site.get_model_admin(model), Page) for model in models)


class TestEveryList:
    @each_model
    def test_opens_without_rows(self, browser, model):
        response = browser.get(url("changelist", model))

        assert response.status_code == 200

    @each_model
    def test_asks_the_same_number_of_queries_for_one_row_and_for_twenty(self, browser, model):
        ordinary(model)
        browser.get(url("changelist", model))  # What Django remembers from then on is not about rows.

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                assert browser.get(url("changelist", model)).status_code == 200
            return len(captured)

        for_one = queries()
        for _ in range(19):
            ordinary(model)

        assert queries() == for_one

    @each_model
    def test_does_not_read_the_large_columns(self, browser, model):
        page = admin.site.get_model_admin(model)
        ordinary(model)

        with CaptureQueriesContext(connection) as captured:
            browser.get(url("changelist", model))

        read = " ".join(query["sql"] for query in captured)
        for column in page.large_columns:
            assert f'"{model._meta.db_table}"."{column}"' not in read

    @each_model
    def test_takes_any_question_without_failing(self, browser, model):
        ordinary(model)

        # 400 is Django's answer to a filter on a column that the list does not offer.
        failed = [
            query
            for query in QUESTIONS
            if browser.get(url("changelist", model), query).status_code not in (200, 302, 400)
        ]

        assert failed == []

    @each_model
    def test_finds_rows_by_searching(self, browser, model):
        row = ordinary(model)
        page = admin.site.get_model_admin(model)

        assert page.search_fields
        assert page.search_help_text
        response = browser.get(url("changelist", model), {"q": str(row.pk)})

        assert response.status_code == 200

    @each_model
    def test_is_sorted_in_one_way_alone(self, model):
        assert admin.site.get_model_admin(model).sortable_by == ()

    @pytest.mark.parametrize("model", LARGE, ids=lambda model: model._meta.label)
    def test_of_many_rows_is_sorted_by_an_index(self, model):
        columns = [tuple(index.fields) for index in model._meta.indexes if not index.condition]

        assert tuple(admin.site.get_model_admin(model).ordering) in [*columns, ("-id",)]


class TestEveryRow:
    @each_model
    def test_opens(self, browser, model):
        response = browser.get(url("change", model, ordinary(model).pk))

        assert response.status_code == 200

    @each_model
    @pytest.mark.parametrize("pk", [UNKNOWN_ID, "nobody", "1", "_00", "a/b"])
    def test_that_does_not_exist_leads_away(self, browser, model, pk):
        assert browser.get(url("change", model, pk)).status_code == 302
        assert browser.post(url("act", model, pk, "cancel")).status_code == 302

    @each_model
    def test_runs_nothing_that_its_data_says(self, browser, model):
        row = harmful(model)

        for address in (url("changelist", model), url("change", model, row.pk)):
            response = browser.get(address)
            page = text_of(response)

            assert response.status_code == 200
            assert SCRIPT not in page
            assert "<script>alert" not in page
            assert not tags_of(page).handlers
            assert all("src" in script for script in tags_of(page).scripts)

    @each_model
    def test_is_of_bounded_size(self, browser, model):
        page = text_of(browser.get(url("change", model, harmful(model).pk)))

        assert len(page) < 400_000

    @each_model
    def test_shows_no_secret_column(self, browser, model):
        row = ordinary(model)
        columns = [field.attname for field in model._meta.concrete_fields if field.attname in SECRET_COLUMNS]
        for column in columns:
            model._default_manager.filter(pk=row.pk).update(**{column: "v1:canary"})

        page = text_of(browser.get(url("change", model, row.pk))) + text_of(browser.get(url("changelist", model)))

        assert "canary" not in page

    @each_read_only
    def test_cannot_be_made_changed_or_removed(self, browser, model):
        row = ordinary(model)
        before = model._default_manager.filter(pk=row.pk).values().get()

        assert browser.get(url("add", model)).status_code == 403
        assert browser.post(url("add", model), {}).status_code == 403
        assert browser.post(url("change", model, row.pk), {"status": "completed", "name": "x"}).status_code == 403
        assert browser.post(url("delete", model, row.pk), {"post": "yes"}).status_code == 403
        assert model._default_manager.filter(pk=row.pk).values().get() == before

    @each_model
    def test_cannot_be_removed_in_bulk(self, browser, model):
        row = ordinary(model)

        browser.post(
            url("changelist", model), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        )

        assert model._default_manager.filter(pk=row.pk).exists()


class TestWhoMaySee:
    """Staff see only what Django's permissions allow."""

    @each_model
    def test_strangers_are_asked_to_log_in(self, model):
        row = ordinary(model)

        for address in (url("changelist", model), url("change", model, row.pk), url("act", model, row.pk, "cancel")):
            response = Client().post(address)
            assert response.status_code == 302
            assert "/admin/login/" in response["Location"]

    @each_model
    def test_staff_without_the_permission_are_refused(self, staff, model):
        row, client = ordinary(model), staff()

        assert client.get(url("changelist", model)).status_code == 403
        assert client.get(url("change", model, row.pk)).status_code == 403
        assert client.post(url("act", model, row.pk, "cancel")).status_code == 403

    @each_model
    def test_staff_who_may_only_look_are_offered_no_action(self, staff, model):
        row = ordinary(model)
        client = staff(f"{model._meta.app_label}.view_{model._meta.model_name}")

        page = text_of(client.get(url("change", model, row.pk)))

        assert client.get(url("changelist", model)).status_code == 200
        assert "/act/" not in page
        for name in admin.site.get_model_admin(model).actions or ():
            name = name if isinstance(name, str) else name.__name__
            assert client.post(url("act", model, row.pk, name)).status_code == 403

    @each_model
    def test_actions_are_done_by_posting_alone(self, browser, model):
        row = ordinary(model)

        assert browser.get(url("act", model, row.pk, "cancel")).status_code == 405
        assert browser.post(url("act", model, row.pk, "no_such_action")).status_code == 403

    def test_actions_are_guarded_against_other_sites(self, superuser):
        execution = ordinary(WorkflowExecution)
        client = Client(enforce_csrf_checks=True)
        client.force_login(superuser)

        assert client.post(url("act", WorkflowExecution, execution.pk, "rerun")).status_code == 403


def test_the_first_page_opens_and_names_segue(browser):
    page = text_of(browser.get("/admin/"))

    assert "<title>Site administration | Segue</title>" in page
    assert "Django" not in page


@pytest.mark.parametrize("model", [Project, Workflow, WorkflowTemplate], ids=lambda model: model._meta.label)
def test_a_model_without_a_name_in_the_url_space_is_linked_from_the_first_page(browser, model: type[Model]):
    assert url("changelist", model) in text_of(browser.get("/admin/"))
