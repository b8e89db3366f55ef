"""What agents spend: never more than they may, whoever is at it at once, and nothing any more once their execution has ended."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from threading import Event

import pytest
from django.db.models import F
from django.utils import timezone

from executions import services
from executions.engine import recovery
from executions.engine.clock import database_now
from executions.engine.model_calls import Ask
from executions.engine.worker import Worker
from executions.invariants import check_all
from executions.models import Approval, Verdict, WorkflowExecution
from executions.services import approvals
from executions.spending import ledger
from executions.spending.ledger import ExecutionOver
from executions.spending.models import ModelCall
from projects.access import Actor
from tests.builders import definition, node
from tests.clock import NOON
from tests.executions.engine.agents import agent, http_tool, model
from tests.executions.engine.agents import provider as provider
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import BudgetFactory, MemberFactory, ModelPriceFactory, WorkflowFactory
from tests.providers import calls, fails, says
from tests.threads import beside
from workflows import llm

pytestmark = pytest.mark.django_db(transaction=True)

USAGE = {"input_tokens": 100, "output_tokens": 50}


def priced():
    """A dollar for a thousand tokens, whichever way they go."""
    ModelPriceFactory(model="test-model", provider="openai", input=Decimal(1000), output=Decimal(1000))


def bot(provider, *ways, **config):
    nodes = {key: config.pop(key) for key in list(config) if isinstance(config[key], dict) and "type" in config[key]}
    end = node("output", {"value": "{{ input }}"})
    return definition("start > bot > end", *ways, bot=agent(provider, "Ask.", **config), **nodes, end=end)


def broken():
    return {rule.name for rule, ids in check_all(database_now()) if ids}


class TestBudget:
    def test_ten_agents_at_once_never_overspend_together(self, worker, provider):
        priced()
        provider.play({"default": says("Done.", usage=USAGE, latency_seconds=0.2)})
        raw = bot(provider, models=[model(provider, max_tokens=50)])
        workflow = WorkflowFactory(published=True, definition=raw)
        BudgetFactory(project=workflow.project, amount=Decimal(2))
        executions = [services.start_manually(workflow, input={}, by=None, now=timezone.now()) for _ in range(10)]

        for execution in executions:
            carry(worker, execution, seconds=60)

        gone = sum(call.cost or call.reserved for call in ModelCall.objects.exclude(status="released"))
        ends = [execution.status for execution in executions]
        assert 0 < gone <= 2
        assert ends.count("completed") == len(provider.requests) > 0
        assert {each.error["code"] for each in executions if each.status == "failed"} == {"budget_exceeded"}
        assert broken() == set()

    @pytest.mark.parametrize(
        ("answer", "status", "is_complete"),
        [
            (fails(429), "released", True),
            (fails(401), "released", True),
            (says("half", cut_after_chunks=1), "uncertain", False),
        ],
    )
    def test_a_call_that_fails_keeps_only_what_may_be_charged(self, worker, provider, answer, status, is_complete):
        priced()
        provider.play({"default": answer})
        raw = bot(provider, limits={"cost": "5"})
        raw["nodes"][1]["retry"] = {"max_attempts": 1}

        execution = carry(worker, start(raw))

        assert execution.status == "failed"
        assert ModelCall.objects.get().status == status
        assert execution.is_cost_complete == is_complete
        assert execution.node_runs.get(node_id="bot.model").cost == (0 if is_complete else None)
        assert broken() == set()

    def test_an_answer_that_is_too_large_to_be_kept_was_paid_all_the_same(self, worker, provider, settings):
        settings.NODE_OUTPUT_MAX_BYTES = 1000
        priced()
        provider.play({"default": says("a" * 2000, usage=USAGE)})

        execution = carry(worker, start(bot(provider)))

        call, run = ModelCall.objects.get(), execution.node_runs.get(node_id="bot.model")
        assert execution.error["code"] == "output_too_large"
        assert (call.status, run.cost, run.tokens_used) == ("settled", call.cost, 150)
        assert (execution.cost, execution.is_cost_complete) == (call.cost, True)

    def test_a_call_that_does_not_come_back_has_a_cost_that_nobody_knows(self, worker, provider, settings, monkeypatch):
        settings.WORKFLOW_NODE_TIMEOUT = 0.2
        priced()
        is_over = Event()
        monkeypatch.setattr(llm, "call", lambda *_, **__: is_over.wait(20) and None)
        raw = bot(provider, limits={"cost": "5"})
        raw["nodes"][1]["retry"] = {"max_attempts": 1}

        try:
            execution = carry(worker, start(raw))
        finally:
            is_over.set()

        assert execution.error["code"] == "node_timeout"
        assert execution.node_runs.get(node_id="bot.model").cost is None
        assert broken() == set()

    def test_an_unknown_price_is_not_nothing(self, worker, provider):
        provider.play({"default": says("Done.", usage=USAGE)})

        execution = carry(worker, start(bot(provider)))
        refused = carry(worker, start(bot(provider, limits={"cost": "5"})))

        assert (execution.status, execution.result["cost"], execution.is_cost_complete) == ("completed", None, False)
        assert refused.error["code"] == "price_unknown"
        assert len(provider.requests) == 1
        assert broken() == set()


class TestCostOfAnAgent:
    def test_is_not_known_where_a_worker_was_lost_that_had_asked(self, worker, provider):
        priced()
        provider.play(
            {"answers": [says("Nobody hears it.", usage=USAGE, latency_seconds=1), says("Done.", usage=USAGE)]}
        )
        execution = start(bot(provider))
        lost = Worker()
        asking = beside(lost.work)
        until = time.monotonic() + 10
        while not provider.requests:
            assert time.monotonic() < until
            time.sleep(0.01)
        WorkflowExecution.objects.filter(pk=execution.pk).update(lease_expires_at=NOON - timedelta(days=1))
        recovery.sweep()

        carry(worker, execution)
        asking.join()
        lost.close()

        assert execution.node_runs.get(node_id="bot.model").interruptions == 1
        assert (execution.result["cost"], execution.cost, execution.is_cost_complete) == (None, Decimal("0.15"), False)
        assert broken() == set()

    BROKEN = says("half", cut_after_chunks=1)

    def raw(self, provider, *ways, **more):
        priced()
        raw = bot(provider, *ways, models=[model(provider), model(provider)], **more)
        raw["nodes"][1]["retry"] = {"max_attempts": 1}
        return raw

    def test_is_unknown_where_a_call_may_have_been_charged(self, worker, provider):
        provider.play({"answers": [self.BROKEN, says("Done.", usage=USAGE)]})

        execution = carry(worker, start(self.raw(provider)))

        assert (execution.result["answer"], execution.result["cost"]) == ("Done.", None)
        assert execution.node_runs.get(node_id="bot").cost is None

    def test_is_so_after_it_has_waited_for_people(self, worker, provider, httpserver):
        httpserver.expect_request("/pay").respond_with_json({})
        provider.play({"answers": [self.BROKEN, calls("pay", id="1"), says("Done.", usage=USAGE)]})
        pay = http_tool(httpserver.url_for("/pay"), approval="always")
        execution = start(self.raw(provider, "pay -o bot", pay=pay))
        worker.work()

        member = MemberFactory(project=execution.project, role="admin")
        asked = Approval.objects.get(execution=execution)
        approvals.decide(asked, Verdict.APPROVE, by=Actor(member.user), now=timezone.now())

        assert carry(worker, execution).result["cost"] is None

    def test_holds_what_agents_have_used_that_were_its_tools_and_were_given_up(self, worker, provider, httpserver):
        priced()
        provider.play(
            {
                "rules": [{"when": {"user_contains": "sub"}, "answer": {**calls("pay", id="1"), "usage": USAGE}}],
                "default": {**calls("expert", task="sub"), "usage": USAGE},
            }
        )
        raw = bot(
            provider,
            "expert -o bot",
            "pay -o expert",
            expert=agent(provider, "{{ input.task }}"),
            pay=http_tool(httpserver.url_for("/pay"), approval="always"),
        )
        raw["nodes"][1]["timeout_seconds"] = 600
        execution = start(raw)
        worker.work()
        execution.node_runs.filter(node_id="bot").update(started_at=F("started_at") - timedelta(hours=1))

        execution = carry(worker, execution)

        costs = dict(execution.node_runs.filter(node_id__in=["bot", "expert"]).values_list("node_id", "cost"))
        assert execution.error["code"] == "node_timeout"
        assert costs == {"bot": Decimal("0.3"), "expert": Decimal("0.15")}


class TestEnd:
    def test_nothing_is_reserved_for_an_execution_that_has_ended(self, provider):
        execution = start(bot(provider))
        services.cancel_execution(execution, by=None, now=timezone.now())

        with pytest.raises(ExecutionOver):
            ledger.reserve(self.another(execution), now=timezone.now())

        assert not ModelCall.objects.exists()

    def another(self, execution):
        return Ask(
            project_id=execution.project_id,
            workflow_id=execution.workflow_id,
            execution_id=execution.pk,
            node_id="bot.model",
            iteration="7",
            attempt=1,
            agent_id="bot",
            provider="openai",
            model="test-model",
            base_url="",
            input_tokens=1,
            output_tokens=1,
        )


class TestLimits:
    def test_the_tokens_of_sub_agents_count_for_the_agent_whose_tool_they_are(self, worker, provider):
        provider.play(
            {
                "rules": [
                    {
                        "when": {"user_contains": "sub"},
                        "answer": says("Yes.", usage={"input_tokens": 900, "output_tokens": 100}),
                    }
                ],
                "default": {**calls("expert", task="sub"), "usage": {"input_tokens": 5, "output_tokens": 5}},
            }
        )
        raw = bot(provider, "expert -o bot", limits={"tokens": 1500}, expert=agent(provider, "{{ input.task }}"))

        execution = carry(worker, start(raw))

        assert (execution.status, execution.error["code"]) == ("failed", "limit_exceeded")
        assert execution.error["details"]["used"] == 2020
        assert len(provider.requests) == 4
