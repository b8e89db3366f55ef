"""What a model is told of the tools of a server, and of what they return."""

from __future__ import annotations

import pytest

from workflows.nodes.agent.server_tools import told_of


def result(*content, structured=None):
    return {"content": list(content), "structured": structured, "text": ""}


def text(value):
    return {"type": "text", "text": value}


class TestToldOf:
    def test_texts_are_told_as_they_are(self):
        assert told_of(result(text("One."), text("Two."))) == "One.\nTwo."

    def test_data_is_told_once_though_the_server_says_it_as_text_too(self):
        assert told_of(result(text('{"total": 3}'), structured={"total": 3})) == {"total": 3}

    def test_what_stands_beside_data_is_told_as_well(self):
        assert told_of(result(text("Three."), structured={"total": 3})) == {
            "structured": {"total": 3},
            "text": "Three.",
        }

    @pytest.mark.parametrize(
        ("block", "said"),
        [
            (
                {"type": "image", "mimeType": "image/png", "data": "AAAA"},
                "[image image/png, 4 characters of base64, left out]",
            ),
            ({"type": "audio", "data": "AAAA"}, "[audio of an unknown type, 4 characters of base64, left out]"),
            (
                {"type": "resource", "resource": {"uri": "a:b", "mimeType": "x/y", "blob": "AAAA"}},
                "[resource x/y, 4 characters of base64, left out]",
            ),
        ],
    )
    def test_of_bytes_is_told_that_they_are_there(self, block, said):
        assert told_of(result(block)) == said

    @pytest.mark.parametrize("block", [None, 7, {"type": "text", "text": 5}, {"type": "resource_link", "uri": "a:b"}])
    def test_anything_else_is_told_as_it_is(self, block):
        assert isinstance(told_of(result(block)), str)

    @pytest.mark.parametrize("output", [{"error": {"code": "timeout"}}, "pinned", None, {"content": "none"}])
    def test_what_comes_in_the_place_of_a_result_is_left_alone(self, output):
        assert told_of(output) == output
