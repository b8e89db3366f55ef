from __future__ import annotations

import pytest

from tests.workflows.llm.asking import ADD, KEY, request
from workflows.llm import ModelRequest, Tool, estimated_tokens
from workflows.llm.messages import user_message

URL = "https://models.example.com/v1/"


class TestModelRequest:
    @pytest.mark.parametrize("name", ["", "two words", "dotted.name", "größe", "x" * 65])
    def test_refuses_names_of_tools_that_providers_refuse(self, name):
        with pytest.raises(ValueError, match="cannot be called"):
            request("openai", URL, tools=[Tool(name, "", {"type": "object"})])

    def test_refuses_two_tools_of_the_same_name(self):
        with pytest.raises(ValueError, match="same name"):
            request("openai", URL, tools=[ADD, ADD])

    def test_refuses_a_provider_that_is_none(self):
        with pytest.raises(ValueError, match="'other'"):
            ModelRequest("other", "any", messages=[])

    def test_refuses_a_file_that_is_not_there(self):
        with pytest.raises(ValueError, match=r"'a\.png' is missing"):
            request("openai", URL, user_message("Look", {"a.png": "image/png"}))

    def test_keeps_its_secrets_out_of_its_description(self):
        shown = repr(request("openai", URL, headers={"X-Key": "another-secret"}))

        assert KEY not in shown
        assert "another-secret" not in shown

    def test_goes_to_the_providers_own_place_unless_told_otherwise(self):
        assert request("openai", URL).url == "https://models.example.com/v1"
        assert request("openai", "").url == "https://api.openai.com/v1"
        assert request("anthropic", "").url == "https://api.anthropic.com"


class TestEstimatedTokens:
    def test_grows_with_everything_that_is_sent(self):
        small = estimated_tokens(request("openai", URL, "Hi"))
        files = {
            "a.png": ("image/png", b"x"),
            "b.pdf": ("application/pdf", b"x" * 1000),
            "c.txt": ("text/plain", b"x" * 1000),
        }

        assert small < 1000
        assert estimated_tokens(request("openai", URL, "Hi " * 1000)) > small + 1000
        assert estimated_tokens(request("openai", URL, "Hi", instructions="x" * 1000)) == small + 500
        assert estimated_tokens(request("openai", URL, "Hi", tools=[ADD])) > small + 50
        assert estimated_tokens(request("openai", URL, "Hi", output_schema={"type": "object"})) > small
        for name, (media_type, _) in files.items():
            asked = request("openai", URL, user_message("Hi", {name: media_type}), files=files)
            assert estimated_tokens(asked) > small + 499

    def test_is_no_less_than_a_token_for_a_chinese_character(self):
        assert estimated_tokens(request("openai", URL, "漢" * 1000)) > 1000
