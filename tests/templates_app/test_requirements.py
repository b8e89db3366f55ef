from __future__ import annotations

from templates_app.requirements import tools_of, unmet
from tests.builders import node, parsed

CALL = node("tool", {"tool": "http.request"})


class TestToolsOf:
    def test_names_each_tool_once_in_order(self):
        definition = parsed("start > a > b > c > end", a=node("tool", {"tool": "zip"}), b=CALL, c=CALL)

        assert tools_of(definition) == ["http.request", "zip"]

    def test_finds_none_where_there_is_none(self):
        assert tools_of(parsed("start > end")) == []


class TestUnmet:
    def test_is_nothing_where_everything_is_there(self):
        definition = parsed("start > a", a=CALL)

        assert unmet(definition, node_types={"trigger", "tool"}, tools={"http.request"}) == []

    def test_names_what_is_missing(self):
        definition = parsed("start > a > b > end", a=node("agent"), b=CALL)

        assert unmet(definition, node_types={"trigger", "tool"}, tools=set()) == [
            "node type agent",
            "node type delay",
            "tool http.request",
        ]
