"""Agents within agents, loops and parallels, and with servers that say odd things."""

from __future__ import annotations

import base64
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from executions import services
from executions.engine.clock import database_now
from executions.invariants import check_all
from executions.models import Approval, WorkflowExecution
from executions.spending.models import ModelCall
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.agents import agent, http_tool, model, runs
from tests.executions.engine.agents import provider as provider
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import BudgetFactory, ModelPriceFactory, WorkflowFactory
from tests.mcp import Brain, McpApplication
from tests.providers import calls, says
from tests.workflows.tools.test_mcp import serving

pytestmark = pytest.mark.django_db(transaction=True)

END = node("output", {"value": "{{ input }}"})
USAGE = {"input_tokens": 100, "output_tokens": 50}
# What a call of this usage costs.
PAID = Decimal("0.15")


@pytest.fixture
def priced(provider):
    """A dollar for a thousand tokens, whichever way they go."""
    host = urlsplit(provider.openai_url).netloc
    ModelPriceFactory(model="test-model", provider=host, input=Decimal(1000), output=Decimal(1000))


def told(provider):
    """What the model was told last."""
    return provider.requests[-1].body["messages"][-1]["content"]


def used(execution):
    """What the node runs of agents and their models have used: tokens, cost."""
    rows = execution.node_runs.filter(node_type="agent")
    return {(row.node_id, row.iteration): (row.tokens_used, row.cost) for row in rows}


def broken():
    return {rule.name for rule, ids in check_all(database_now()) if ids}


def three_deep(provider, tool, **policies):
    """An agent whose tool is an agent whose tool is an agent, which has a tool."""

    def inner(prompt):
        return agent(provider, prompt, policies={"as_tool": {"description": "Knows more."}})

    return definition(
        "start > outer > end",
        "middle -o outer",
        "inner -o middle",
        "look -o inner",
        outer=agent(provider, "outermost", policies=policies),
        middle=inner("{{ 'middle: ' + input.task }}"),
        inner=inner("{{ 'innermost: ' + input.task }}"),
        look=tool,
        end=END,
    )


def of_three(**last):
    """What their models say: each calls what it has, then is done."""

    def turns(name, call, done):
        return {"when": {"user_contains": name}, "turns": [{**call, "usage": USAGE}, {**done, "usage": USAGE}]}

    return {
        "rules": [
            turns("outermost", calls("middle", task="go"), says("Outer.")),
            turns("middle", calls("inner", task="go"), says("Middle.")),
            turns("innermost", calls("look", id="1"), says("Inner.", **last)),
        ]
    }


class TestCost:
    def test_of_passes_that_nobody_needs_any_more_is_unknown_at_once(self, worker, provider, priced):
        provider.play(
            {
                "rules": [{"when": {"user_contains": "fast"}, "answer": says("Fast.", usage=USAGE, latency_seconds=1)}],
                "default": says("Slow.", usage=USAGE, latency_seconds=9),
            }
        )
        each = parallel({"items": ["slow", "fast"], "done_when": "any"}, bot=agent(provider, "{{ item }}"))
        execution = start(
            definition("start > each > rest > end", each=each, rest=node("delay", {"for_seconds": 60}), end=END)
        )

        worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.blocked_on, execution.is_cost_complete) == ("running", "timer", False)
        assert used(execution) == {
            ("bot", "0"): (0, None),
            ("bot.model", "0.0"): (0, None),
            ("bot", "1"): (150, PAID),
            ("bot.model", "1.0"): (150, PAID),
        }
        assert dict(ModelCall.objects.values_list("iteration", "status")) == {"0.0": "uncertain", "1.0": "settled"}
        assert broken() == set()

    def test_of_agents_that_are_given_up_counts_for_those_around_them(self, worker, provider, priced, httpserver):
        httpserver.expect_request("/x").respond_with_json({})
        provider.play(of_three(latency_seconds=30))
        execution = carry(worker, start(three_deep(provider, http_tool(httpserver.url_for("/x")), timeout_seconds=5)))

        assert (execution.error["code"], execution.error["node_id"]) == ("node_timeout", "outer")
        found = used(execution)
        assert (found["outer", ""], found["middle", "1"], found["inner", "1.1"]) == (
            (450, None),
            (300, None),
            (150, None),
        )
        assert found["inner.model", "1.1.2"] == (0, None)
        assert broken() == set()

    def test_of_agents_whose_execution_is_cancelled_is_what_they_have_used(self, worker, provider, priced, httpserver):
        provider.play(of_three())
        look = http_tool(httpserver.url_for("/x"), approval="always")
        execution = start(three_deep(provider, look))
        worker.work()

        services.cancel_execution(execution, by=None, now=timezone.now())

        assert Approval.objects.get().status == "closed"
        assert {key: value for key, value in used(execution).items() if "." not in key[0]} == {
            ("outer", ""): (150, PAID),
            ("middle", "1"): (150, PAID),
            ("inner", "1.1"): (150, PAID),
        }
        assert broken() == set()


class TestPasses:
    def test_that_run_at_once_never_overspend_together(self, worker, provider, priced):
        provider.play({"default": says("Done.", usage=USAGE, latency_seconds=0.3)})
        bot = agent(provider, "{{ item }}", models=[model(provider, max_tokens=100)])
        each = parallel({"items": list("abcdefgh"), "on_item_error": "collect"}, bot=bot)
        workflow = WorkflowFactory(published=True, definition=definition("start > each > end", each=each, end=END))
        BudgetFactory(project=workflow.project, amount=Decimal(1))

        execution = carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))

        gone = sum(call.cost or call.reserved for call in ModelCall.objects.exclude(status="released"))
        errors = {each["code"] for each in execution.result["errors"]}
        assert 0 < gone <= 1
        assert (errors, len(provider.requests)) == ({"budget_exceeded"}, 8 - len(execution.result["errors"]))
        assert broken() == set()

    def test_an_error_workflow_is_told_in_which_one_an_agent_failed_and_why(self, worker, provider, httpserver):
        httpserver.expect_request("/x").respond_with_data("no", status=400)
        provider.play({"rules": [{"turns": [calls("look", id="1"), says("Done.")]}]})
        each = loop(
            {"items": [1]},
            "look -o bot",
            bot=agent(provider, "Ask.", on_tool_error="fail"),
            look=http_tool(httpserver.url_for("/x")),
        )
        raw = definition("start > each > end", each=each, end=END, settings={"on_failure": {"workflow": "Told"}})
        workflow = WorkflowFactory(published=True, definition=raw)
        WorkflowFactory(
            name="Told",
            project=workflow.project,
            published=True,
            definition=definition("start > end", end=node("output", {"value": "{{ trigger }}"})),
        )
        carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))

        error = carry(worker, WorkflowExecution.objects.get(workflow__name="Told")).result["error"]

        assert (error["node_id"], error["iteration"], error["code"]) == ("bot", "0", "tool_failed")
        assert "`look` failed" in error["message"]


class TestModels:
    def test_are_named_by_what_comes_to_the_agent(self, worker, provider):
        provider.play({"default": says("Done.")})
        bot = agent(provider, "Ask.", models=[model(provider, model="{{ input.wanted }}")])

        execution = carry(worker, start(definition("start > bot > end", bot=bot, end=END), {"wanted": "small"}))

        assert (execution.status, provider.requests[0].body["model"]) == ("completed", "small"), execution.error

    @pytest.mark.parametrize(("allowed", "code"), [("api.example.com", "host_not_allowed"), ("127.0.0.1", None)])
    def test_that_another_model_places_are_where_the_author_allows_it(self, worker, provider, allowed, code):
        url = provider.openai_url.replace("localhost", "127.0.0.1")
        provider.play(
            {
                "rules": [
                    {"when": {"model": "theirs"}, "answer": says("From there.")},
                    {"turns": [calls("expert", url=url), says("Done.")]},
                ]
            }
        )
        parameters = {"type": "object", "properties": {"url": {"type": "string"}}}
        expert = agent(
            provider,
            "Ask.",
            models=[model(provider, model="theirs", base_url="{{ input.url }}")],
            policies={"as_tool": {"description": "Knows.", "parameters": parameters}},
        )
        bot = agent(provider, "Go.", allowed_hosts=[allowed])

        execution = carry(
            worker, start(definition("start > bot > end", "expert -o bot", bot=bot, expert=expert, end=END))
        )

        assert execution.result["answer"] == "Done.", execution.error
        error = execution.node_runs.get(node_id="expert.model").error
        assert (error and error["code"]) == code

    def test_that_the_author_places_are_called_whatever_the_tools_may_call(self, worker, provider):
        provider.play({"rules": [{"turns": [calls("expert", task="go"), says("Done.")]}]})
        expert = agent(provider, "{{ 'Sub: ' + input.task }}", policies={"as_tool": {"description": "Knows."}})
        bot = agent(provider, "Go.", allowed_hosts=["api.example.com"])
        provider.play(
            {
                "rules": [
                    {"when": {"user_contains": "sub:"}, "answer": says("Yes.")},
                    {"turns": [calls("expert", task="go"), says("Done.")]},
                ]
            }
        )

        execution = carry(
            worker, start(definition("start > bot > end", "expert -o bot", bot=bot, expert=expert, end=END))
        )

        assert ("expert.model", "1.0", 1, "completed") in runs(execution)


class OddServer(Brain):
    """A server of tools that says what it is told to say."""

    def __init__(self, tools, result=None):
        super().__init__()
        self.tools, self.result = tools, result

    def _result(self, method, params):
        match method:
            case "tools/list":
                return {"tools": self.tools}
            case "tools/call":
                return self.result
        return super()._result(method, params)


class TestServersOfTools:
    LOOK = {"name": "look", "description": "Look.", "inputSchema": {"type": "object"}}

    def carried(self, worker, provider, server):
        provider.play({"answers": [calls("eyes__look"), says("Done.")]})
        with serving(McpApplication(server)) as url:
            eyes = node("tool", {"tool": "mcp.call", "with": {"url": url}}, as_tool={"tools": ["look"]})
            raw = definition("start > bot > end", "eyes -o bot", bot=agent(provider, "Ask."), eyes=eyes, end=END)
            execution = carry(worker, start(raw))
        assert execution.status == "completed", execution.error
        return execution

    @pytest.mark.parametrize("name", [[], {}, None, 7])
    def test_one_that_gives_a_tool_no_name_has_its_others_all_the_same(self, worker, provider, name):
        server = OddServer([{**self.LOOK, "name": name}, self.LOOK], {"content": [{"type": "text", "text": "A dot."}]})

        self.carried(worker, provider, server)

        assert "A dot." in told(provider)

    def test_a_model_is_told_of_a_picture_and_not_its_bytes(self, worker, provider):
        data = base64.b64encode(bytes(60_000)).decode()
        picture = {"type": "image", "mimeType": "image/png", "data": data}
        server = OddServer([self.LOOK], {"content": [picture, {"type": "text", "text": "A dot."}]})

        execution = self.carried(worker, provider, server)

        assert told(provider) == (
            '<data from="eyes__look">\n[image image/png, 80,000 characters of base64, left out]\nA dot.\n</data>'
        )
        assert execution.node_runs.get(node_id="eyes").output_data["content"][0]["data"] == data


class TestMemory:
    @pytest.mark.parametrize("nothing", ["", " \n"])
    @pytest.mark.parametrize("protocol", ["openai", "anthropic"])
    def test_goes_on_after_an_answer_that_says_nothing(self, worker, provider, protocol, nothing):
        provider.play({"answers": [says(nothing), says("Here I am.")]})
        url = provider.openai_url if protocol == "openai" else provider.anthropic_url
        bot = agent(
            provider,
            "Are you there?",
            models=[{**model(provider), "provider": protocol, "base_url": url}],
            memory={"key": "k"},
        )
        workflow = WorkflowFactory(published=True, definition=definition("start > bot > end", bot=bot, end=END))

        for answer in (nothing, "Here I am."):
            execution = carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))
            assert execution.status == "completed", execution.error
            assert execution.result["answer"] == answer
