"""The ledger, asked one by one: what is reserved, what counts, what is refused, what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from executions.spending import ledger
from executions.spending.ledger import AgentLimit, BudgetExceeded, Key, PriceUnknown, reserve, settle
from executions.spending.models import ModelCall
from projects.ids import new_id
from tests.clock import NOON
from tests.executions.spending.asks import DOLLAR, ask, dollar_price
from tests.factories import (
    BudgetFactory,
    ExecutionFactory,
    ModelCallFactory,
    ModelPriceFactory,
    NodeRunFactory,
    WorkflowFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def workflow():
    dollar_price()
    return WorkflowFactory()


def project_budget(workflow, amount, **more):
    return BudgetFactory(project=workflow.project, amount=Decimal(amount), **more)


def call_of(key):
    return ModelCall.objects.get(**key.columns)


class TestReserve:
    def test_writes_down_who_calls_what_also_without_any_budget(self, workflow):
        asked = ask(workflow, base_url="https://user:key@llm.example.com/v1?key=secret", is_test=True)

        reserved = reserve(asked, now=NOON)

        call = call_of(reserved.key)
        assert (reserved.amount, call.reserved, call.cost) == (Decimal(1), Decimal(1), None)
        assert (call.project_id, call.workflow_id, call.agent_id) == (workflow.project_id, workflow.pk, "agent")
        assert (call.provider, call.model, call.base_url) == ("openai", "dollar", "https://llm.example.com/v1")
        assert (call.status, call.is_test, call.created_at, call.settled_at) == ("reserved", True, NOON, None)

    def test_of_an_unknown_price_is_unknown_and_never_nothing(self, workflow):
        reserved = reserve(ask(workflow, model="nobody-knows-me"), now=NOON)

        assert reserved.amount is None
        assert call_of(reserved.key).reserved is None

    def test_again_is_the_same_reservation(self, workflow):
        project_budget(workflow, 1)
        asked = ask(workflow)

        assert reserve(asked, now=NOON) == reserve(asked, now=NOON + timedelta(minutes=5))
        assert ModelCall.objects.count() == 1

    def test_of_a_settled_call_does_not_open_it(self, workflow):
        asked = ask(workflow)
        reserve(asked, now=NOON)
        settle(asked.key, DOLLAR, model="dollar", now=NOON)

        again = reserve(asked, now=NOON)

        assert (again.status, again.cost) == ("settled", Decimal(1))
        assert call_of(asked.key).status == "settled"

    def test_of_an_uncertain_call_holds_what_counts_already(self, workflow):
        project_budget(workflow, 1)
        asked = ask(workflow)
        reserve(asked, now=NOON)
        ledger.mark_uncertain(asked.key, now=NOON)

        assert reserve(asked, now=NOON).status == "reserved"
        assert call_of(asked.key).settled_at is None

    def test_of_a_released_call_must_fit_anew(self, workflow):
        project_budget(workflow, 1)
        asked = ask(workflow)
        reserve(asked, now=NOON)
        ledger.release(asked.key, now=NOON)
        other = ask(workflow)
        reserve(other, now=NOON)

        with pytest.raises(BudgetExceeded):
            reserve(asked, now=NOON)

        ledger.release(other.key, now=NOON)
        assert reserve(asked, now=NOON + timedelta(minutes=1)).amount == 1
        assert call_of(asked.key).created_at == NOON + timedelta(minutes=1)


class TestBudgets:
    def test_let_out_what_fits_to_the_last_digit_and_nothing_more(self, workflow):
        project_budget(workflow, 2)
        reserve(ask(workflow), now=NOON)
        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded):
            reserve(ask(workflow, input_tokens=1, output_tokens=0), now=NOON)

        assert ModelCall.objects.count() == 2

    def test_say_what_is_spent_reserved_and_asked_and_when_they_begin_anew(self, workflow):
        budget = project_budget(workflow, "2.5", period="day", timezone="Europe/Berlin")
        settled = ask(workflow)
        reserve(settled, now=NOON)
        settle(settled.key, {"input_tokens": 250_000}, model="dollar", now=NOON)
        reserve(ask(workflow), now=NOON)
        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded) as raised:
            reserve(ask(workflow), now=NOON)

        assert (raised.value.code, raised.value.retryable) == ("budget_exceeded", False)
        assert "Admins of the project may raise it" in raised.value.message
        assert raised.value.details == {
            "budget": str(budget.pk),
            "scope": "project",
            "period": "day",
            "limit": "2.5",
            "spent": "0.25",
            "reserved": "2",
            "asked": "1",
            "renews_at": datetime(NOON.year, NOON.month, NOON.day, 23, tzinfo=UTC).isoformat(),
        }
        assert "0.25 are left" in raised.value.message

    @pytest.mark.parametrize(
        ("becomes", "counts"), [("reserved", 1), ("uncertain", 1), ("released", 0), ("settled", Decimal("0.25"))]
    )
    def test_count_each_call_as_it_stands(self, workflow, becomes, counts):
        project_budget(workflow, 1 + counts)
        first = ask(workflow)
        reserve(first, now=NOON)
        match becomes:
            case "uncertain":
                ledger.mark_uncertain(first.key, now=NOON)
            case "released":
                ledger.release(first.key, now=NOON)
            case "settled":
                settle(first.key, {"input_tokens": 250_000}, model="dollar", now=NOON)

        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded):
            reserve(ask(workflow, input_tokens=1, output_tokens=0), now=NOON)

    def test_of_a_workflow_do_not_count_its_neighbours(self, workflow):
        BudgetFactory(project=workflow.project, workflow=workflow, amount=1)
        neighbour = WorkflowFactory(project=workflow.project)
        reserve(ask(neighbour), now=NOON)
        reserve(ask(neighbour), now=NOON)

        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded, match=r"The workflow's budget for a month is 1 USD"):
            reserve(ask(workflow), now=NOON)

    def test_of_a_project_count_all_its_workflows_and_no_others(self, workflow):
        project_budget(workflow, 2)
        for _ in range(3):
            reserve(ask(WorkflowFactory()), now=NOON)
        reserve(ask(WorkflowFactory(project=workflow.project)), now=NOON)
        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded, match=r"The project's budget"):
            reserve(ask(workflow), now=NOON)

    def test_of_an_execution_count_that_one_alone(self, workflow):
        project_budget(workflow, 1, period="execution")
        first = ask(workflow)
        reserve(first, now=NOON)

        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded, match=r"budget for an execution"):
            reserve(replace(first, iteration="1"), now=NOON)

    @pytest.mark.parametrize(("period", "later"), [("day", timedelta(days=1)), ("month", timedelta(days=31))])
    def test_begin_anew(self, workflow, period, later):
        project_budget(workflow, 1, period=period)
        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded):
            reserve(ask(workflow), now=NOON)
        reserve(ask(workflow), now=NOON + later)

    def test_count_tests_as_well_because_they_are_paid(self, workflow):
        project_budget(workflow, 1)
        reserve(ask(workflow, is_test=True), now=NOON)

        with pytest.raises(BudgetExceeded):
            reserve(ask(workflow), now=NOON)

    def test_are_all_kept_at_once(self, workflow):
        project_budget(workflow, 100)
        project_budget(workflow, 1, period="day")
        reserve(ask(workflow), now=NOON)

        with pytest.raises(BudgetExceeded) as raised:
            reserve(ask(workflow), now=NOON)

        assert raised.value.details["period"] == "day"

    def test_can_be_exceeded_by_what_somebody_has_approved_and_count_it(self, workflow):
        project_budget(workflow, 1)
        reserve(ask(workflow), now=NOON)

        reserve(ask(workflow, is_allowed_beyond=True), now=NOON)

        with pytest.raises(BudgetExceeded) as raised:
            reserve(ask(workflow), now=NOON)
        assert raised.value.details["reserved"] == "2"

    def test_let_nothing_out_whose_price_is_unknown_and_say_what_to_do(self, workflow):
        project_budget(workflow, 1)

        with pytest.raises(PriceUnknown, match="load_model_prices") as raised:
            reserve(ask(workflow, model="nobody-knows-me", base_url="http://llm.internal/v1?key=k"), now=NOON)

        assert (raised.value.code, raised.value.retryable) == ("price_unknown", False)
        assert "with the provider `llm.internal`" in raised.value.message
        assert raised.value.details["base_url"] == "http://llm.internal/v1"
        assert not ModelCall.objects.exists()

    def test_let_out_what_costs_nothing_even_when_all_is_spent(self, workflow):
        project_budget(workflow, 0)
        ModelPriceFactory(model="free", input=0, output=0)

        assert reserve(ask(workflow, model="free"), now=NOON).amount == 0

    def test_cost_as_many_queries_with_many_calls_as_with_one(self, workflow, django_assert_num_queries):
        project_budget(workflow, 1000)
        for _ in range(20):
            ModelCallFactory(workflow=workflow)

        # A savepoint and its release, the price, the budgets, the execution, the row, the sum, the insert.
        with django_assert_num_queries(8):
            reserve(ask(workflow), now=NOON)


class TestLimitsOfAgents:
    def test_count_the_calls_of_one_run_of_the_agent(self, workflow):
        asked = ask(workflow, node_limit=Decimal(2), agent_iteration="3", iteration="3.0")
        reserve(asked, now=NOON)
        # Another pass, another agent of the same pass, another execution.
        reserve(replace(asked, agent_iteration="30", iteration="30.0"), now=NOON)
        reserve(replace(asked, agent_id="other", node_id="other.model"), now=NOON)
        reserve(replace(asked, execution_id=new_id()), now=NOON)
        reserve(replace(asked, iteration="3.1"), now=NOON)

        with pytest.raises(BudgetExceeded, match="The limit of the agent `agent` is 2 USD") as raised:
            reserve(replace(asked, iteration="3.2"), now=NOON)

        assert (raised.value.details["scope"], raised.value.details["budget"]) == ("agent", None)

    def test_hold_at_the_top_where_steps_have_one_number(self, workflow):
        asked = ask(workflow, node_limit=Decimal(1))
        reserve(asked, now=NOON)

        with pytest.raises(BudgetExceeded):
            reserve(replace(asked, iteration="1"), now=NOON)

    def test_count_what_agents_spend_that_are_tools(self, workflow):
        boss = ask(workflow, agent_id="boss", node_id="boss.model", node_limit=Decimal(2), tools=frozenset({"helper"}))
        above = AgentLimit("boss", "", Decimal(2), frozenset({"helper"}))
        helper = replace(
            boss, agent_id="helper", node_id="helper.model", iteration="0.0", agent_iteration="0", node_limit=None
        )
        helper = replace(helper, tools=frozenset(), around=(above,))
        reserve(boss, now=NOON)
        reserve(helper, now=NOON)

        with pytest.raises(BudgetExceeded, match="`boss`"):
            reserve(replace(helper, iteration="0.1"), now=NOON)
        with pytest.raises(BudgetExceeded, match="`boss`"):
            reserve(replace(boss, iteration="1"), now=NOON)

    def test_need_a_price(self, workflow):
        with pytest.raises(PriceUnknown, match="The limit of the agent"):
            reserve(ask(workflow, model="nobody-knows-me", node_limit=Decimal(1)), now=NOON)


class TestSettle:
    def test_records_what_was_used_and_what_it_cost(self, workflow):
        asked = ask(workflow)
        reserve(asked, now=NOON)
        usage = {
            "input_tokens": 100,
            "cached_input_tokens": 40,
            "cache_write_tokens": 10,
            "output_tokens": 50,
            "reasoning_tokens": 20,
        }

        cost = settle(asked.key, usage, model="dollar", now=NOON + timedelta(seconds=3))

        call = call_of(asked.key)
        assert cost == call.cost == Decimal("0.00015")
        assert (call.status, call.settled_at, call.created_at) == ("settled", NOON + timedelta(seconds=3), NOON)
        assert {name: getattr(call, name) for name in usage} == usage

    def test_again_is_the_same_answer(self, workflow):
        asked = ask(workflow)
        reserve(asked, now=NOON)
        first = settle(asked.key, DOLLAR, model="dollar", now=NOON)

        assert settle(asked.key, {"input_tokens": 1}, model="dollar", now=NOON) == first == 1

    def test_goes_by_the_price_of_the_model_that_answered(self, workflow):
        ModelPriceFactory(model="dearer", input=2, output=2)
        asked = ask(workflow)
        reserve(asked, now=NOON)

        assert settle(asked.key, DOLLAR, model="dearer", now=NOON) == 2
        assert call_of(asked.key).model == "dearer"

    @pytest.mark.parametrize("answering", ["", "an-unknown-alias\x00" * 100])
    def test_goes_by_the_model_that_was_asked_for_where_the_answering_one_is_unknown(self, workflow, answering):
        asked = ask(workflow)
        reserve(asked, now=NOON)

        assert settle(asked.key, DOLLAR, model=answering, now=NOON) == 1

    def test_of_an_unknown_price_has_tokens_and_no_cost(self, workflow):
        asked = ask(workflow, model="nobody-knows-me")
        reserve(asked, now=NOON)

        assert settle(asked.key, DOLLAR, model="", now=NOON) is None
        call = call_of(asked.key)
        assert (call.status, call.cost, call.input_tokens) == ("settled", None, 500_000)

    @pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 10**15}])
    def test_without_tokens_it_is_uncertain_what_was_charged(self, workflow, usage):
        asked = ask(workflow)
        reserve(asked, now=NOON)

        assert settle(asked.key, usage, model="dollar", now=NOON) is None
        assert call_of(asked.key).status == "uncertain"

    def test_takes_the_price_of_the_moment_at_which_it_was_reserved(self, workflow):
        dollar_price(valid_from=NOON + timedelta(seconds=1)).__class__.objects.filter(
            valid_from=NOON + timedelta(seconds=1)
        ).update(input=5, output=5)
        asked = ask(workflow)
        reserve(asked, now=NOON)

        assert settle(asked.key, DOLLAR, model="dollar", now=NOON + timedelta(minutes=1)) == 1

    def test_is_true_to_what_was_charged_even_beyond_the_budget(self, workflow):
        project_budget(workflow, 1)
        asked = ask(workflow)
        reserve(asked, now=NOON)

        assert settle(asked.key, {"input_tokens": 3_000_000}, model="dollar", now=NOON) == 3
        with pytest.raises(BudgetExceeded, match="so 0 are left"):
            reserve(ask(workflow), now=NOON)

    def test_puts_right_what_was_given_up_before(self, workflow):
        asked = ask(workflow)
        reserve(asked, now=NOON)
        ledger.mark_uncertain(asked.key, now=NOON)

        assert settle(asked.key, DOLLAR, model="dollar", now=NOON) == 1


class TestReleaseAndMarkUncertain:
    @pytest.mark.parametrize("do", [ledger.release, ledger.mark_uncertain])
    def test_leave_a_settled_call_alone(self, workflow, do):
        asked = ask(workflow)
        reserve(asked, now=NOON)
        settle(asked.key, DOLLAR, model="dollar", now=NOON)

        do(asked.key, now=NOON)

        assert call_of(asked.key).status == "settled"

    @pytest.mark.parametrize("do", [ledger.release, ledger.mark_uncertain])
    def test_do_nothing_where_nothing_was_reserved(self, do):
        do(Key(new_id(), "agent.model", "0", 1), now=NOON)

    def test_a_released_call_is_not_made_uncertain(self, workflow):
        asked = ask(workflow)
        reserve(asked, now=NOON)
        ledger.release(asked.key, now=NOON)

        ledger.mark_uncertain(asked.key, now=NOON)

        assert call_of(asked.key).status == "released"


class TestCloseExecution:
    def test_gives_back_what_never_began_and_keeps_what_may_have_gone_out(self, workflow):
        execution = ExecutionFactory(workflow_version__workflow=workflow)
        of_it = ask(workflow, execution_id=execution.pk)
        asks = {step: replace(of_it, iteration=str(step)) for step in range(4)}
        for asked in asks.values():
            reserve(asked, now=NOON)
        settle(asks[0].key, DOLLAR, model="dollar", now=NOON)
        NodeRunFactory(execution=execution, node_id="agent.model", node_type="agent", iteration="1", running=True)
        NodeRunFactory(
            execution=execution, node_id="agent.model", node_type="agent", iteration="2", status="pending", ports=[]
        )
        other = ask(workflow)
        reserve(other, now=NOON)

        ledger.close_execution(execution.pk, now=NOON)

        assert [call_of(asked.key).status for asked in asks.values()] == [
            "settled",
            "uncertain",
            "released",
            "released",
        ]
        assert call_of(other.key).status == "reserved"

    @pytest.mark.parametrize(("becomes", "is_complete"), [("settled", True), ("released", True), ("uncertain", False)])
    def test_has_the_execution_say_whether_its_cost_is_complete(self, workflow, becomes, is_complete):
        execution = ExecutionFactory(workflow_version__workflow=workflow)
        known = becomes == "settled"
        ModelCallFactory(workflow=workflow, execution_id=execution.pk, status=becomes, cost=1 if known else None)

        ledger.close_execution(execution.pk, now=NOON)

        execution.refresh_from_db()
        assert execution.is_cost_complete == is_complete

    def test_asks_three_queries(self, django_assert_num_queries):
        with django_assert_num_queries(3):
            ledger.close_execution(new_id(), now=NOON)


class TestCloseForgotten:
    def test_closes_what_was_reserved_while_its_execution_ended(self, workflow):
        long_ago, just_now = NOON - timedelta(minutes=10), NOON - timedelta(seconds=10)
        ended, live = ExecutionFactory(ended=True, completed_at=long_ago), ExecutionFactory()
        young = ExecutionFactory(ended=True, completed_at=just_now)
        NodeRunFactory(execution=ended, node_id="agent.model", node_type="agent", iteration="0")
        sent = ModelCallFactory(execution_id=ended.pk, iteration="0", open=True)
        never_sent = ModelCallFactory(execution_id=ended.pk, iteration="1", open=True)
        of_others = [ModelCallFactory(execution_id=each.pk, open=True) for each in (live, young)]

        assert ledger.close_forgotten(now=NOON) == 2

        for call in (sent, never_sent, *of_others):
            call.refresh_from_db()
        ended.refresh_from_db()
        assert (sent.status, never_sent.status) == ("uncertain", "released")
        assert {call.status for call in of_others} == {"reserved"}
        assert not ended.is_cost_complete

    def test_asks_one_query_and_its_savepoint_where_nothing_is_forgotten(self, django_assert_num_queries):
        with django_assert_num_queries(3):
            ledger.close_forgotten(now=NOON)
