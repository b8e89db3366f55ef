"""The gallery in the admin."""

from __future__ import annotations

import pytest

from templates_app.models import WorkflowTemplate
from tests.admin.pages import open_page
from tests.admin.rows import url
from tests.factories import TemplateFactory

pytestmark = pytest.mark.django_db


class TestTemplate:
    def test_is_drawn(self, browser):
        assert 'class="segue-graph"' in open_page(browser, TemplateFactory())

    def test_can_be_featured_verified_and_rated_and_not_rewritten(self, browser):
        template = TemplateFactory()

        browser.post(
            url("change", WorkflowTemplate, template.pk),
            {"is_featured": "on", "is_verified": "on", "rating": "4.5", "name": "Other", "slug": "other"},
        )

        changed = WorkflowTemplate.objects.get()
        assert (changed.is_featured, changed.is_verified, str(changed.rating)) == (True, True, "4.50")
        assert (changed.name, changed.slug) == (template.name, template.slug)

    @pytest.mark.parametrize("rating", ["6", "-1", "many"])
    def test_refuses_a_rating_that_is_none(self, browser, rating):
        template = TemplateFactory()

        assert browser.post(url("change", WorkflowTemplate, template.pk), {"rating": rating}).status_code == 200
        assert WorkflowTemplate.objects.get().rating is None
