"""The look-up at the beginning of every delivery."""

from __future__ import annotations

import pytest

from tests.clock import NOON
from tests.triggers.stories import hook_of, publish_again, published, started_by, webhook
from triggers.models import WebhookRegistration
from triggers.services import set_secret
from triggers.services.webhook_secrets import live_secrets
from triggers.webhooks import routes

pytestmark = pytest.mark.django_db


class TestFind:
    def test_finds_the_webhook_and_all_that_a_delivery_needs_in_one_query(self, django_assert_num_queries):
        workflow = published(
            started_by(
                hook=webhook(
                    auth={"scheme": "bearer"}, headers_validation={"X-Kind": "order"}, body_schema={"type": "object"}
                )
            )
        )
        hook = hook_of(workflow)
        secret = set_secret(hook, by=None, now=NOON)

        with django_assert_num_queries(1):
            route = routes.find(hook.path)
            found = route.registration
            assert [each.text for each in live_secrets(found, NOON)] == [secret]
            assert (found, found.path, found.methods) == (hook, hook.path, ["POST"])
            assert (found.auth, found.headers_validation) == ({"scheme": "bearer"}, {"X-Kind": "order"})
            assert found.body_schema == {"type": "object"}
            assert (found.trigger.node_id, found.trigger.config["kind"]) == ("hook", "webhook")
            assert (found.workflow, found.workflow.name, found.workflow.status) == (workflow, workflow.name, "active")
            assert found.workflow.project == hook.workflow.project
            assert (route.version.number, route.version.workflow) == (1, workflow)

    def test_finds_the_newest_version(self):
        workflow = published(started_by(hook=webhook()))
        publish_again(workflow, started_by(hook=webhook(methods=["PUT"])))

        route = routes.find(hook_of(workflow).path)

        assert (route.version.number, route.registration.methods) == (2, ["PUT"])

    def test_finds_nothing_where_nothing_is(self):
        published(started_by(hook=webhook()))

        assert routes.find("elsewhere") is None

    def test_what_it_did_not_load_is_there_all_the_same(self):
        hook = hook_of(published(started_by(hook=webhook())))
        WebhookRegistration.objects.update(forgotten_count=7)

        assert routes.find(hook.path).registration.forgotten_count == 7
