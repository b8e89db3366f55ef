"""``mcp.call`` and ``mcp.tools`` against real servers on loopback and programs on this machine."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from pydantic import ValidationError

from tests.builders import definition, node
from tests.environment import ROOT
from tests.mcp import MODERN, Brain, McpApplication
from tests.workflows.definition.checks import problems
from tests.workflows.http.gates import Book
from tests.workflows.http.servers import Answering, response
from tests.workflows.tools.world import PROJECT, World
from workflows.http import Cancel, Cancelled, abandonable, through
from workflows.nodes.base import Effect, NodeError
from workflows.nodes.evaluation import validated
from workflows.tools.base import catalogue
from workflows.tools.mcp.messages import EventStream
from workflows.tools.mcp.stdio import StdioTransport

LEGACY_VERSIONS = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def serving(application):
    with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/mcp"
        finally:
            server.shutdown()
            thread.join(5)


def application(*versions, **options):
    return McpApplication(Brain(versions or ("2025-11-25",)), **options)


def use(name, world=None, **arguments):
    tool = catalogue()[f"mcp.{name}"]
    return tool.call(validated(tool.Arguments, arguments), world or World())


def add(url, **more):
    return use("call", url=url, tool="add", arguments={"a": 40, "b": 2}, **more)


def refused(name="call", **arguments):
    with pytest.raises(NodeError) as raised:
        use(name, **arguments)
    return raised.value


SUM = {"content": [{"type": "text", "text": "42"}], "structured": {"total": 42}, "text": "42"}


class TestHttp:
    @pytest.mark.parametrize("streams", [False, True], ids=["json", "stream"])
    @pytest.mark.parametrize("version", [MODERN, *LEGACY_VERSIONS])
    def test_calls_a_tool_of_either_era(self, version, streams):
        with serving(application(version, streams=streams)) as url:
            assert add(url) == SUM

    def test_a_legacy_server_gets_a_handshake_and_a_farewell(self):
        server = application()

        with serving(server) as url:
            add(url)

        assert server.methods == ["server/discover", "initialize", "notifications/initialized", "tools/call"]
        assert server.sessions == set()
        assert server.headers[1].keys().isdisjoint({"mcp-session-id", "mcp-protocol-version"})
        assert [each["mcp-session-id"] for each in server.headers[2:]] == ["session-1", "session-1"]
        assert [each["mcp-protocol-version"] for each in server.headers[2:]] == ["2025-11-25", "2025-11-25"]

    def test_a_farewell_that_would_have_to_wait_is_left_out(self):
        """Else the node would be put off for it, and the tool called once more."""
        server = application()

        with serving(server) as url, through(Book(most=4)):
            assert add(url) == SUM

        assert server.methods.count("tools/call") == 1

    def test_a_modern_server_gets_no_handshake(self):
        server = application(MODERN)

        with serving(server) as url:
            add(url)

        assert server.methods == ["server/discover", "tools/call"]
        assert server.headers[1]["mcp-name"] == "add"
        assert server.headers[1]["mcp-protocol-version"] == MODERN

    def test_a_stream_that_stays_open_is_left_when_the_answer_is_there(self):
        with serving(application(MODERN, streams=True, stays_open=True)) as url:
            began = time.monotonic()
            assert add(url) == SUM

        assert time.monotonic() - began < 5

    def test_arguments_that_belong_into_headers_are_put_there(self):
        server = application(MODERN)

        with serving(server) as url:
            output = use("call", url=url, tool="route", arguments={"region": "Köln", "deep": {"big": True}})

        assert output["text"] == "Köln"
        assert server.headers[-1]["mcp-param-region"] == "=?base64?S8O2bG4=?="
        assert len(server.brain.calls) == 1

    @pytest.mark.parametrize("name", ["wörter", " padded ", "a\nb", "=?base64?literal?="])
    def test_a_name_that_no_header_holds_is_encoded(self, name):
        with serving(application(MODERN)) as url:
            error = refused(url=url, tool=name)

        assert "Unknown tool" in error.message

    def test_every_attempt_has_the_same_key(self):
        """[R-3]"""
        server = application(MODERN)

        with serving(server) as url:
            add(url)

        assert server.headers[-1]["idempotency-key"] == "execution:node:"
        assert server.headers[-1]["x-segue-hops"] == "1"

    def test_a_token_from_a_secret_goes_along_and_does_not_come_back(self):
        world = World(secrets={"TOKEN": "t0ken-of-alice"})

        with serving(application(MODERN, token="t0ken-of-alice")) as url:
            output = use("call", world, url=url, token="⟦TOKEN⟧", tool="echo", arguments={"password": "⟦TOKEN⟧"})

        assert "t0ken" not in json.dumps(output)

    @pytest.mark.parametrize("token", [None, "wrong"])
    def test_without_the_right_token_nothing_is_tried(self, token):
        server = application(token="right")

        with serving(server) as url:
            error = refused(url=url, tool="add", **({"token": token} if token else {}))

        assert (error.code, error.retryable, error.details) == ("http_status", False, {"status": 401})
        assert server.methods == []


class TestErrors:
    def test_a_tool_that_failed_fails_the_node(self):
        with serving(application()) as url:
            error = refused(url=url, tool="fail")

        assert (error.code, error.retryable) == ("mcp_tool_failed", False)
        assert "There is no paper." in error.message

    def test_a_tool_that_there_is_not(self):
        with serving(application()) as url:
            error = refused(url=url, tool="none")

        assert error.code == "mcp_error"
        assert error.details["error"]["code"] == -32602

    def test_a_tool_that_asks_a_person(self):
        with serving(application(MODERN)) as url:
            assert refused(url=url, tool="ask").code == "mcp_input_required"

    @pytest.mark.parametrize("versions", [("1900-01-01",), (MODERN[:3] + "7-01-01",)])
    def test_a_version_that_nobody_knows(self, versions):
        with serving(application(*versions)) as url:
            assert refused(url=url, tool="add").code == "mcp_version"

    @pytest.mark.parametrize(
        ("status", "body", "code", "retryable"),
        [
            (500, b"", "http_status", True),
            (429, b"", "http_status", True),
            (403, b"", "http_status", False),
            (404, b"<html>not here</html>", "mcp_broken", False),
            (200, b"<html>hello</html>", "mcp_broken", False),
            (200, b"", "mcp_broken", False),
            (200, b"[]", "mcp_broken", False),
            (200, b'{"jsonrpc": "2.0", "id": 99, "result": {}}', "mcp_broken", False),
            (200, b"[" * 5_000, "mcp_broken", False),
        ],
    )
    def test_what_is_no_server_of_the_protocol(self, status, body, code, retryable):
        with Answering(response(status, body, content_type="application/json")) as server:
            error = refused(url=server.url(), tool="add")

        assert (error.code, error.retryable) == (code, retryable)

    def test_a_stream_that_ends_without_an_answer_is_tried_again(self):
        with Answering(response(200, b"data: {}\n\n", content_type="text/event-stream")) as server:
            error = refused(url=server.url(), tool="add")

        assert (error.code, error.retryable) == ("connection_lost", True)

    @pytest.mark.parametrize(
        "body", [b"", b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32001, "message": "No session"}}']
    )
    def test_a_session_that_the_server_has_ended_is_begun_anew_by_the_next_attempt(self, body):
        """Streamable HTTP, session management: 404 is the answer to a session that is over."""
        handshake = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "test"}}

        def answer(received):
            message = json.loads(received.body or b"{}")
            if message.get("method") == "initialize":
                said = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": handshake}).encode()
                return response(200, said, content_type="application/json", mcp_session_id="s-1")
            if message.get("method") == "tools/call":
                return response(404, body, content_type="application/json")
            return response(202 if message.get("method") == "notifications/initialized" else 405)

        with Answering(answer) as server:
            error = refused(url=server.url(), tool="add")

        assert (error.code, error.retryable) == ("connection_lost", True)

    def test_a_stream_is_known_however_its_type_is_written(self):
        answer = b'data: {"jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": "Of the modern era"}}\n\n'

        with Answering(response(200, answer, content_type="Text/Event-Stream; charset=utf-8")) as server:
            assert refused(url=server.url(), tool="add").code == "mcp_version"

    def test_private_addresses_are_refused(self, settings):
        """[S-SSRF-1]"""
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = []

        assert refused(url="http://127.0.0.1:1/mcp", tool="add").code == "address_refused"

    def test_a_server_that_takes_too_long(self):
        with serving(application(MODERN)) as url:
            error = refused(url=url, tool="wait", timeout_seconds=0.5)

        assert (error.code, error.retryable) == ("timeout", True)


class TestTools:
    @pytest.mark.parametrize("version", [MODERN, "2025-06-18"])
    def test_are_listed_over_all_pages(self, version):
        with serving(application(version)) as url:
            output = use("tools", url=url)

        assert output["server"] == {"name": "test"}
        assert [tool["name"] for tool in output["tools"]] == ["add", "fail", "route", "ask"]
        assert output["tools"][0] == {
            "name": "add",
            "title": None,
            "description": "Add two numbers.",
            "input_schema": {"type": "object"},
            "output_schema": None,
        }


class TestPrograms:
    @pytest.fixture(autouse=True)
    def _listed(self, settings):
        def program(*arguments, **more):
            return {
                "command": [sys.executable, "-m", "tests.mcp", *arguments],
                "env": {"PYTHONPATH": str(ROOT)},
                **more,
            }

        settings.MCP_STDIO_SERVERS = {
            "modern": program("modern"),
            "legacy": program("legacy"),
            "silent": program("legacy", "silent"),
            "slow": program("modern", "slow"),
            "others": program("modern", projects=["01a21499-402b-7235-8eea-000000000000"]),
            "ours": program("modern", projects=[PROJECT]),
            "blank": program("legacy", "blank"),
            "missing": {"command": ["/no/such/program"]},
            "broken": {"command": ["/bin/sh", "-c", "echo no json; cat > /dev/null"]},
            "environment": {"command": ["/usr/bin/env"], "env": {"ONLY": "this"}},
            "deaf": {"command": ["/bin/sh", "-c", "trap '' TERM; sleep 61.5 & sleep 61.5"]},
        }

    @pytest.mark.parametrize("server", ["modern", "legacy", "silent", "slow", "ours", "blank"])
    def test_answer_over_their_input_and_output(self, server):
        assert use("call", server=server, tool="add", arguments={"a": 40, "b": 2}) == SUM

    @pytest.mark.parametrize("server", ["none", "others", "/bin/sh", ""])
    def test_are_those_that_the_operator_lists_for_the_project(self, server):
        """[S-CODE-2]"""
        error = refused(server=server, tool="add")

        assert error.code in {"mcp_unknown_server", "invalid_config"}

    def test_cannot_be_named_by_an_expression(self):
        given = {"server": "{{ input.server }}", "tool": "add"}
        raw = definition("start > it", it=node("tool", {"tool": "mcp.call", "with": given}))

        assert [problem.code for problem in problems(raw)] == ["expression_forbidden"]

    def test_one_that_is_not_there(self):
        assert refused(server="missing", tool="add").code == "mcp_not_started"

    def test_one_that_says_something_else(self):
        assert refused(server="broken", tool="add").code == "mcp_broken"

    def test_one_that_ends_too_early(self):
        error = refused(server="modern", tool="end")

        assert (error.code, error.retryable) == ("connection_lost", True)

    def test_one_that_writes_without_end_is_stopped(self):
        assert refused(server="modern", tool="flood").code == "too_large"

    def test_get_no_environment_but_the_one_given(self, monkeypatch):
        """[S-AUTHZ-1]"""
        monkeypatch.setenv("SECRET_OF_THE_WORKER", "x")

        # What it prints is no message, and is quoted by nobody.
        transport = StdioTransport("environment", project_id=PROJECT, left=lambda: 5.0)
        printed = transport._process.stdout.read()
        transport.close()

        assert printed == b"ONLY=this\n"

    def test_are_gone_afterwards_with_all_that_they_started(self):
        began = time.monotonic()

        error = refused(server="deaf", tool="add", timeout_seconds=0.5)

        assert error.code == "timeout"
        assert time.monotonic() - began < 6
        until = time.monotonic() + 2
        while left := [line for line in _command_lines() if line == "sleep 61.5"]:
            assert time.monotonic() < until, left
            time.sleep(0.05)

    def test_a_call_that_is_abandoned_ends_at_once(self):
        cancel = Cancel()
        threading.Timer(0.7, cancel.cancel).start()
        began = time.monotonic()

        with pytest.raises(Cancelled), abandonable(cancel):
            use("call", server="modern", tool="wait")

        assert time.monotonic() - began < 5


def _command_lines():
    """The command lines of this machine's processes whose parents are gone or ours."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if os.stat(folder).st_uid == os.getuid():
                    yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue


class TestArguments:
    @pytest.mark.parametrize(
        "arguments",
        [
            {},
            {"url": "http://h", "server": "x"},
            {"server": "x", "token": "t"},
            {"server": "x", "headers": {"A": "b"}},
            {"url": "http://h", "headers": {"A B": "b"}},
            {"url": "http://h", "timeout_seconds": 0},
        ],
    )
    def test_name_one_server(self, arguments):
        with pytest.raises(ValidationError):
            catalogue()["mcp.tools"].Arguments.model_validate(arguments)

    @pytest.mark.parametrize(
        ("tool", "arguments", "effect"),
        [
            ("mcp.call", {}, Effect.WRITE),
            ("mcp.call", {"read_only": True}, Effect.READ),
            ("mcp.call", {"read_only": "{{ 1 }}"}, Effect.WRITE),
            ("mcp.tools", {}, Effect.READ),
        ],
    )
    def test_say_what_a_call_does_to_the_outside(self, tool, arguments, effect):
        assert catalogue()[tool].effect(arguments) is effect


class TestEventStream:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    def test_reads_the_same_however_it_is_cut(self, end, size):
        text = b"\n".join(
            [b"data: a", b"data:b", b"", b": note", b"event: x", b"", b"id: 7", b'data: {"c": 1}', b"", b"data: cut"]
        )
        whole = text.replace(b"\n", end) + end
        stream = EventStream()

        found = [data for at in range(0, len(whole), size) for data in stream.feed(whole[at : at + size])]

        assert found == [b"a\nb", b'{"c": 1}']

    def test_passes_over_events_that_are_no_messages(self):
        text = b"event: ping\ndata: 2026-11-26\n\nevent: message\ndata: {}\n\ndata: []\n\n"

        assert list(EventStream().feed(text)) == [b"{}", b"[]"]

    def test_a_long_line_in_many_pieces_is_read_in_no_time(self):
        stream = EventStream()
        began = time.process_time()

        for _ in range(100_000):
            assert list(stream.feed(b"x" * 64)) == []

        assert time.process_time() - began < 5
