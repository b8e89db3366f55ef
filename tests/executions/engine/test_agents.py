"""Agents, carried by a worker: a real HTTP provider, real tools, real rows."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from executions import services
from executions.models import Approval, ConversationMessage, LiveText, ModelCall, Verdict
from executions.services import approvals
from executions.states import node_states
from projects.access import Actor
from tests.builders import definition, loop, node
from tests.executions.engine.agents import agent, http_tool, model, runs
from tests.executions.engine.agents import provider as provider
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import MemberFactory, ModelPriceFactory, WorkflowFactory
from tests.providers import calls, fails, says
from workflows.tools.storage import files

pytestmark = pytest.mark.django_db(transaction=True)

ASK = {"question": "What is the weather in Oslo?"}


def output(value="{{ input.answer }}"):
    return node("output", {"value": value})


def asked(provider, number=-1):
    """What the provider was asked, the last time."""
    return provider.requests[number].body


class TestAnswer:
    def test_is_what_the_model_says(self, worker, provider):
        provider.play({"answers": [says("Rain.")]})

        execution = carry(worker, start(definition("start > bot > end", bot=agent(provider), end=output()), ASK))

        assert execution.status == "completed", execution.error
        assert execution.result == "Rain."
        assert runs(execution) == [
            ("start", "", 1, "completed"),
            ("bot", "", 1, "completed"),
            ("bot.model", "0", 1, "completed"),
            ("end", "", 1, "completed"),
        ]

    def test_takes_up_what_tools_say(self, worker, provider, httpserver):
        httpserver.expect_request("/weather", method="POST", json={"id": "oslo"}).respond_with_json({"sky": "rain"})
        provider.play({"answers": [calls("weather", id="oslo"), says("It rains.")]})
        raw = definition(
            "start > bot > end",
            "weather -o bot",
            bot=agent(provider, instructions="Be short."),
            weather=http_tool(httpserver.url_for("/weather")),
            end=output("{{ input }}"),
        )

        execution = carry(worker, start(raw, ASK))

        assert execution.status == "completed", execution.error
        result = execution.result
        assert (result["answer"], result["turns"], result["tool_calls"]) == ("It rains.", 2, 1)
        assert runs(execution)[1:5] == [
            ("bot", "", 1, "completed"),
            ("bot.model", "0", 1, "completed"),
            ("weather", "1", 1, "completed"),
            ("bot.model", "2", 1, "completed"),
        ]
        told = asked(provider)["messages"]
        assert told[0]["content"].startswith("Be short.")
        assert '{"sky": "rain"}' in told[-1]["content"]
        assert told[-1]["content"].startswith('<data from="weather">')

    def test_several_tools_at_once(self, worker, provider, httpserver):
        httpserver.expect_request("/weather").respond_with_json({"sky": "rain"})
        two = {"tool_calls": [{"name": "weather", "arguments": {"id": each}} for each in ("oslo", "rome")]}
        provider.play({"answers": [two, says("Both.")]})
        raw = definition(
            "start > bot > end",
            "weather -o bot",
            bot=agent(provider),
            weather=http_tool(httpserver.url_for("/weather")),
            end=output(),
        )

        execution = carry(worker, start(raw, ASK))

        assert execution.result == "Both."
        assert [(run[0], run[1]) for run in runs(execution)][2:6] == [
            ("bot.model", "0"),
            ("weather", "1"),
            ("weather", "2"),
            ("bot.model", "3"),
        ]

    def test_a_tool_that_fails_is_told(self, worker, provider, httpserver):
        httpserver.expect_request("/weather").respond_with_data("gone", status=404)
        provider.play({"answers": [calls("weather", id="oslo"), says("I do not know.")]})
        raw = definition(
            "start > bot > end",
            "weather -o bot",
            bot=agent(provider),
            weather=http_tool(httpserver.url_for("/weather")),
            end=output(),
        )

        execution = carry(worker, start(raw, ASK))

        assert execution.result == "I do not know."
        assert "http_status" in asked(provider)["messages"][-1]["content"]

    def test_a_tool_that_is_not_there_is_told(self, worker, provider):
        provider.play({"answers": [calls("weather", id="oslo"), says("Then not.")]})

        execution = carry(worker, start(definition("start > bot > end", bot=agent(provider), end=output()), ASK))

        assert execution.result == "Then not."
        assert "There is no tool `weather`" in asked(provider)["messages"][-1]["content"]

    def test_wrong_arguments_are_told_and_call_nothing(self, worker, provider, httpserver):
        provider.play({"answers": [calls("weather", town=1), says("Then not.")]})
        raw = definition(
            "start > bot > end",
            "weather -o bot",
            bot=agent(provider),
            weather=http_tool(httpserver.url_for("/weather")),
            end=output(),
        )

        execution = carry(worker, start(raw, ASK))

        assert execution.result == "Then not."
        assert "invalid_arguments" in asked(provider)["messages"][-1]["content"]
        assert httpserver.log == []


class TestStructure:
    SCHEMA = {
        "type": "object",
        "properties": {"team": {"type": "string"}},
        "required": ["team"],
        "additionalProperties": False,
    }

    def test_the_answer_is_data(self, worker, provider):
        provider.play({"answers": [says('{"team": "billing"}')]})
        raw = definition("start > bot > end", bot=agent(provider, output_schema=self.SCHEMA), end=output())

        assert carry(worker, start(raw, ASK)).result == {"team": "billing"}

    def test_what_does_not_fit_is_sent_back_for_repair(self, worker, provider):
        provider.play({"answers": [says('{"tem": 1}'), says('{"team": "billing"}')]})
        raw = definition("start > bot > end", bot=agent(provider, output_schema=self.SCHEMA), end=output())

        execution = carry(worker, start(raw, ASK))

        assert execution.result == {"team": "billing"}
        assert "Answer again" in json.dumps(asked(provider)["messages"][-1])

    def test_repairs_are_bounded_by_the_turns(self, worker, provider):
        provider.play({"rules": [{"answer": says("no json")}]})
        bot = agent(provider, output_schema=self.SCHEMA, limits={"turns": 3})

        execution = carry(worker, start(definition("start > bot > end", bot=bot, end=output()), ASK))

        assert (execution.status, execution.error["code"], len(provider.requests)) == ("failed", "limit_exceeded", 3)


class TestFallback:
    def test_the_next_model_is_asked_when_one_fails(self, worker, provider):
        provider.play(
            {"rules": [{"when": {"model": "first"}, "answer": fails(400)}, {"answer": says("From the second.")}]}
        )
        bot = agent(provider, models=[model(provider, model="first"), model(provider, model="second")])

        execution = carry(worker, start(definition("start > bot > end", bot=bot, end=output()), ASK))

        assert execution.result == "From the second."

    def test_the_agent_fails_with_what_the_last_one_said(self, worker, provider):
        provider.play({"rules": [{"answer": fails(401, message="no such key")}]})

        execution = carry(worker, start(definition("start > bot > end", bot=agent(provider), end=output()), ASK))

        assert (execution.status, execution.error["code"]) == ("failed", "model_auth")


class TestOtherAgents:
    def test_an_agent_is_a_tool_of_another(self, worker, provider):
        provider.play(
            {
                "rules": [
                    {"when": {"user_contains": "only the sky"}, "answer": says("Grey.")},
                    {"turns": [calls("expert", task="only the sky"), says("The expert says grey.")]},
                ]
            }
        )
        raw = definition(
            "start > bot > end",
            "expert -o bot",
            bot=agent(provider),
            expert=agent(provider, "{{ input.task }}", policies={"as_tool": {"description": "Knows the sky."}}),
            end=output(),
        )

        execution = carry(worker, start(raw, ASK))

        assert execution.result == "The expert says grey.", execution.error
        assert ("expert.model", "1.0", 1, "completed") in runs(execution)

    def test_a_workflow_is_a_tool(self, worker, provider):
        bot = agent(provider)
        raw = definition(
            "start > bot > end",
            "double -o bot",
            bot=bot,
            double=node("tool", {"tool": "workflow.run", "with": {"workflow": "Double"}}),
            end=output(),
        )
        workflow = WorkflowFactory(definition=definition())
        inner = definition("start > end", end=output("{{ trigger.number * 2 }}"))
        inner["inputs"] = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
        WorkflowFactory(name="Double", project=workflow.project, published=True, definition=inner)
        outer = WorkflowFactory(project=workflow.project, published=True, definition=raw)
        provider.play({"answers": [calls("double", number=4), says("Eight.")]})
        execution = services.start_manually(outer, input=ASK, by=None, now=timezone.now())

        assert carry(worker, execution).result == "Eight.", execution.error
        assert asked(provider)["tools"][0]["function"]["parameters"]["required"] == ["number"]
        assert '"result": 8' in asked(provider)["messages"][-1]["content"]


class TestApproval:
    def raw(self, provider, httpserver, approval="always"):
        return definition(
            "start > bot > end",
            "pay -o bot",
            bot=agent(provider),
            pay=http_tool(
                httpserver.url_for("/pay"),
                properties={"amount": {"type": "integer"}, "to": {"type": "string"}},
                approval=approval,
            ),
            end=output(),
        )

    def waiting(self, worker, provider, httpserver):
        provider.play({"answers": [calls("pay", amount=500, to="ACME"), says("Done.")]})
        httpserver.expect_request("/pay").respond_with_json({"paid": True})
        execution = start(self.raw(provider, httpserver), ASK)
        worker.work()
        execution.refresh_from_db()
        return execution

    def decide(self, execution, verdict, **more):
        approval = Approval.objects.get(execution=execution)
        member = MemberFactory(project=execution.project, role="admin")
        approvals.decide(approval, verdict, by=Actor(member.user), now=timezone.now(), **more)

    def test_waits_without_a_worker(self, worker, provider, httpserver):
        execution = self.waiting(worker, provider, httpserver)

        assert (execution.status, execution.blocked_on, execution.lease_owner) == ("running", "approval", None), (
            execution.error
        )
        assert httpserver.log == []
        assert Approval.objects.get(execution=execution).details["arguments"] == {"amount": 500, "to": "ACME"}

    def test_the_picture_shows_that_the_tool_waits(self, worker, provider, httpserver):
        execution = self.waiting(worker, provider, httpserver)

        assert dict(node_states(execution)["pay"].counts) == {"waiting": 1}

    def test_people_are_told_what_their_answer_does(self, worker, provider, httpserver):
        execution = self.waiting(worker, provider, httpserver)

        assert "If you reject, no call is made" in Approval.objects.get(execution=execution).message

    def test_approved_it_is_called(self, worker, provider, httpserver):
        execution = self.waiting(worker, provider, httpserver)
        self.decide(execution, Verdict.APPROVE)

        assert carry(worker, execution).result == "Done."
        assert httpserver.log[0][0].get_json() == {"amount": 500, "to": "ACME"}

    def test_approved_with_other_arguments_it_is_called_with_those(self, worker, provider, httpserver):
        execution = self.waiting(worker, provider, httpserver)
        self.decide(execution, Verdict.APPROVE, form={"amount": 5})

        carry(worker, execution)
        assert httpserver.log[0][0].get_json() == {"amount": 5, "to": "ACME"}

    def test_rejected_it_is_not_called_and_the_model_is_told_why(self, worker, provider, httpserver):
        execution = self.waiting(worker, provider, httpserver)
        self.decide(execution, Verdict.REJECT, comment="Too much.")

        assert carry(worker, execution).result == "Done."
        assert httpserver.log == []
        assert "Too much." in asked(provider)["messages"][-1]["content"]

    def test_is_asked_for_only_where_its_expression_says_so(self, worker, provider, httpserver):
        provider.play({"answers": [calls("pay", amount=5, to="ACME"), says("Done.")]})
        httpserver.expect_request("/pay").respond_with_json({"paid": True})

        execution = carry(worker, start(self.raw(provider, httpserver, "{{ input.amount > 100 }}"), ASK))

        assert execution.result == "Done.", execution.error
        assert not Approval.objects.exists()

    def test_waits_where_its_expression_says_so(self, worker, provider, httpserver):
        provider.play({"answers": [calls("pay", amount=101, to="ACME"), says("Done.")]})
        execution = start(self.raw(provider, httpserver, "{{ input.amount > 100 }}"), ASK)

        worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.blocked_on) == ("running", "approval"), execution.error
        assert httpserver.log == []


class TestHosts:
    def test_a_tool_calls_no_other_than_the_allowed(self, worker, provider, httpserver):
        httpserver.expect_request("/x").respond_with_json({})
        provider.play({"answers": [calls("fetch", url=httpserver.url_for("/x")), says("No.")]})
        raw = definition(
            "start > bot > end",
            "fetch -o bot",
            bot=agent(provider, allowed_hosts=["api.example.com"]),
            fetch=node("tool", {"tool": "http.request"}),
            end=output(),
        )

        execution = carry(worker, start(raw, ASK))

        assert execution.result == "No.", execution.error
        assert httpserver.log == []
        assert "host_not_allowed" in asked(provider)["messages"][-1]["content"]


class TestPlaces:
    def test_an_agent_in_a_loop_runs_in_each_pass(self, worker, provider, httpserver):
        httpserver.expect_request("/weather").respond_with_json({"sky": "rain"})
        provider.play({"rules": [{"turns": [calls("weather", id="x"), says("Rain.")]}]})
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": [1, 2]},
                "weather -o bot",
                bot=agent(provider, "Number {{ item }}"),
                weather=http_tool(httpserver.url_for("/weather")),
            ),
            end=output("{{ input.results.map(r => r.answer) }}"),
        )

        execution = carry(worker, start(raw))

        assert execution.result == ["Rain.", "Rain."], execution.error
        assert ("weather", "1.1", 1, "completed") in runs(execution)


class TestFiles:
    PNG = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )

    def test_go_to_the_model_and_into_no_row(self, worker, provider):
        provider.play({"answers": [says("A dot.")]})
        raw = definition("start > bot > end", bot=agent(provider, files=["shots/dot.png"]), end=output())
        workflow = WorkflowFactory(published=True, definition=raw)
        files.write(str(workflow.project_id), "shots/dot.png", self.PNG, if_exists="fail", content_type="image/png")

        execution = carry(worker, services.start_manually(workflow, input=ASK, by=None, now=timezone.now()))

        assert execution.result == "A dot.", execution.error
        sent = json.dumps(asked(provider)["messages"])
        assert base64.b64encode(self.PNG).decode() in sent
        kept = json.dumps(list(execution.node_runs.values_list("input_data", "output_data")))
        assert base64.b64encode(self.PNG).decode() not in kept
        assert "shots/dot.png" in kept

    def test_that_are_not_there_fail_the_agent_before_anything_is_asked(self, worker, provider):
        raw = definition("start > bot > end", bot=agent(provider, files=["gone.png"]), end=output())

        execution = carry(worker, start(raw, ASK))

        assert (execution.error["code"], provider.requests) == ("file_not_found", [])


class TestMemory:
    def test_goes_on_from_execution_to_execution(self, worker, provider):
        provider.play({"rules": [{"answer": says("I said: {{ user }}")}]})
        bot = agent(provider, memory={"key": "{{ input.customer }}", "window": 10})
        workflow = WorkflowFactory(published=True, definition=definition("start > bot > end", bot=bot, end=output()))
        for customer, question in (("ann", "One?"), ("bob", "Two?"), ("ann", "Three?")):
            value = {"customer": customer, "question": question}
            carry(worker, services.start_manually(workflow, input=value, by=None, now=timezone.now()))

        told = [(message["role"], message["content"]) for message in asked(provider)["messages"]]

        assert told == [("user", "One?"), ("assistant", "I said: One?"), ("user", "Three?")]

    def test_an_agent_that_fails_remembers_nothing(self, worker, provider):
        provider.play({"rules": [{"answer": fails(401)}]})
        bot = agent(provider, memory={"key": "k"})

        carry(worker, start(definition("start > bot > end", bot=bot, end=output()), ASK))

        assert ConversationMessage.objects.count() == 0


class TestWatchers:
    def test_see_the_answer_while_it_comes(self, worker, provider):
        provider.play({"answers": [says("A long answer, piece by piece.", chunk_chars=6, chunk_delay_seconds=0.1)]})

        execution = carry(worker, start(definition("start > bot > end", bot=agent(provider), end=output()), ASK))

        row = execution.node_runs.get(node_id="bot.model")
        pieces = LiveText.objects.filter(node_run_id=row.pk).order_by("number").values_list("text", flat=True)
        assert "".join(pieces) == execution.result
        assert len(pieces) > 1


class TestMoney:
    def test_is_recorded_with_each_call_and_summed(self, worker, provider):
        ModelPriceFactory(
            provider=urlsplit(provider.openai_url).netloc, model="test-model", input=Decimal(1), output=Decimal(2)
        )
        usage = {"input_tokens": 1_000, "output_tokens": 500}
        provider.play({"answers": [says("Cheap.", usage=usage)]})

        raw = definition("start > bot > end", bot=agent(provider), end=output("{{ input }}"))
        execution = carry(worker, start(raw, ASK))

        assert Decimal(execution.result["cost"]) == Decimal("0.002")
        assert (execution.cost, execution.tokens_used, execution.is_cost_complete) == (Decimal("0.002"), 1_500, True)
        assert {row.node_id: row.cost for row in execution.node_runs.filter(node_id__startswith="bot")} == {
            "bot": Decimal("0.002"),
            "bot.model": Decimal("0.002"),
        }
        assert ModelCall.objects.get().status == "settled"

    def test_without_a_price_is_unknown_and_not_nothing(self, worker, provider):
        provider.play({"answers": [says("Free?")]})

        raw = definition("start > bot > end", bot=agent(provider), end=output("{{ input }}"))
        execution = carry(worker, start(raw, ASK))

        assert (execution.result["cost"], execution.is_cost_complete) == (None, False)
        assert execution.node_runs.get(node_id="bot.model").cost is None
