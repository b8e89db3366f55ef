"""Test URLs: for a while, a webhook trigger of the draft answers at an address of its own, and what comes there is kept."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import cast

from django.conf import settings
from django.db import transaction

from projects import audit
from projects.access import Actor
from triggers.exceptions import NoWebhookNode
from triggers.models import Trigger, WebhookRegistration, WebhookTest
from triggers.services.registration import route_columns, trigger_nodes
from triggers.webhooks import routes
from triggers.webhooks.refusal import Refused
from triggers.webhooks.routes import Route
from workflows.definition.schema import Node, parse
from workflows.exceptions import InvalidDefinition, WorkflowArchived
from workflows.models import Workflow, WorkflowVersion
from workflows.nodes.trigger.node import read_trigger
from workflows.nodes.trigger.paths import candidates, pattern_of, values_in
from workflows.nodes.trigger.webhook import WebhookTrigger
from workflows.services import version_to_try

# How long what came to a test URL can be read after the URL has ended.
KEPT = timedelta(days=1)
REMOVED_AT_ONCE = 100


@transaction.atomic
def open_test(workflow: Workflow, *, node_id: str | None, by: Actor | None, now: datetime) -> WebhookTest:
    """Give a webhook trigger of the draft a test URL, or let the one that it has live on, for ``WEBHOOK_TEST_HOURS``.

    :param node_id: the trigger node; without it, the only webhook there is.
    :raises InvalidDefinition: if the draft has problems.
    :raises NoWebhookNode: if the draft has no such node, or several and none is named.
    :raises WorkflowArchived: if the workflow is archived.
    """
    found = webhooks_of_draft(workflow, by=by, now=now)
    if node_id is None and len(found) == 1:
        (node_id,) = found
    if node_id not in found:
        wanted = (
            "It has several webhook triggers" if node_id is None else f"{node_id!r} is no webhook trigger of the draft"
        )
        raise NoWebhookNode(
            f"{wanted}. Name one of these: {', '.join(sorted(found)) or 'there is none'}.", path="/node_id"
        )
    expires_at = now + timedelta(hours=settings.WEBHOOK_TEST_HOURS)
    test, is_new = WebhookTest.objects.get_or_create(
        workflow=workflow,
        node_id=node_id,
        defaults={
            "token": secrets.token_urlsafe(32),
            "expires_at": expires_at,
            "created_by_id": by.user.pk if by else None,
            "created_at": now,
        },
    )
    if not is_new:
        WebhookTest.objects.filter(pk=test.pk).update(expires_at=expires_at)
        test.expires_at = expires_at
    audit.record("webhook_test.opened", test, project=workflow.project, by=by, details={"node": node_id})
    return test


@transaction.atomic
def close_test(test: WebhookTest, *, by: Actor | None) -> None:
    """End a test URL at once, and forget what came there. The next one is another."""
    audit.record("webhook_test.closed", test, project=test.workflow.project, by=by, details={"node": test.node_id})
    test.delete()


def find_test(token: str, *, now: datetime) -> WebhookTest | None:
    """Return the test with a token, if its URL answers."""
    return WebhookTest.objects.open(now).select_related("workflow__project").filter(token=token).first()


def url_of(test: WebhookTest) -> str:
    """Return the URL of a test, with the path that its webhook has in the draft, where that has parameters."""
    nodes = {node["id"]: node for node in test.workflow.definition.get("nodes", []) if isinstance(node, dict)}
    config = nodes.get(test.node_id, {}).get("config")
    path = config.get("path") if isinstance(config, dict) else None
    return test_url(test.token, path if isinstance(path, str) else "")


def test_url(token: str, path: str) -> str:
    """Return the URL of a test. A path that has parameters comes after the token, so that they can be tried too."""
    url = f"{settings.WEBHOOK_BASE_URL}/webhooks-test/{token}"
    return f"{url}/{path}" if "{" in path else url


def production_url_of(test: WebhookTest) -> str | None:
    """Return the URL at which the same trigger of the published version answers, if it has it.

    :param test: one of :meth:`~triggers.models.WebhookTestQuerySet.with_production_paths`.
    """
    path = getattr(test, "production_path", None)
    return f"{settings.WEBHOOK_BASE_URL}/webhooks/{path}" if path else None


def route_of_test(test: WebhookTest, path: str, *, now: datetime) -> Route:
    """Return the way that a delivery to a test URL goes: into the draft as it stands.

    :param path: what came after the token, without a slash before it.
    :raises Refused: if the draft has problems, has not the trigger any more, or means other paths.
    """
    try:
        version = version_to_try(test.workflow, by=None, now=now)
    except InvalidDefinition as error:
        first = error.problems[0] if error.problems else {}
        raise Refused(
            HTTPStatus.CONFLICT,
            "draft_invalid",
            "The draft has problems. Validate it.",
            reason=f"The draft has problems; the first: {first.get('path', '')}: {first.get('message', error.message)}",
        ) from None
    except WorkflowArchived as error:
        raise Refused(HTTPStatus.CONFLICT, "workflow_archived", "The workflow is archived.") from error
    node = _webhook_nodes(version).get(test.node_id)
    if node is None:
        raise Refused(HTTPStatus.CONFLICT, "node_gone", f"The draft has no webhook trigger {test.node_id!r} any more.")
    options = cast(WebhookTrigger, read_trigger(node.config))
    return Route(
        _registration(test, node, options),
        version,
        path,
        _params(options, path),
        test=test,
    )


def no_route(test: WebhookTest) -> Route:
    """Return what stands for the way of a delivery that finds none, so that it can be kept."""
    registration = WebhookRegistration(workflow=test.workflow, path=test.token, auth={"scheme": "none"})
    return Route(registration, WorkflowVersion(workflow=test.workflow), test=test)


def remove_old_tests(now: datetime) -> int:
    """Remove some of the test URLs that have ended a day ago, with what came there; returns how many."""
    ended = WebhookTest.objects.filter(expires_at__lt=now - KEPT).order_by("expires_at").values_list("pk", flat=True)
    found = list(ended[:REMOVED_AT_ONCE])
    if found:
        WebhookTest.objects.filter(pk__in=found).delete()
    return len(found)


def webhooks_of_draft(workflow: Workflow, *, by: Actor | None, now: datetime) -> list[str]:
    """Return the ids of the webhook triggers that the draft has.

    :raises InvalidDefinition: if the draft has problems.
    :raises WorkflowArchived: if the workflow is archived.
    """
    return sorted(_webhook_nodes(version_to_try(workflow, by=by, now=now)))


def _webhook_nodes(version: WorkflowVersion) -> dict[str, Node]:
    nodes = trigger_nodes(parse(version.definition))
    return {node.id: node for node in nodes if isinstance(read_trigger(node.config), WebhookTrigger)}


def _registration(test: WebhookTest, node: Node, options: WebhookTrigger) -> WebhookRegistration:
    """Return what the webhook's row would be, with the secrets that the published one has."""
    columns = route_columns(test.workflow, options, path=options.path or test.token)
    trigger = Trigger(workflow=test.workflow, node_id=node.id, type="webhook", config=node.config)
    published = WebhookRegistration.objects.filter(trigger__workflow=test.workflow, trigger__node_id=node.id).first()
    if published is None:
        return WebhookRegistration(trigger=trigger, **columns)
    return WebhookRegistration(pk=published.pk, secret=published.secret, trigger=trigger, **columns)


def _params(options: WebhookTrigger, path: str) -> dict[str, str]:
    """Return what the parameters of the draft's path stand for.

    :raises Refused: if what came after the token is not what the draft's path means.
    """
    parts = routes.parts_of(path) if path else []
    if options.path is not None and parts and pattern_of(options.path) in candidates(parts):
        return values_in(options.path, parts)
    if path or (options.path is not None and "{" in options.path):
        means = f"/{options.path}" if options.path else "nothing more"
        raise Refused(HTTPStatus.NOT_FOUND, "other_path", f"After the token of this test URL comes {means}.")
    return {}
