"""What runs every few seconds, and what people look at, reads no large table from end to end, however PostgreSQL plans it.

Statements are prepared, and after a few times PostgreSQL may plan them for any parameters instead of for those at hand. Such
plans are bad where it then expects to meet soon, in the table itself, what hardly ever is there.
"""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from executions import operations, queues, tasks
from executions.engine import leases, recovery
from executions.models import ExecutionQueue
from tests import factories
from tests.multiplied import multiply, rows_read_in_order_of_the_table
from tests.triggers.stories import hook_of, published, started_by, webhook
from workflows.models import WorkflowVersion

MANY = 20_000
# psycopg prepares a statement when it comes the fifth time, and PostgreSQL plans it five times for the parameters at hand.
UNTIL_PLANNED_FOR_ALL = 12
LARGE = (
    "workflow_executions",
    "workflow_execution_logs",
    "webhook_deliveries",
    "events",
    "schedule_skipped_slots",
    "model_calls",
    "conversations",
)
NOBODY = UUID("0198c5a0-0000-7000-8000-000000000000")

ROUTINES = {
    "the sweep": recovery.sweep,
    "the clean-up": tasks.clean_up,
    "the removal of orphans": tasks.remove_orphans,
    "a claim": lambda: leases.claim("worker", now=timezone.now(), limit=10),
    "a claim from one queue": lambda: leases.claim("worker", now=timezone.now(), limit=10, queue=ExecutionQueue.AGENTS),
    "a claim of what lost its workers": lambda: leases.claim("worker", now=timezone.now(), limit=10, suspects=True),
    "the question for what lost its workers": lambda: leases.has_suspects(now=timezone.now()),
    "that question of one queue": lambda: leases.has_suspects(now=timezone.now(), queue=ExecutionQueue.AGENTS),
    "the question in which queue something is due": lambda: queues.with_something_due(timezone.now()),
    "the heartbeat": lambda: leases.renew("worker", [NOBODY], now=timezone.now()),
    "what a worker holds": lambda: leases.held_by("worker", now=timezone.now()),
    "how the engine is": lambda: operations.operations(timezone.now()),
}
PAGES = [
    "/api/executions/",
    "/api/executions/?status=failed&created_after=2026-01-01T00:00:00Z",
    "/api/executions/?status=failed&status=timeout",
    "/api/executions/?triggered_by=webhook",
    "/api/executions/?workflow={workflow}&status=failed",
    "/api/executions/{execution}/",
    "/api/executions/{execution}/node-runs/",
    "/api/webhook-registrations/{registration}/deliveries/",
    "/api/events/",
    "/api/events/?name=order.created",
    "/api/conversations/",
]


@pytest.fixture(scope="module")
def history(django_db_setup, django_db_blocker):
    """Fill the tables that grow, with what has ended."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite plans each statement for its own parameters")
    with django_db_blocker.unblock(), transaction.atomic():
        at, now = "now() - n * interval '1 minute'", timezone.now()
        workflow = published(started_by(hook=webhook()))
        hook = hook_of(workflow)
        version = WorkflowVersion.objects.get(workflow=workflow)
        execution = factories.ExecutionFactory(workflow_version=version, ended=True, created_at=now)
        status = "CASE WHEN mod(n, 20) = 0 THEN 'failed' ELSE 'completed' END"
        multiply(execution, MANY, created_at=at, completed_at=at, status=status)
        node_run = factories.NodeRunFactory(execution=execution, started_at=now)
        multiply(node_run, MANY, node_id="'node_' || n", started_at=at)
        delivery = factories.DeliveryFactory(registration=hook, execution=execution, received_at=now)
        multiply(delivery, MANY, received_at=at)
        multiply(factories.EventFactory(received_at=now), MANY, received_at=at)
        multiply(factories.SkippedSlotsFactory(created_at=now), MANY, created_at=at)
        multiply(factories.ModelCallFactory(created_at=now), MANY, iteration="n::text", created_at=at, settled_at=at)
        multiply(factories.ConversationFactory(updated_at=now), MANY, key="'customer ' || n", updated_at=at)
        with connection.cursor() as cursor:  # Here, once, and not at the end of each test.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        yield {
            "execution": execution.pk,
            "workflow": execution.workflow_id,
            "registration": hook.pk,
            "webhook": f"/webhooks/{hook.path}",
            "member": factories.MemberFactory(project=execution.project).user,
        }
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("what", ROUTINES)
def test_of_what_runs_all_the_time(what, history):
    with rows_read_in_order_of_the_table(*LARGE) as read:
        for _ in range(UNTIL_PLANNED_FOR_ALL):
            ROUTINES[what]()

    assert read == {}


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_of_what_people_look_at(page, history, client):
    client.force_login(history["member"])
    page = page.format(**history)
    with rows_read_in_order_of_the_table(*LARGE) as read:
        for _ in range(UNTIL_PLANNED_FOR_ALL):
            assert client.get(page).status_code == 200

    assert read == {}


@pytest.mark.django_db
def test_of_what_is_accepted(history, client):
    with rows_read_in_order_of_the_table(*LARGE) as read:
        for number in range(UNTIL_PLANNED_FOR_ALL):
            answer = client.post(
                history["webhook"],
                {"number": number},
                content_type="application/json",
                headers={"Webhook-Id": str(number)},
            )
            assert "execution_id" in answer.json(), answer.content

    assert read == {}
