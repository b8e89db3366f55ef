"""What runs every few seconds, and what people look at, reads no large table from end to end, however PostgreSQL plans it.

Statements are prepared, and after a few times PostgreSQL may plan them for any parameters instead of for those at hand. Such
plans are bad where it then expects to meet soon, in the table itself, what hardly ever is there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from executions import operations, queues, tasks
from executions.conversations.memory import recall, remember
from executions.engine import leases, recovery
from executions.live.position import Position
from executions.live.reader import Reader, present_position
from executions.models import ExecutionQueue
from executions.spending import budgets, ledger
from executions.spending.models import Budget
from projects.ids import new_id
from tests import factories
from tests.executions.spending.asks import ask, dollar_price
from tests.many_rows import multiply, rows_read, rows_read_in_order_of_the_table
from tests.triggers.stories import hook_of, published, started_by, webhook
from workflows.models import WorkflowVersion

MANY = 20_000
# Node runs of one execution and messages of one conversation, while the others have one each.
MANY_OF_ONE = 5_000
# Projects, each with a workflow.
OTHERS = 2_000
# Rows that UNTIL_PLANNED_FOR_ALL times what shows a page of them may read.
FEW = 2_000
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
    "conversation_messages",
    "live_texts",
    "approvals",
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
    "/api/events/",
    "/api/events/?name=order.created",
    "/api/conversations/",
    "/api/conversations/{conversation}/messages/",
    "/api/approvals/",
    "/api/webhook-registrations/{registration}/deliveries/",
    "/api/statistics/models/?since={today}&until={tomorrow}",
    "/api/statistics/models/?project={project}&since={today}&until={tomorrow}",
    "/api/budgets/",
]
_numbers = count()


def _reserve_and_settle(history: dict[str, Any]) -> None:
    asked = ask(history["spender"], iteration=str(next(_numbers)), node_limit=Decimal(5))
    ledger.reserve(asked, now=timezone.now())
    ledger.settle(asked.key, {"input_tokens": 1, "output_tokens": 1}, model="dollar", now=timezone.now())


def _remember(history: dict[str, Any], *, key: str) -> None:
    remember(
        history["project"],
        key,
        [{"role": "user", "content": "Hello"}],
        execution_id=NOBODY,
        node_id="assistant",
        node_run_id=new_id(),
        now=timezone.now(),
    )


STEPS_OF_AGENTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a call that is reserved and settled": _reserve_and_settle,
    "a call that is given back": lambda history: ledger.release(ask(history["spender"]).key, now=timezone.now()),
    "the end of an execution": lambda history: ledger.close_execution(history["execution"], now=timezone.now()),
    "how much of all budgets is gone": lambda history: budgets.standings(Budget.objects.all(), now=timezone.now()),
    "what an agent recalls": lambda history: recall(history["project"], "customer", 20),
    "what an agent recalls where nothing is": lambda history: recall(history["project"], "nobody", 20),
    "what an agent remembers": lambda history: _remember(history, key="customer 7"),
    "a look at what has happened": lambda history: Reader(
        history["execution"], Position.from_id(history["watched"])
    ).look(),
}
# Of these, how large the tables are makes no difference, nor how much has happened in one execution or in one conversation.
SHORT = (
    "a call that is given back",
    "the end of an execution",
    "what an agent recalls",
    "what an agent recalls where nothing is",
    "a look at what has happened",
)
SHORT_PAGES = (
    "/api/executions/{execution}/node-runs/",
    "/api/webhook-registrations/{registration}/deliveries/",
    "/api/conversations/{conversation}/messages/",
    "/api/approvals/",
    "/api/approvals/?status=open",
    "/api/approvals/?execution={execution}",
)


@pytest.fixture(scope="module")
def history(django_db_setup, django_db_blocker):
    """Fill the tables that grow, with what has ended."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite plans each statement for its own parameters")
    with django_db_blocker.unblock():
        connection.close()  # Other tests have had statements prepared while kinds of plans were switched off (tests.plans).
    with django_db_blocker.unblock(), transaction.atomic():
        at, now = "now() - n * interval '1 minute'", timezone.now()
        workflow = published(started_by(hook=webhook()))
        hook = hook_of(workflow)
        # Others, so that what one project has seems little.
        other_project = "md5('project ' || n)::uuid"
        multiply(workflow.project, OTHERS, id=other_project)
        multiply(workflow, OTHERS, project_id=other_project)
        version = WorkflowVersion.objects.get(workflow=workflow)
        execution = factories.ExecutionFactory(workflow_version=version, ended=True, created_at=now)
        status = "CASE WHEN mod(n, 20) = 0 THEN 'failed' ELSE 'completed' END"
        other_execution, other_conversation = "md5('execution ' || n)::uuid", "md5('conversation ' || n)::uuid"
        multiply(execution, MANY, id=other_execution, created_at=at, completed_at=at, status=status)
        node_run = factories.NodeRunFactory(execution=execution, started_at=now)
        multiply(node_run, MANY_OF_ONE, node_id="'node_' || n", started_at=at)
        multiply(node_run, MANY, execution_id=other_execution, started_at=at)
        delivery = factories.DeliveryFactory(registration=hook, execution=execution, received_at=now)
        multiply(delivery, MANY, received_at=at)
        multiply(factories.EventFactory(received_at=now), MANY, received_at=at)
        multiply(factories.SkippedSlotsFactory(created_at=now), MANY, created_at=at)
        # The factory counts as well, on through all tests of this process.
        call = factories.ModelCallFactory(iteration="0", created_at=now)
        multiply(call, MANY, iteration="n::text", created_at=at, settled_at=at)
        dollar_price()
        factories.BudgetFactory(project=call.project, period="day", amount=1_000_000)
        factories.BudgetFactory(project=call.project, workflow=call.workflow, period="execution")
        conversation = factories.ConversationFactory(
            project=execution.project, key="customer", message_count=MANY_OF_ONE, next_position=10**6
        )
        message = factories.MessageFactory(conversation=conversation, created_at=now)
        multiply(conversation, MANY, id=other_conversation, key="'customer ' || n", updated_at=at)
        said = {"node_run_id": "gen_random_uuid()", "created_at": at}
        multiply(message, MANY_OF_ONE, **said, position=f"{message.position} + n")
        multiply(message, MANY, **said, conversation_id=other_conversation)
        text = factories.LiveTextFactory(execution=execution, created_at=now)
        multiply(text, MANY, id=f"{text.pk} + n", execution_id="gen_random_uuid()", node_run_id="gen_random_uuid()")
        approval = factories.ApprovalFactory(
            execution=execution, node_run_id=new_id(), status="approved", ended_at=now, created_at=now
        )
        verdict = "CASE WHEN mod(n, 10) = 0 THEN 'rejected' ELSE 'approved' END"
        asked = {"execution_id": other_execution, "node_run_id": "gen_random_uuid()", "status": verdict}
        multiply(approval, MANY, **asked, created_at=at, ended_at=at)
        with connection.cursor() as cursor:  # Here, once, and not at the end of each test.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        yield {
            "execution": execution.pk,
            "project": execution.project_id,
            "workflow": execution.workflow_id,
            "conversation": conversation.pk,
            "spender": call.workflow,
            "watched": present_position(execution.pk).to_id(),
            "today": f"{now:%Y-%m-%dT00:00:00Z}",
            "tomorrow": f"{now + timedelta(days=1):%Y-%m-%dT00:00:00Z}",
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
@pytest.mark.parametrize("what", STEPS_OF_AGENTS)
def test_of_what_agents_do(what, history):
    with rows_read_in_order_of_the_table(*LARGE) as read:
        for _ in range(UNTIL_PLANNED_FOR_ALL):
            STEPS_OF_AGENTS[what](history)

    assert read == {}


@pytest.mark.django_db
@pytest.mark.parametrize("what", SHORT)
def test_what_is_short_reads_few_rows(what, history):
    with rows_read() as read:
        for _ in range(UNTIL_PLANNED_FOR_ALL):
            STEPS_OF_AGENTS[what](history)

    assert read.total() < FEW, read


@pytest.mark.django_db
@pytest.mark.parametrize("page", SHORT_PAGES)
def test_a_page_reads_few_rows(page, history, client):
    client.force_login(history["member"])
    with rows_read() as read:
        for _ in range(UNTIL_PLANNED_FOR_ALL):
            assert client.get(page.format(**history)).status_code == 200

    assert read.total() < FEW, read


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
