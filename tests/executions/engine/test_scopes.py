"""Loops and parallels, carried by a worker: real rows, a real HTTP service, the real sandbox."""

from __future__ import annotations

import threading
import time

import pytest
from werkzeug import Request, Response

from executions.models import WorkflowExecutionLog
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker

pytestmark = pytest.mark.django_db(transaction=True)


def output(value):
    return node("output", {"value": value})


def compute(value):
    """A node that puts out a value."""
    return node("transform", {"value": {"value": value}, "steps": [{"operation": "keep", "fields": ["value"]}]})


def just(value, **policies):
    """A node that puts out just a value."""
    return node("transform", {"value": [value], "steps": [{"operation": "limit", "count": 1}]}, **policies)


def call(url, **policies):
    return node("tool", {"tool": "http.request", "with": {"method": "POST", "url": url, "json": {}}}, **policies)


def paths(execution, node_id):
    rows = WorkflowExecutionLog.objects.filter(execution=execution, node_id=node_id)
    return sorted(rows.values_list("iteration", flat=True), key=lambda path: [int(part) for part in path.split(".")])


def result_of(worker, raw, value=None):
    execution = carry(worker, start(raw, value))
    assert execution.status == "completed", execution.error
    return execution.result


class TestLoop:
    def test_runs_its_body_once_for_each_item_in_order(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": "{{ input.numbers }}"}, "square", square=compute("{{ item * item }}")),
            end=output("{{ input }}"),
        )

        execution = carry(worker, start(raw, {"numbers": [1, 2, 3]}))

        assert execution.result == {
            "results": [{"value": 1}, {"value": 4}, {"value": 9}],
            "errors": [],
            "count": 3,
            "accumulator": None,
            "is_broken_off": False,
        }
        assert paths(execution, "square") == ["0", "1", "2"]

    def test_over_nothing_is_done_at_once(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": []}, "square", square=compute("{{ item }}")),
            end=output("{{ input.results }}"),
        )

        assert result_of(worker, raw) == []

    def test_gives_batches_to_its_passes(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 2, 3, 4, 5], "batch_size": "{{ 1 + 1 }}"}, "add", add=compute("{{ item.length }}")),
            end=output("{{ input.results.map(x => x.value) }}"),
        )

        assert result_of(worker, raw) == [2, 2, 1]

    def test_hands_an_accumulator_from_pass_to_pass(self, worker):
        raw = definition(
            "start > each > end",
            each=loop(
                {
                    "items": [5, 6, 7],
                    "accumulator": {"initial": 100, "next": "{{ accumulator + nodes.double.output.value }}"},
                },
                "double",
                double=compute("{{ item * 2 }}"),
            ),
            end=output("{{ input.accumulator }}"),
        )

        assert result_of(worker, raw) == 136

    def test_goes_on_while_something_holds(self, worker):
        raw = definition(
            "start > each > end",
            each=loop(
                {
                    "while": "{{ accumulator < 20 }}",
                    "accumulator": {"initial": 1, "next": "{{ nodes.grow.output.value }}"},
                },
                "grow",
                grow=compute("{{ input * 2 }}"),
            ),
            end=output("{{ [input.accumulator, input.count] }}"),
        )

        assert result_of(worker, raw) == [32, 5]

    @pytest.mark.parametrize(
        ("config", "passes"),
        [
            (
                {"items": [1, 2, 3], "accumulator": {"initial": {"s": 0}, "next": {"s": "{{ accumulator.s + item }}"}}},
                3,
            ),
            ({"items": [1, 2, 3], "accumulator": {"next": 7}}, 3),
            ({"items": [1, 2, 3], "break_when": True}, 1),
            ({"while": False}, 0),
        ],
    )
    def test_takes_its_fields_as_they_are_written_templates_or_not(self, worker, config, passes):
        raw = definition("start > each > end", each=loop(config, "look"), end=output("{{ input }}"))

        result = result_of(worker, raw)

        assert result["count"] == passes
        assert result["accumulator"] in ({"s": 6}, 7, None)
        assert result["is_broken_off"] == (config.get("break_when") is True)

    def test_keeps_its_passes_apart_from_those_of_a_scope_beside_it(self, worker):
        raw = definition(
            "start > one > end",
            "start > other > end",
            one=loop({"items": [1]}, "a", a=compute("{{ item }}")),
            other=loop({"items": [1, 2, 3]}, "inner > b", inner=loop({"items": [1, 2]}, "c", c=compute("{{ item }}"))),
            end=output("{{ [input.one.count, input.other.count, nodes.c.output.length] }}"),
        )

        assert result_of(worker, raw) == [1, 3, 3]

    def test_fails_when_it_would_need_more_passes_than_it_may(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"while": "{{ true }}", "max_passes": 3}, "grow", grow=compute(1)),
            end=output(1),
        )

        execution = carry(worker, start(raw))

        assert (execution.status, execution.error["code"], execution.error["node_id"]) == (
            "failed",
            "too_many_passes",
            "each",
        )
        assert paths(execution, "grow") == ["0", "1", "2"]

    def test_breaks_off_after_the_pass_that_says_so(self, worker):
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": [1, 2, 3, 4], "break_when": "{{ nodes.look.output.value >= 2 }}"},
                "look",
                look=compute("{{ item }}"),
            ),
            end=output("{{ [input.count, input.is_broken_off] }}"),
        )

        assert result_of(worker, raw) == [2, True]

    def test_keeps_only_the_last_result_where_it_is_told_to(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 2, 3], "results": "last"}, "look", look=compute("{{ item }}")),
            end=output("{{ input.results }}"),
        )

        assert result_of(worker, raw) == [{"value": 3}]

    def test_chooses_in_each_pass_anew(self, worker):
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": [1, 5, 2]},
                "check > big",
                "check > small",
                check=node("condition", {"cases": [{"port": "large", "when": "{{ item > 3 }}"}]}),
                big=compute("big"),
                small=compute("small"),
            ),
            end=output("{{ input.results.map(x => x.value) }}"),
        )
        for edge in raw["edges"]:
            if edge["source"] == "check":
                edge |= {"source_port": "large" if edge["target"] == "big" else "else", "type": "condition"}

        execution = carry(worker, start(raw))

        assert execution.result == ["small", "big", "small"]
        assert paths(execution, "big") == ["1"]

    def test_a_pass_that_fails_fails_it_and_the_execution_says_where(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": [{"a": 1}, {}]}, "look", look=compute("{{ item.a.b.c }}")),
            end=output(1),
        )

        execution = carry(worker, start(raw))

        assert execution.status == "failed"
        assert (execution.error["node_id"], execution.error["iteration"]) == ("look", "0")
        assert execution.error["message"].startswith("Node `look` failed in pass 0: ")

    def test_collects_what_fails_and_goes_on(self, worker):
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": [{"a": 1}, {}, {"a": 3}], "on_item_error": "collect"}, "look", look=compute("{{ item.a }}")
            ),
            end=output("{{ input }}"),
        )

        result = result_of(worker, raw)

        assert result["results"] == [{"value": 1}, None, {"value": 3}]
        assert [(error["index"], error["node_id"]) for error in result["errors"]] == [(1, "look")]

    def test_its_failure_can_be_caught(self, worker):
        raw = definition(
            "start > each.error > end",
            each=loop({"items": [{}]}, "look", look=compute("{{ item.a }}"), on_error="port"),
            end=output("{{ input.error.code }}"),
        )

        assert result_of(worker, raw) == "pass_failed"

    def test_lies_in_another_one(self, worker):
        raw = definition(
            "start > outer > end",
            outer=loop(
                {"items": [[1, 2], [3]]},
                "inner > sum",
                inner=loop(
                    {"items": "{{ item }}"},
                    "look",
                    look=compute("{{ [scopes.outer.index, scopes.inner.index, item] }}"),
                ),
                sum=compute("{{ input.results.length }}"),
            ),
            end=output("{{ [input.results.map(x => x.value), nodes.look.output] }}"),
        )

        execution = carry(worker, start(raw))

        assert paths(execution, "look") == ["0.0", "0.1", "1.0"]
        assert execution.result == [
            [2, 1],
            [[{"value": [0, 0, 1]}, {"value": [0, 1, 2]}], [{"value": [1, 0, 3]}]],
        ]

    def test_sleeps_and_retries_within_its_passes(self, worker, httpserver):
        answers = iter([500, 200, 200])
        httpserver.expect_request("/").respond_with_handler(lambda request: Response(status=next(answers)))
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": [1, 2]},
                "nap > ask",
                nap=node("delay", {"for_seconds": 5}),
                ask=call(httpserver.url_for("/")),
            ),
            end=output("{{ input.results.map(x => x.status) }}"),
        )

        execution = carry(worker, start(raw))

        assert execution.result == [200, 200]
        attempts = WorkflowExecutionLog.objects.filter(execution=execution, node_id="ask")
        assert list(attempts.order_by("iteration", "attempt").values_list("iteration", "attempt", "status")) == [
            ("0", 1, "failed"),
            ("0", 2, "completed"),
            ("1", 1, "completed"),
        ]

    def test_ten_thousand_passes_are_recorded_and_none_is_kept_in_mind(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": "{{ Array.from({length: 10000}, (_, i) => i) }}"}, "look", look=compute("{{ item }}")),
            end=output("{{ [input.count, input.results.length, input.results[9999].value] }}"),
        )

        execution = carry(worker, start(raw), seconds=120)

        assert execution.result == [10_000, 10_000, 9_999]
        assert execution.nodes_executed == 10_003
        assert len(set(paths(execution, "look"))) == 10_000


class TestParallel:
    def test_runs_its_passes_at_once(self, worker, httpserver):
        together = threading.Barrier(5)
        httpserver.expect_request("/").respond_with_handler(lambda request: (together.wait(10), Response("ok"))[1])
        raw = definition(
            "start > many > end",
            many=parallel({"items": [1, 2, 3, 4, 5]}, "ask", ask=call(httpserver.url_for("/"))),
            end=output("{{ input.results.map(x => x.body) }}"),
        )

        assert result_of(worker, raw) == ["ok"] * 5

    def test_keeps_to_its_cap(self, worker, httpserver):
        now, most, lock = [0], [0], threading.Lock()

        def answer(request: Request) -> Response:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.05)
            with lock:
                now[0] -= 1
            return Response("ok")

        httpserver.expect_request("/").respond_with_handler(answer)
        raw = definition(
            "start > many > end",
            many=parallel({"items": list(range(9)), "max_concurrent": 3}, "ask", ask=call(httpserver.url_for("/"))),
            end=output("{{ input.count }}"),
        )

        assert result_of(worker, raw) == 9
        assert most[0] == 3

    def test_runs_the_branches_of_its_body(self, worker):
        raw = definition(
            "start > both > end",
            both=parallel({}, "a > b", "c", a=just("{{ input.n }}"), b=compute("{{ input[0] + 1 }}"), c=compute("c")),
            end=output("{{ [input.results, nodes.b.output.value] }}"),
        )

        execution = carry(worker, start(raw, {"n": 1}))

        assert execution.result == [[{"value": 2}, {"value": "c"}], 2]
        assert (paths(execution, "b"), paths(execution, "c")) == (["0"], ["1"])

    def test_is_done_with_the_first_that_succeeds_and_cancels_the_rest(self, worker, httpserver):
        hold = threading.Event()
        httpserver.expect_request("/slow").respond_with_handler(lambda request: (hold.wait(20), Response("slow"))[1])
        httpserver.expect_request("/quick").respond_with_data("quick")
        raw = definition(
            "start > race > end",
            race=parallel(
                {"done_when": "any"},
                "slow",
                "quick",
                "sleeper",
                slow=call(httpserver.url_for("/slow")),
                quick=call(httpserver.url_for("/quick")),
                sleeper=node("delay", {"for_seconds": 500}),
            ),
            end=output("{{ input.results.map(x => x && x.body) }}"),
        )

        execution = carry(worker, start(raw))
        hold.set()

        assert execution.result == [None, "quick", None]
        rows = WorkflowExecutionLog.objects.filter(execution=execution, node_id__in=["slow", "sleeper"])
        assert set(rows.values_list("status", flat=True)) == {"cancelled"}

    def test_collects_failures_and_says_which(self, worker):
        raw = definition(
            "start > many > end",
            many=parallel({"items": [{"a": 1}, {}], "on_item_error": "collect"}, "look", look=compute("{{ item.a }}")),
            end=output("{{ [input.results, input.errors.map(e => e.index)] }}"),
        )

        assert result_of(worker, raw) == [[{"value": 1}, None], [1]]

    def test_fails_when_too_few_can_succeed(self, worker):
        raw = definition(
            "start > many > end",
            many=parallel(
                {"items": [{"a": 1}, {}, {}], "on_item_error": "collect", "done_when": 2},
                "look",
                look=compute("{{ item.a }}"),
            ),
            end=output(1),
        )

        execution = carry(worker, start(raw))

        assert (execution.status, execution.error["code"]) == ("failed", "too_few_passes")

    def test_its_timeout_holds_for_all_passes_together(self, worker):
        raw = definition(
            "start > many.error > end",
            many=parallel(
                {"items": [1, 2]},
                "sleeper",
                sleeper=node("delay", {"for_seconds": 500}),
                timeout_seconds=1,
                on_error="port",
            ),
            end=output("{{ input.error.code }}"),
        )
        execution = start(raw)
        worker.work()
        time.sleep(1.1)
        worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.result) == ("completed", "node_timeout")
