"""The gallery is loaded, somebody looks at it, installs a template, and calls its webhook."""

from __future__ import annotations

import httpx2
import pytest

from templates_app.files import GALLERY

ORDER = {
    "order_id": "A-1001",
    "customer": {"name": "Ada"},
    "currency": "EUR",
    "items": [{"sku": "tea", "quantity": 3, "unit_price": 12.5}, {"sku": "pot", "quantity": 1, "unit_price": 89}],
}


@pytest.fixture(scope="module")
def gallery(segue):
    """Return a client of an installation with a gallery, for somebody who has not logged in."""
    segue.manage("load_gallery")
    with httpx2.Client(base_url=f"{segue.url}/api", timeout=60, trust_env=False) as nobody:
        yield nobody


@pytest.fixture(scope="module")
def template(gallery):
    (found,) = gallery.get("/templates/", params={"slug": "order-webhook"}).json()["results"]
    return found


@pytest.fixture(scope="module")
def installed(segue, template):
    """Return what installing answered."""
    answer = segue.api.post(f"/templates/{template['id']}/install/", json={"project": segue.project})
    assert answer.status_code == 201, answer.text
    return answer.json()


def call(installed, order, **headers):
    """Call the webhook as a shop does."""
    return httpx2.post(installed["webhooks"][0]["url"], json=order, headers=headers, timeout=60, trust_env=False)


class TestTemplates:
    def test_are_read_without_login(self, gallery, template):
        listed = gallery.get("/templates/").json()["results"]
        detail = gallery.get(f"/templates/{template['id']}/").json()
        picture = gallery.get(template["preview_url"])

        assert len(listed) == len(list(GALLERY.glob("*.json")))
        assert detail["workflow_definition"]["nodes"][0]["id"] == "order"
        assert (picture.headers["Content-Type"], picture.text[:4]) == ("image/svg+xml; charset=utf-8", "<svg")

    def test_are_installed_and_answer(self, segue, installed):
        response = call(installed, ORDER)

        bill = response.json()
        assert response.status_code == 201, response.text
        assert (bill["subtotal"], bill["discount"], bill["total"]) == (126.5, 6.33, 120.17)
        execution = segue.execution(bill["execution_id"])
        assert (execution["status"], execution["workflow"]) == ("completed", installed["id"])
        runs = [run["node_id"] for run in segue.node_runs(bill["execution_id"])]
        assert runs == ["order", "lines", "kind", "discount", "confirm"]

    def test_take_an_order_once(self, installed):
        first = call(installed, ORDER, **{"Idempotency-Key": "order-1"}).json()

        again = call(installed, ORDER, **{"Idempotency-Key": "order-1"})

        assert (again.status_code, again.json()["execution_id"]) == (200, first["execution_id"])

    def test_refuse_what_is_no_order(self, installed):
        refused = call(installed, {**ORDER, "items": []})

        assert refused.status_code == 400
        assert refused.json()["problems"][0]["path"] == "/items"

    def test_ask_for_what_they_need(self, segue, gallery):
        (template,) = gallery.get("/templates/", params={"slug": "lead-intake"}).json()["results"]

        refused = segue.api.post(
            f"/templates/{template['id']}/install/", json={"project": segue.project, "variables": {"CRM_URL": "crm"}}
        )

        assert refused.status_code == 400
        assert {(problem["code"], problem["path"]) for problem in refused.json()["problems"]} == {
            ("invalid_input", "/variables/CRM_URL"),
            ("missing_variable", "/variables/ENRICH_URL"),
            ("missing_variable", "/variables/ENRICH_KEY"),
            ("missing_variable", "/variables/CRM_TOKEN"),
            ("missing_variable", "/variables/CHAT_WEBHOOK_URL"),
        }

    def test_are_installed_by_nobody_without_a_token(self, segue, gallery, template):
        refused = gallery.post(f"/templates/{template['id']}/install/", json={"project": segue.project})

        assert refused.status_code == 401
