"""A lead comes in by a form, is completed if the company is known, and goes into the CRM in any case."""

from __future__ import annotations

import pytest

from executions.models import WorkflowExecution
from tests.templates_app.gallery.stage import body_of

TIDY = {"name": "Ada Lovelace", "email": "ada@engines.example", "domain": "engines.example", "message": "Hello"}
FORM = {"name": "  Ada Lovelace ", "email": "Ada@Engines.Example", "message": "Hello"}


@pytest.fixture
def variables(service):
    return {
        "ENRICH_URL": service.url_for("/companies"),
        "ENRICH_KEY": "enrich-key",
        "CRM_URL": service.url_for("/crm/leads"),
        "CRM_TOKEN": "crm-token",
        "CHAT_WEBHOOK_URL": service.url_for("/chat"),
    }


@pytest.fixture
def form(stage, variables):
    return Form(stage("lead-intake", **variables))


class Form:
    """The website's form, which knows its secret."""

    def __init__(self, stage):
        self.way = stage.way
        self._stage = stage

    def submit(self):
        return self._stage.send(FORM, x_form_token=self._stage.secret)


@pytest.fixture
def crm(service):
    """Return the leads that the CRM has got."""
    service.expect_request(
        "/crm/leads", method="POST", headers={"Authorization": "Bearer crm-token"}
    ).respond_with_json({"id": "L-7"}, status=201)
    return lambda: [
        request.json for request, answer in service.log if request.path == "/crm/leads" and answer.status_code == 201
    ]


@pytest.fixture
def company(service):
    def known(**answer):
        service.expect_request(
            "/companies", query_string={"domain": "engines.example"}, headers={"X-Api-Key": "enrich-key"}
        ).respond_with_json(answer)

    return known


class TestLeadIntake:
    def test_completes_a_lead_and_puts_it_into_the_crm(self, form, company, crm, chat):
        company(name="Engines Ltd", employees=20)

        response = form.submit()

        assert (response.status_code, body_of(response)) == (201, {"lead": "L-7", "is_hot": False})
        assert crm() == [{**TIDY, "company": "Engines Ltd", "employees": 20, "is_hot": False}]
        assert chat() == []
        assert form.way() == ["lead", "tidy", "enrich", "profile", "size", "crm", "thanks"]

    def test_tells_the_chat_of_a_large_company(self, form, company, crm, chat):
        company(name="Engines Ltd", employees=200)

        assert body_of(form.submit()) == {"lead": "L-7", "is_hot": True}

        assert chat() == ["New lead: Ada Lovelace of Engines Ltd (200 employees)\nada@engines.example\nHello"]
        assert crm()[0]["is_hot"] is True
        assert form.way() == ["lead", "tidy", "enrich", "profile", "size", "tell", "crm", "thanks"]

    @pytest.mark.parametrize(("status", "attempts"), [(503, 3), (404, 1)])
    def test_goes_on_without_the_company_when_nobody_knows_it(self, form, service, crm, status, attempts):
        service.expect_request("/companies").respond_with_data("sorry", status=status)

        assert form.submit().status_code == 201

        assert crm() == [{**TIDY, "company": None, "employees": 0, "is_hot": False}]
        assert [request.path for request, _ in service.log].count("/companies") == attempts
        assert form.way() == ["lead", "tidy", "enrich", "unknown", "profile", "size", "crm", "thanks"]

    def test_goes_on_where_the_service_knows_less(self, form, company, crm):
        company()

        form.submit()

        assert (crm()[0]["company"], crm()[0]["employees"]) == (None, 0)

    def test_does_not_lose_a_lead_because_the_chat_is_down(self, form, service, company, crm):
        company(name="Engines Ltd", employees=999)
        service.expect_request("/chat").respond_with_data("down", status=503)

        assert form.submit().status_code == 201
        assert len(crm()) == 1

    def test_gives_the_crm_the_same_key_when_it_tries_again(self, form, service, company, crm):
        company(name="Engines Ltd", employees=20)
        service.expect_oneshot_request("/crm/leads").respond_with_data("down", status=503)

        assert form.submit().status_code == 201

        keys = {request.headers["Idempotency-Key"] for request, _ in service.log if request.path == "/crm/leads"}
        assert len(crm()) == len(keys) == 1

    @pytest.mark.parametrize("wrong", [{}, {**FORM, "email": "nobody"}, {**FORM, "name": ""}, []])
    def test_refuses_what_is_no_lead(self, shelf, variables, wrong):
        installed = shelf("lead-intake", **variables)

        assert installed.ask(wrong, x_form_token=installed.secret).status_code == 400
        assert not WorkflowExecution.objects.exists()

    def test_takes_leads_from_its_form_alone(self, shelf, variables):
        installed = shelf("lead-intake", **variables)

        assert installed.ask(FORM, x_form_token="guessed-guessed-guessed").status_code == 401
