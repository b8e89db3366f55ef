"""Contacts are sent in batches, one after another. How they are paced is told in ``tests/journeys/test_patterns.py``."""

from __future__ import annotations

import pytest

from executions.exceptions import InvalidInput

CONTACTS = [{"email": f"{number}@example.com"} for number in range(25)]


@pytest.fixture
def crm(stage, service):
    return stage("contact-import", CONTACTS_URL=service.url_for("/contacts"), CRM_TOKEN="crm-token")


class TestContactImport:
    def test_sends_every_contact_once_and_in_order(self, crm, service):
        service.expect_request(
            "/contacts", method="POST", headers={"Authorization": "Bearer crm-token"}
        ).respond_with_data("ok")
        crm.start({"contacts": CONTACTS})

        assert crm.ended().result == {"batches": 3, "imported": 25, "failed": []}
        batches = [request.json["contacts"] for request, _ in service.log]
        assert batches == [CONTACTS[:10], CONTACTS[10:20], CONTACTS[20:]]

    def test_says_which_contacts_were_not_imported_and_why(self, crm, service):
        service.expect_request("/contacts").respond_with_data("no", status=422)
        crm.start({"contacts": CONTACTS[:12]})

        result = crm.ended().result

        assert (result["batches"], result["imported"]) == (2, 0)
        assert [failed["contacts"] for failed in result["failed"]] == [CONTACTS[:10], CONTACTS[10:12]]
        assert all("422" in failed["reason"] for failed in result["failed"])

    def test_gives_up_on_a_batch_after_six_attempts(self, crm, service):
        service.expect_request("/contacts").respond_with_data("busy", status=503)
        crm.start({"contacts": CONTACTS[:1]})

        assert crm.ended().result["imported"] == 0
        assert len(service.log) == 6

    @pytest.mark.parametrize("wrong", [{}, {"contacts": []}, {"contacts": [{"email": "nobody"}]}, {"contacts": "all"}])
    def test_refuses_what_is_no_list_of_contacts(self, shelf, wrong):
        crm = shelf("contact-import", CONTACTS_URL="https://crm.example.com", CRM_TOKEN="crm-token")

        with pytest.raises(InvalidInput):
            crm.start(wrong)
