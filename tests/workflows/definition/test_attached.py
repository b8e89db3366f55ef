"""What a draft says of tools: over ``tool`` edges, and beside their configs."""

from __future__ import annotations

import pytest

from tests.builders import definition, graph, loop, node
from tests.workflows.definition.checks import problems as problems_of

MODEL = {"provider": "openai", "model": "m"}
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}


def agent(**more):
    return node("agent", {"models": [MODEL], "prompt": "Do it.", **more.pop("config", {})}, **more)


def fetch(url="https://api.example.com/{{ input.id }}", **as_tool):
    return node("tool", {"tool": "http.request", "with": {"url": url}}, as_tool={"parameters": SCHEMA, **as_tool})


def problems(*ways, **nodes):
    return [(problem.code, problem.path) for problem in problems_of(definition("start > bot", *ways, **nodes))]


def test_a_tool_of_an_agent_is_no_problem():
    assert problems("fetch -o bot", bot=agent(), fetch=fetch()) == []


def test_it_lies_in_its_agent():
    drawn = graph("start > bot > end", "fetch -o bot", bot=agent(), fetch=fetch())

    assert list(drawn.body_of("bot").nodes) == ["fetch"]
    assert "fetch" not in drawn.body_of(None).nodes
    assert drawn.is_tool("fetch")


def test_the_arguments_that_it_leaves_open_are_not_missing():
    open_tool = node("tool", {"tool": "storage.read"})

    assert problems("read -o bot", bot=agent(), read=open_tool) == []


def test_what_it_gives_is_checked_all_the_same():
    wrong = node("tool", {"tool": "storage.read", "with": {"nam": "x"}})

    assert problems("read -o bot", bot=agent(), read=wrong) == [("unknown_key", "/nodes/2/config/with/nam")]


@pytest.mark.parametrize(
    ("ways", "nodes", "found"),
    [
        (["fetch -o other"], {"other": node("delay", {"for_seconds": 0})}, ("not_an_agent", "/edges/1/target")),
        (["wait -o bot"], {"wait": node("delay", {"for_seconds": 0})}, ("not_a_tool", "/edges/1/source")),
        (["fetch -o bot", "fetch -o two"], {"two": agent()}, ("attached_twice", "/edges/2/source")),
        (["fetch -o bot", "bot > fetch"], {}, ("tool_in_order", "/edges/2/target")),
        (["fetch -o bot", "fetch > end"], {}, ("tool_in_order", "/edges/2/source")),
        ([], {"fetch": fetch()}, ("not_attached", "/nodes/2/as_tool")),
        (["fetch -o bot"], {"fetch": fetch(name="a b")}, ("invalid_format", "/nodes/2/as_tool/name")),
        (["fetch -o bot"], {"fetch": fetch(parameters={"type": "string"})}, ("parameters_not_object", "/nodes/2/as_tool/parameters/type")),
        (["fetch -o bot"], {"fetch": fetch(parameters={"type": "object", "properties": 1})}, ("invalid_schema", "/nodes/2/as_tool/parameters/properties")),
        (["fetch -o bot"], {"fetch": fetch(approval="never")}, ("not_an_expression", "/nodes/2/as_tool/approval")),
        (["fetch -o bot"], {"fetch": fetch(approval="{{ inpt.id }}")}, ("unknown_name", "/nodes/2/as_tool/approval")),
        (["fetch -o bot", "again -o bot"], {"again": fetch(name="fetch")}, ("duplicate_tool", "/nodes/3/as_tool/name")),
        (["run -o bot"], {"run": node("tool", {"tool": "workflow.run"})}, ("workflow_not_named", "/nodes/2/config/with/workflow")),
        (["mcp -o bot"], {"mcp": node("tool", {"tool": "mcp.call", "with": {"url": "https://m.example.com"}})}, ("tools_not_listed", "/nodes/2/as_tool/tools")),
        (["fetch -o bot"], {"fetch": fetch(tools=["a"])}, ("unknown_key", "/nodes/2/as_tool/tools")),
    ],
)  # fmt: skip
def test_what_is_wrong(ways, nodes, found):
    given = {"bot": agent(), **({"fetch": fetch()} if any("fetch" in way for way in ways) else {}), **nodes}

    assert found in problems(*ways, **given)


def test_agents_that_are_tools_of_each_other():
    found = problems("bot -o two", "two -o bot", bot=agent(), two=agent())

    assert "agent_cycle" in {code for code, _ in found}


@pytest.mark.parametrize("url", ["{{ input.url }}", "https://{{ input.host }}/x"])
def test_a_model_that_chooses_the_host_needs_a_list(url):
    listed = agent(config={"allowed_hosts": ["api.example.com"]})

    assert problems("fetch -o bot", bot=agent(), fetch=fetch(url)) == [
        ("hosts_not_bounded", "/nodes/1/config/allowed_hosts")
    ]
    assert problems("fetch -o bot", bot=listed, fetch=fetch(url)) == []


@pytest.mark.parametrize(
    ("auth", "is_chosen"),
    [
        ({"key_file": "{{ input.key }}"}, True),
        ({"key_file": "{{ secret('KEY') }}{{ input.more }}"}, True),
        ({"key_file": "{{ secret('KEY') }}"}, False),
        ({"token_url": "https://{{ input.host }}/token", "issuer": "a", "private_key": "{{ secret('KEY') }}"}, True),
        ({"token_url": "https://login.example.com/token", "issuer": "a", "private_key": "{{ secret('KEY') }}"}, False),
    ],
)
def test_a_model_that_chooses_where_tokens_come_from_needs_a_list(auth, is_chosen):
    call = {"url": "https://api.example.com", "auth": {"type": "oauth2_jwt_bearer", **auth}}
    raw = definition(
        "start > bot", "call -o bot", bot=agent(), call=node("tool", {"tool": "http.request", "with": call})
    )

    found = [each.code for each in problems_of(raw, variables={"KEY": True})]

    assert found == (["hosts_not_bounded"] if is_chosen else [])


@pytest.mark.parametrize("key", ["models", "cheaper"])
@pytest.mark.parametrize("url", ["{{ input.url }}", "https://{{ input.host }}/v1", "{{ vars.URL }}{{ input.path }}"])
def test_a_model_that_places_the_model_of_another_needs_a_list(url, key):
    placed = {**MODEL, "base_url": url}
    more = {"models": [MODEL, placed]} if key == "models" else {"cheaper": placed, "on_exceeded": "cheaper"}

    def found(outer):
        raw = definition("start > bot", "sub -o bot", bot=outer, sub=agent(config=more))
        return [(each.code, each.path) for each in problems_of(raw, variables={"URL": False})]

    assert found(agent()) == [("hosts_not_bounded", "/nodes/1/config/allowed_hosts")]
    assert found(agent(config={"allowed_hosts": ["llm.example.com"]})) == []


@pytest.mark.parametrize("url", ["https://llm.example.com/{{ input.path }}", "{{ vars.URL }}", None])
def test_a_model_whose_place_people_say_needs_none(url):
    placed = MODEL if url is None else {**MODEL, "base_url": url}
    raw = definition("start > bot", "sub -o bot", bot=agent(), sub=agent(config={"models": [placed]}))

    assert problems_of(raw, variables={"URL": False}) == []


def test_hosts_may_be_variables_and_nothing_that_comes_in():
    def hosts(value):
        bot = agent(config={"allowed_hosts": value})
        raw = definition("start > bot", "fetch -o bot", bot=bot, fetch=fetch("{{ input.url }}"))
        return [(each.code, each.path) for each in problems_of(raw, variables={"HOST": False, "HOSTS": False})]

    assert hosts("{{ vars.HOSTS }}") == hosts(["{{ vars.HOST }}"]) == [], "and which there are is known later"
    assert hosts("{{ input.hosts }}") == [("not_available_here", "/nodes/1/config/allowed_hosts")]
    assert hosts(["{{ trigger.host }}"]) == [("not_available_here", "/nodes/1/config/allowed_hosts/0")]
    assert ("hosts_are_null", "/nodes/1/config/allowed_hosts") in hosts(None)


def test_secrets_stand_where_they_are_sent_and_not_in_prompts():
    told = problems(bot=agent(config={"instructions": "{{ secret('KEY') }}"}))
    sent = problems(bot=agent(config={"models": [{**MODEL, "api_key": "{{ secret('KEY') }}"}]}))

    assert told == [("not_available_here", "/nodes/1/config/instructions")]
    assert sent == [("unknown_variable", "/nodes/1/config/models/0/api_key")]


def test_in_a_loop_a_tool_lies_in_the_same_body():
    inside = loop({"items": [1]}, "fetch -o bot", bot=agent(), fetch=fetch())
    outside = definition("start > each", each=loop({"items": [1]}, "bot", bot=agent()))
    outside["nodes"].append({"id": "fetch", **fetch(), "parent": "elsewhere"})
    outside["edges"].append({"source": "fetch", "target": "bot", "type": "tool"})

    assert problems_of(definition("start > each", each=inside)) == []
    assert "edge_across_scopes" in {problem.code for problem in problems_of(outside)}
