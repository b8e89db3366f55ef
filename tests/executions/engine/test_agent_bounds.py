"""Agents at their limits, with servers of tools, and beside what else an execution can meet."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from executions import services
from executions.models import Approval, Verdict
from executions.services import approvals
from executions.services.rerunning import rerun_execution
from executions.spending.models import ModelCall
from projects.access import Actor
from tests.builders import definition, node
from tests.executions.engine.agents import agent, http_tool, model, runs
from tests.executions.engine.agents import provider as provider
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import BudgetFactory, MemberFactory, ModelPriceFactory, WorkflowFactory
from tests.mcp import Brain, McpApplication
from tests.providers import calls, says
from tests.workflows.tools.test_mcp import serving

pytestmark = pytest.mark.django_db(transaction=True)

END = node("output", {"value": "{{ input.answer }}"})


def decide(execution, verdict, **more):
    approval = Approval.objects.filter(execution=execution, status="open").get()
    member = MemberFactory(project=execution.project, role="admin")
    approvals.decide(approval, verdict, by=Actor(member.user), now=timezone.now(), **more)


def settle(worker, execution):
    worker.work()
    execution.refresh_from_db()
    return execution


class TestBudget:
    @pytest.fixture
    def over(self, provider):
        """An execution of an agent whose project has less money than a call can cost."""

        def begin(**config):
            host = urlsplit(provider.openai_url).netloc
            ModelPriceFactory(model="test-model", provider=host, input=Decimal(1000), output=Decimal(1000))
            ModelPriceFactory(model="small", provider=host, input=Decimal("0.001"), output=Decimal("0.001"))
            provider.play({"default": says("Done.", usage={"input_tokens": 10, "output_tokens": 10})})
            raw = definition("start > bot > end", bot=agent(provider, "Ask.", **config), end=END)
            workflow = WorkflowFactory(published=True, definition=raw)
            BudgetFactory(project=workflow.project, amount=Decimal("0.01"))
            return services.start_manually(workflow, input={}, by=None, now=timezone.now())

        return begin

    def test_people_are_asked_and_may_let_it_go_on(self, worker, provider, over):
        execution = settle(worker, over(on_exceeded="approve"))
        assert (execution.status, execution.blocked_on) == ("running", "budget"), execution.error
        assert provider.requests == []

        decide(execution, Verdict.APPROVE)

        assert carry(worker, execution).result == "Done."

    def test_people_are_told_what_their_answer_does(self, worker, over):
        execution = settle(worker, over(on_exceeded="approve"))

        told = Approval.objects.get(execution=execution).message
        assert told.endswith("If you approve, the agent goes on beyond it; if you reject, it fails.")

    def test_people_may_end_it(self, worker, provider, over):
        execution = settle(worker, over(on_exceeded="approve"))

        decide(execution, Verdict.REJECT, comment="No more.")

        assert carry(worker, execution).error["code"] == "going_on_rejected"
        assert provider.requests == []

    def test_it_goes_on_with_the_cheaper_model(self, worker, provider, over):
        execution = carry(worker, over(on_exceeded="cheaper", cheaper=model(provider, model="small")))

        assert execution.result == "Done.", execution.error
        assert [request.body["model"] for request in provider.requests] == ["small"]

    def test_it_fails(self, worker, provider, over):
        assert carry(worker, over()).error["code"] == "budget_exceeded"


class TestLimits:
    def test_calls_of_tools_beyond_them_are_made_when_people_allow_it(self, worker, provider, httpserver):
        httpserver.expect_request("/x").respond_with_json({})
        provider.play({"rules": [{"turns": [calls("look", id="1"), says("Done.")]}]})
        bot = agent(provider, "Ask.", limits={"tool_calls": 0}, on_exceeded="approve")
        raw = definition("start > bot > end", "look -o bot", bot=bot, look=http_tool(httpserver.url_for("/x")), end=END)
        execution = settle(worker, start(raw))
        assert execution.blocked_on == "budget", execution.error
        assert httpserver.log == []

        decide(execution, Verdict.APPROVE)

        assert carry(worker, execution).result == "Done.", execution.error
        assert len(httpserver.log) == 1


class TestServersOfTools:
    def test_only_what_the_author_lists_can_be_called(self, worker, provider):
        brain = Brain()
        provider.play({"answers": [calls("math__add", a=1, b=2), calls("math__fail"), says("Three.")]})
        with serving(McpApplication(brain)) as url:
            tools = node("tool", {"tool": "mcp.call", "with": {"url": url}}, as_tool={"tools": ["add"]})
            raw = definition("start > bot > end", "math -o bot", bot=agent(provider, "Ask."), math=tools, end=END)

            execution = carry(worker, start(raw))

        assert execution.result == "Three.", execution.error
        assert [tool["function"]["name"] for tool in provider.requests[0].body["tools"]] == ["math__add"]
        assert ("math.tools", "0", 1, "completed") in runs(execution)
        assert [call["name"] for call in brain.calls] == ["add"]

    def test_one_that_has_not_what_the_author_lists_fails_the_agent(self, worker, provider):
        with serving(McpApplication(Brain())) as url:
            tools = node("tool", {"tool": "mcp.call", "with": {"url": url}}, as_tool={"tools": ["gone"]})
            raw = definition("start > bot > end", "math -o bot", bot=agent(provider, "Ask."), math=tools, end=END)

            execution = carry(worker, start(raw))

        assert (execution.error["code"], provider.requests) == ("unknown_tool", [])


class TestCancel:
    def test_ends_a_call_in_flight_leaves_nothing_reserved_and_does_not_know_its_cost(self, worker, provider):
        provider.play({"default": says("Too late.", latency_seconds=10)})
        execution = start(definition("start > bot > end", bot=agent(provider, "Ask."), end=END))

        def work():
            try:
                worker.work()
            finally:
                connection.close()

        working = threading.Thread(target=work)
        working.start()
        until = time.monotonic() + 15
        while not provider.requests and time.monotonic() < until:
            time.sleep(0.05)

        services.cancel_execution(execution, by=None, now=timezone.now())
        working.join(timeout=8)

        assert not working.is_alive(), "It waits for the answer."
        execution.refresh_from_db()
        assert execution.status == "cancelled"
        assert execution.node_runs.get(node_id="bot.model").status == "cancelled"
        assert execution.node_runs.get(node_id="bot.model").cost is None
        assert not ModelCall.objects.filter(status="reserved").exists()


class TestRunAgain:
    def test_after_an_agent_its_steps_are_taken_over_and_nothing_is_asked(self, worker, provider):
        provider.play({"answers": [says("Once.")]})
        first = carry(worker, start(definition("start > bot > end", bot=agent(provider, "Ask."), end=END)))

        again = carry(worker, rerun_execution(first, from_node="end", by=None, now=timezone.now()))

        assert (again.result, len(provider.requests)) == ("Once.", 1)
        assert ("bot.model", "0", 1, "completed") in runs(again)

    def test_of_the_agent_itself_begins_anew(self, worker, provider):
        provider.play({"answers": [says("Once."), says("Twice.")]})
        first = carry(worker, start(definition("start > bot > end", bot=agent(provider, "Ask."), end=END)))

        again = carry(worker, rerun_execution(first, from_node="bot", by=None, now=timezone.now()))

        assert again.result == "Twice."
