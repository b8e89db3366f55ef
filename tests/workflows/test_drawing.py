"""A definition as a picture: what it shows, and that nothing a draft holds breaks it or gets out of it."""

from __future__ import annotations

import json
import random
import re
from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.drawing import Passes, State, draw
from workflows.drawing.layout import SIDE_GAP, Box, arrange, keep_apart, without_cycles
from workflows.drawing.placement import CARD_SIZE, Placement, place
from workflows.drawing.reading import MAX_CARDS, Sketch, read
from workflows.drawing.routes import routes
from workflows.drawing.scopes import in_words
from workflows.drawing.text import fit, width_of

SVG = "{http://www.w3.org/2000/svg}"
INJECTIONS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><script>alert(1)</script>",
    "' onload='alert(1)",
    "]]><!-- --><![CDATA[",
    "{{ 7 * 7 }} {% debug %}",
    "javascript:alert(1)",
    "a\x00b\x1b\ud800c\ufffe",
    "\u202egnp.exe",
]


def node(node_id: str, node_type: str = "transform", **rest: Any) -> dict[str, Any]:
    return {"id": node_id, "type": node_type, "name": node_id.title(), **rest}


def edge(source: str, target: str, port: str = "main", edge_type: str = "data") -> dict[str, Any]:
    return {"source": source, "target": target, "source_port": port, "type": edge_type}


def picture(definition: Any, **options: Any) -> ElementTree.Element:
    """Return the drawn SVG as its elements; fails unless it is well-formed and stores as UTF-8."""
    return ElementTree.fromstring(draw(definition, **options).encode())  # noqa: S314 -- Our own text.


def texts(svg: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in svg.iter(f"{SVG}text")]


def titles(svg: ElementTree.Element, kind: str) -> list[str]:
    groups = [group for group in svg.iter(f"{SVG}g") if group.get("class") == kind]
    return [group.findtext(f"{SVG}title", "") for group in groups]


ORDER = {
    "nodes": [
        node("order", "trigger", config={"kind": "webhook"}),
        node("check", "condition", name="Is it big?"),
        node("ask", "webhook"),
        node("done", "output"),
    ],
    "edges": [
        edge("order", "check"),
        edge("check", "ask", "yes", "condition"),
        edge("check", "done", "no", "condition"),
        edge("ask", "done", edge_type="processed_data"),
    ],
}


class TestDraw:
    def test_shows_each_node_with_its_name_its_type_and_its_id(self):
        shown = texts(picture(ORDER))

        assert {"Is it big?", "CONDITION", "check", "TRIGGER · webhook"} <= set(shown)

    def test_names_ports_other_than_main_on_their_edges(self):
        shown = texts(picture(ORDER))

        assert {"yes", "no", "ƒ"} <= set(shown)
        assert "main" not in shown

    def test_writes_each_state_on_its_node(self):
        svg = picture(ORDER, states={"order": State("completed"), "check": State("running"), "ask": State("skipped")})

        assert [state for state in texts(svg) if state in ("completed", "running", "skipped")] == [
            "completed",
            "running",
            "skipped",
        ]
        assert "Is it big? · condition · check · running" in titles(svg, "sg-node")

    @pytest.mark.parametrize("state", ["completed", "running", "waiting", "failed", "timeout", "cancelled", "pending"])
    def test_gives_every_state_a_colour_of_its_own_place(self, state):
        assert draw(ORDER, states={"check": State(state)}) != draw(ORDER)

    def test_says_in_words_what_it_shows(self):
        svg = picture(ORDER, states={"check": State("failed")}, title="Orders & returns")

        assert svg.get("role") == "img"
        assert svg.findtext(f"{SVG}title") == "Orders & returns"
        description = svg.findtext(f"{SVG}desc", "")
        assert "Is it big? (condition): failed" in description
        assert "check.yes → ask (condition)" in description

    def test_tells_edge_types_apart(self):
        lines = {draw({"nodes": ORDER["nodes"], "edges": [edge("order", "check", "main", kind)]}) for kind in (
            "data", "tool", "processed_data", "action", "condition",
        )}  # fmt: skip

        assert len(lines) == 5

    def test_is_the_same_picture_each_time(self):
        assert draw(ORDER) == draw(json.loads(json.dumps(ORDER)))

    def test_says_that_an_empty_definition_has_no_nodes(self):
        assert "This workflow has no nodes yet." in texts(picture({}))

    def test_carries_nothing_that_runs_or_loads(self):
        svg = picture(ORDER)

        names = {element.tag.removeprefix(SVG) for element in svg.iter()}
        assert names <= {"svg", "title", "desc", "style", "g", "path", "rect", "circle", "text"}
        attributes = {name for element in svg.iter() for name in element.keys()}  # noqa: SIM118 -- Not a dict.
        assert not any(name.startswith("on") or "href" in name for name in attributes)
        assert "url(" not in draw(ORDER)


class TestDrawWithPositions:
    POSITIONS = {"order": {"x": 0, "y": 0}, "check": {"x": 400.5, "y": 0}, "ask": {"x": 800, "y": -90}}

    def boxes(self, positions: Any) -> list[tuple[float, float]]:
        svg = picture({**ORDER, "ui": {"positions": positions}})
        cards = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "sg-card"]
        return [(float(rect.get("x", "")), float(rect.get("y", ""))) for rect in cards]

    def test_puts_nodes_where_people_put_them(self):
        placed = self.boxes({**self.POSITIONS, "done": {"x": 1200, "y": 90}})

        assert placed == [(0, 0), (400.5, 0), (800, -90), (1200, 90)]

    @pytest.mark.parametrize(
        "last", [None, {}, [1, 2], {"x": "1", "y": 2}, {"x": True, "y": 2}, {"x": float("nan"), "y": 2}, {"x": 10**400, "y": 2},
                 {"x": 1e9, "y": 2}, {"x": 0, "y": 0}],
    )  # fmt: skip
    def test_lays_out_by_itself_unless_every_node_has_a_place_of_its_own(self, last):
        assert self.boxes({**self.POSITIONS, "done": last}) == self.boxes({})

    def test_shows_what_is_missing_below_what_was_placed(self):
        positions = {**self.POSITIONS, "done": {"x": 1200, "y": 90}}
        definition = {**ORDER, "edges": [edge("done", "nowhere")], "ui": {"positions": positions}}

        assert "nowhere" in texts(picture(definition))


class TestDrawOfBadDrafts:
    @pytest.mark.parametrize("text", INJECTIONS)
    def test_keeps_text_text_wherever_it_stands(self, text):
        """S-UI: what people write is shown, never run; the parse fails on anything that gets out."""
        bad_node = {"id": text, "type": text, "name": text, "config": {"kind": text, "tool": text}, "parent": text}
        definition = {
            "nodes": [bad_node, node("other")],
            "edges": [edge(text, "other", text, text), edge("other", text + "2", text)],
        }

        svg = picture(definition, states={text: State(text, {text: 1})}, title=text)

        assert {element.tag for element in svg.iter()} <= {
            SVG + name for name in ("svg", "title", "desc", "style", "g", "path", "rect", "circle", "text")
        }

    @pytest.mark.parametrize(
        "definition",
        [
            None,
            [],
            "text",
            7,
            {"nodes": None},
            {"nodes": {"a": 1}},
            {"nodes": [None, 1, "a", []], "edges": [None, 1]},
            {"nodes": [{}], "edges": [{}]},
            {"nodes": [{"id": 1, "type": [], "name": {}, "config": 7, "parent": 3, "disabled": "yes"}]},
            {"nodes": [node("a")], "edges": [{"source": 1, "target": "a"}, {"source": "a", "target": ["a"]}]},
            {"nodes": [node("a")], "ui": {"positions": {"a": 1}}},
            {"nodes": [node("a")], "ui": []},
        ],
    )
    def test_draws_what_makes_sense(self, definition):
        assert picture(definition).tag == f"{SVG}svg"

    def test_marks_an_edge_that_closes_a_cycle(self):
        definition = {"nodes": [node("a"), node("b")], "edges": [edge("a", "b"), edge("b", "a"), edge("b", "b")]}

        svg = picture(definition)

        assert titles(svg, "sg-edge") == [
            "a → b (data)",
            "b → a (data): goes back, and a graph has no cycles",
            "b → b (data): goes back, and a graph has no cycles",
        ]

    def test_stands_in_for_nodes_that_edges_name_and_that_do_not_exist(self):
        svg = picture({"nodes": [node("a")], "edges": [edge("a", "gone")]})

        assert "gone · missing · gone" in titles(svg, "sg-node")

    def test_draws_every_node_of_a_doubled_id(self):
        svg = picture({"nodes": [node("a"), node("a")], "edges": [edge("a", "a")]})

        assert len(titles(svg, "sg-node")) == 2

    def test_takes_the_first_of_a_doubled_id_for_the_one_that_edges_mean(self):
        sketch = read({"nodes": [node("a"), node("a"), node("b")], "edges": [edge("a", "b")]})

        assert [(arrow.source, arrow.target) for arrow in sketch.arrows] == [(0, 2)]

    def test_counts_what_it_leaves_out(self):
        svg = picture({"nodes": [node(f"n{number}") for number in range(MAX_CARDS + 3)]})

        assert "… and 3 more nodes, which are not drawn." in texts(svg)
        assert len(titles(svg, "sg-node")) == MAX_CARDS

    def test_keeps_a_definition_at_every_limit_below_some_megabytes(self):
        """S-DOS: no draft costs a picture without end."""
        chance = random.Random(7)
        names = [f"n{number}" for number in range(MAX_CARDS)]
        definition = {
            "nodes": [node(name) for name in names],
            "edges": [edge(chance.choice(names), chance.choice(names)) for _ in range(20_000)],
        }

        assert len(draw(definition)) < 2_000_000

    @pytest.mark.parametrize("parents", [["a"], ["b", "a"], ["b", "c", "a"]])
    def test_takes_scopes_that_contain_themselves_for_none(self, parents):
        definition = {"nodes": [node(name, parent=parent) for name, parent in zip("abc", parents, strict=False)]}

        assert len(titles(picture(definition), "sg-node")) == len(parents)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["nodes", "edges", "id", "type", "name", "source", "target", "ui", "positions", "parent", "x"]), inner
        )
    )))  # fmt: skip
    def test_never_raises(self, anything):
        picture({"nodes": [anything], "edges": [anything], "ui": anything})
        picture(anything)


def outlines(sketch: Sketch, placement: Placement) -> list[Box]:
    return [placement.outline(key) for key in range(len(sketch.cards))]


def overlap(one: Box, other: Box) -> bool:
    is_beside = one.right <= other.x + 0.01 or other.right <= one.x + 0.01
    return not (is_beside or one.bottom <= other.y + 0.01 or other.bottom <= one.y + 0.01)


def lies_in(inner: Box, outer: Box, *, below: float = 0.0) -> bool:
    is_between = outer.x <= inner.x and inner.right <= outer.right
    return is_between and outer.y + below <= inner.y and inner.bottom <= outer.bottom


@st.composite
def nested(draw_from: Any) -> dict[str, Any]:
    """Return a definition with scopes in scopes, whose edges stay within a body and lead onwards."""
    count = draw_from(st.integers(1, 14))
    parents = [draw_from(st.none() | st.integers(0, max(0, number - 1))) if number else None for number in range(count)]
    pairs = draw_from(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=20))
    return {
        "nodes": [
            node(f"n{number}", "loop", parent=None if parent is None else f"n{parent}")
            for number, parent in enumerate(parents)
        ],
        "edges": [
            edge(f"n{source}", f"n{target}")
            for source, target in sorted(pairs)
            if source < target and parents[source] == parents[target]
        ],
    }


@st.composite
def muddled(draw_from: Any) -> dict[str, Any]:
    """Return a draft whose parents and edges may lead anywhere, round in circles and to nowhere."""
    ids = [f"n{number}" for number in range(draw_from(st.integers(1, 10)))]
    anywhere = st.sampled_from([*ids, "nowhere"])
    edges = draw_from(st.lists(st.tuples(anywhere, anywhere), max_size=16))
    return {
        "nodes": [node(each, "parallel", parent=draw_from(st.none() | anywhere)) for each in ids],
        "edges": [edge(source, target) for source, target in edges],
    }


class TestPlace:
    @given(nested() | muddled())
    def test_no_two_boxes_of_one_body_overlap(self, definition):
        sketch = read(definition)
        boxes = outlines(sketch, place(sketch))

        for (one, card), (other, another) in combinations(zip(boxes, sketch.cards, strict=True), 2):
            assert card.parent != another.parent or not overlap(one, other)

    @given(nested() | muddled(), st.booleans())
    def test_every_box_lies_in_the_frame_of_its_scope_below_the_header(self, definition, is_placed_by_hand):
        if is_placed_by_hand:
            spots = {each["id"]: {"x": at * 13, "y": -at * 29} for at, each in enumerate(definition["nodes"])}
            definition = {**definition, "ui": {"positions": spots}}
        sketch = read(definition)
        placement = place(sketch, header=90.0)
        boxes = outlines(sketch, placement)

        for box, card in zip(boxes, sketch.cards, strict=True):
            assert card.parent is None or lies_in(box, placement.frames[card.parent], below=90.0)

    @given(nested())
    def test_no_edge_passes_through_a_box_or_a_frame(self, definition):
        sketch = read(definition)
        placement = place(sketch)
        boxes = outlines(sketch, placement)

        for arrow, line in zip(sketch.arrows, routes(sketch, placement), strict=True):
            body = sketch.cards[arrow.source].parent
            others = [
                box
                for key, box in enumerate(boxes)
                if sketch.cards[key].parent == body and key not in (arrow.source, arrow.target)
            ]
            assert not any(overlap(part, box) for part in parts_of(line.path) for box in others)

    @given(nested())
    def test_every_edge_of_a_body_stays_in_its_frame(self, definition):
        sketch = read(definition)
        placement = place(sketch)

        for arrow, line in zip(sketch.arrows, routes(sketch, placement), strict=True):
            scope = sketch.cards[arrow.source].parent
            if scope is not None:
                assert all(lies_in(part, placement.frames[scope]) for part in parts_of(line.path))

    def test_what_no_edge_connects_stands_side_by_side(self):
        """The branches of a parallel."""
        nodes = [node("all", "parallel"), *(node(name, parent="all") for name in "abcd")]
        sketch = read({"nodes": nodes, "edges": [edge("a", "b")]})
        tops = [box.y for box in outlines(sketch, place(sketch))]

        assert tops[1] == tops[3] == tops[4] < tops[2]

    def test_many_branches_stand_in_rows(self):
        nodes = [node("all", "parallel"), *(node(f"n{number}", parent="all") for number in range(9))]
        sketch = read({"nodes": nodes})

        assert len({box.y for box in outlines(sketch, place(sketch))[1:]}) == 3

    def test_a_scope_that_people_placed_begins_there(self):
        positions = {"each": {"x": 10, "y": 20}, "inside": {"x": 60, "y": 180}}
        definition = {"nodes": [node("each", "loop"), node("inside", parent="each")], "ui": {"positions": positions}}

        frame = place(read(definition)).frames[0]

        assert (frame.x, frame.y) == (10, 20)


def parts_of(path: str) -> list[Box]:
    """Return the boxes around the parts of a line that goes down: straight ones, and curves between two points."""
    parts = []
    x = y = 0.0
    for command, text in re.findall(r"([MVC])([^MVC]*)", path):
        numbers = [float(number) for number in text.split()]
        end = (x, numbers[0]) if command == "V" else (numbers[-2], numbers[-1])
        if command != "M":
            parts.append(Box(min(x, end[0]), min(y, end[1]), abs(end[0] - x), abs(end[1] - y)))
        x, y = end
    return parts


class TestScopes:
    NESTED = {
        "nodes": [
            node("each", "loop", name="Every order", config={"items": "{{ input.orders }}"}),
            node("inside", parent="each"),
            node("deeper", "parallel", parent="each"),
            node("deepest", parent="deeper"),
            node("after"),
        ],
        "edges": [edge("inside", "deeper"), edge("each", "after")],
    }

    def test_has_a_frame_with_a_header_for_each_scope_and_a_card_for_each_other_node(self):
        svg = picture(self.NESTED)

        assert titles(svg, "sg-scope") == [
            "Every order · loop · each · for each of input.orders",
            "Deeper · parallel · deeper · 1 branch",
        ]
        assert len(titles(svg, "sg-node")) == 3
        assert {"LOOP", "Every order", "each", "for each of input.orders"} <= set(texts(svg))

    def test_puts_a_frame_around_what_a_scope_holds(self):
        frames = [rect for rect in picture(self.NESTED).iter(f"{SVG}rect") if rect.get("class") == "sg-frame"]

        outer, inner = [
            Box(*(float(frame.get(side, "")) for side in ("x", "y", "width", "height"))) for frame in frames
        ]
        assert lies_in(inner, outer)

    def test_puts_what_comes_after_a_scope_below_all_of_it(self):
        sketch = read(self.NESTED)
        placement = place(sketch)
        tops = [placement.cards[key].y for key in range(5)]

        assert tops == sorted(tops)
        assert placement.cards[4].y > placement.frames[0].bottom

    def test_says_how_far_the_passes_of_a_scope_have_come(self):
        state = State("running", passes=Passes(succeeded=6, failed=1, open=2, total=10))
        svg = picture(self.NESTED, states={"each": state})

        assert {"running", "7 of 10 passes · 1 failed"} <= set(texts(svg))
        bars = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("height") == "4"]
        widths = [float(bar.get("width", "")) for bar in bars]
        assert widths[0] == pytest.approx(6 * widths[1], abs=0.5)
        assert widths[2] == pytest.approx(2 * widths[1], abs=0.5)

    def test_shows_that_few_of_very_many_failed(self):
        state = State("completed", passes=Passes(succeeded=9_999, failed=1, open=0, total=10_000))
        svg = picture(self.NESTED, states={"each": state})

        whole, few = [rect for rect in svg.iter(f"{SVG}rect") if rect.get("height") == "4"]
        frame = next(rect for rect in svg.iter(f"{SVG}rect") if rect.get("class") == "sg-frame")
        widths = float(whole.get("width", "")), float(few.get("width", ""))
        assert widths[1] >= 4
        assert sum(widths) == pytest.approx(float(frame.get("width", "")), abs=2)

    def test_has_no_bar_where_nobody_can_know_how_many_passes_there_will_be(self):
        svg = picture(self.NESTED, states={"each": State("running", passes=Passes(3, 0, 1, None))})

        assert "3 passes" in texts(svg)
        assert not [rect for rect in svg.iter(f"{SVG}rect") if rect.get("height") == "4"]

    def test_sums_the_passes_of_a_node_up(self):
        state = State.of_counts({"completed": 9, "failed": 1, "running": 2}, otherwise="pending")
        svg = picture(self.NESTED, states={"inside": state, "deeper": state})

        assert [text for text in texts(svg) if text in ("1 failed", "9 completed", "2 running")] == [
            "1 failed",
            "9 completed",
            "2 running",
        ]
        assert "1 failed, 9 completed, 2 running" in texts(svg)
        assert "Inside (transform): 1 failed, 9 completed, 2 running" in svg.findtext(f"{SVG}desc", "")

    def test_tells_the_most_important_where_there_is_no_room_for_all(self):
        counts = {"completed": 9_998, "failed": 1_201, "waiting": 3_000, "cancelled": 17}
        svg = picture(self.NESTED, states={"inside": State.of_counts(counts, otherwise="")})

        assert "1,201 failed" in texts(svg)
        assert "17 cancelled" not in texts(svg)
        assert "17 cancelled" in " ".join(titles(svg, "sg-node"))

    def test_marks_edges_that_lead_into_a_scope_or_out_of_one(self):
        definition = {
            **self.NESTED,
            "edges": [edge("inside", "after"), edge("after", "deepest"), edge("each", "inside")],
        }

        assert [title.partition(": ")[2] for title in titles(picture(definition), "sg-edge")] == [
            "leads into a scope or out of one, and edges stay within"
        ] * 3

    @given(muddled(), st.sampled_from(["completed", "failed", "?"]), st.integers(0, 3))
    def test_draws_whatever_parents_and_edges_say(self, definition, word, count):
        states = {"n0": State(word, passes=Passes(count, count, count, count)), "n1": State(word, {word: count})}

        assert picture(definition, states=states).tag == f"{SVG}svg"


class TestInWords:
    @pytest.mark.parametrize(
        ("node_type", "config", "words"),
        [
            ("loop", {"items": "{{ input.orders }}"}, "for each of input.orders"),
            ("loop", {"items": "{{ input.orders }}", "batch_size": 50}, "for each 50 of input.orders"),
            ("loop", {"items": [1, 2, 3]}, "for each of 3 items"),
            ("loop", {"while": "{{ !accumulator.done }}"}, "while !accumulator.done"),
            ("loop", {"while": True, "max_passes": 2000}, "while true · at most 2,000 passes"),
            (
                "loop",
                {"items": "{{ input }}", "break_when": "{{ nodes.ask.output.found }}"},
                "for each of input · until nodes.ask.output.found",
            ),
            ("parallel", {"items": "{{ input.urls }}", "max_concurrent": 10}, "for each of input.urls · 10 at once"),
            ("parallel", {}, "3 branches"),
            ("parallel", {"done_when": "any"}, "3 branches · until one has succeeded"),
            ("parallel", {"done_when": 2}, "3 branches · until 2 have succeeded"),
            ("loop", {}, "over nothing yet"),
            ("loop", None, "over nothing yet"),
            ("loop", {"items": {}, "batch_size": True, "break_when": 7}, "for each of what is no expression"),
            ("loop", {"items": "{{ a }}{{ b }}"}, "for each of {{ a }}{{ b }}"),
            ("loop", {"while": "{{ a }}", "max_passes": 10**5000}, "while a"),
            ("tool", {"items": []}, "holds other nodes, which only a loop or a parallel can"),
        ],
    )
    def test_says_what_a_scope_goes_over_how_and_until_when(self, node_type, config, words):
        assert in_words(node_type, config, branches=3) == words


class TestState:
    def test_the_loudest_word_speaks_for_all_passes(self):
        assert State.of_counts({"completed": 9, "failed": 1, "running": 1}, otherwise="pending").word == "failed"
        assert State.of_counts({"completed": 9, "running": 1}, otherwise="pending").word == "running"
        assert State.of_counts({"completed": 9}, otherwise="pending").word == "completed"

    def test_a_node_that_has_run_in_no_pass_is_what_it_else_is(self):
        assert State.of_counts({}, otherwise="skipped") == State("skipped")

    def test_leaves_out_what_there_is_none_of(self):
        assert State.of_counts({"failed": 0, "completed": 1}, otherwise="").counts == {"completed": 1}


@st.composite
def graphs(draw_from: Any) -> tuple[int, list[tuple[int, int]]]:
    count = draw_from(st.integers(1, 12))
    places = st.integers(0, count - 1)
    return count, draw_from(st.lists(st.tuples(places, places), max_size=24))


class TestArrange:
    @given(graphs())
    def test_no_two_boxes_overlap(self, graph):
        count, pairs = graph
        boxes = list(arrange(dict.fromkeys(range(count), CARD_SIZE), pairs).boxes.values())

        assert len(boxes) == count
        for index, one in enumerate(boxes):
            for other in boxes[index + 1 :]:
                assert (
                    one.right <= other.x + 0.01
                    or other.right <= one.x + 0.01
                    or one.bottom <= other.y
                    or other.bottom <= one.y
                )

    @given(graphs())
    def test_every_edge_but_those_of_cycles_leads_down(self, graph):
        count, pairs = graph
        boxes = arrange(dict.fromkeys(range(count), CARD_SIZE), pairs).boxes

        for source, target in without_cycles(range(count), pairs):
            assert boxes[source].bottom < boxes[target].y

    @given(graphs())
    def test_long_edges_pass_between_the_boxes_of_the_layers_on_their_way(self, graph):
        count, pairs = graph
        layout = arrange(dict.fromkeys(range(count), CARD_SIZE), pairs)

        for chain in layout.bends.values():
            for bend in chain:
                assert not any(
                    box.y == bend.top and box.x - 1 < bend.x < box.right + 1 for box in layout.boxes.values()
                )

    def test_a_chain_is_a_straight_line(self):
        layout = arrange(dict.fromkeys(range(5), CARD_SIZE), pairwise(range(5)))

        assert len({box.x for box in layout.boxes.values()}) == 1

    def test_a_crossing_that_can_be_avoided_is(self):
        boxes = arrange(dict.fromkeys(range(6), CARD_SIZE), [(0, 5), (1, 4), (2, 3)]).boxes

        assert boxes[3].x > boxes[4].x > boxes[5].x or [boxes[n].x for n in (0, 1, 2)] == [
            boxes[n].x for n in (5, 4, 3)
        ]

    def test_what_only_leads_on_lies_just_above_where_it_leads(self):
        boxes = arrange(dict.fromkeys(range(5), CARD_SIZE), [(0, 1), (1, 2), (2, 3), (4, 3)]).boxes

        assert boxes[4].y == boxes[2].y

    def test_nodes_without_edges_stand_in_rows(self):
        boxes = arrange(dict.fromkeys(range(9), CARD_SIZE), []).boxes

        assert len({box.y for box in boxes.values()}) == 3


class TestKeepApart:
    def test_leaves_what_is_far_enough_apart(self):
        assert keep_apart([0.0, 100.0], [1, 1], [50]) == [0, 100]

    def test_shares_the_way_between_those_that_are_too_near(self):
        assert keep_apart([0.0, 0.0], [1, 1], [50]) == [-25, 25]

    def test_the_heavier_one_moves_less(self):
        assert keep_apart([0.0, 0.0], [3, 1], [40]) == [-10, 30]

    @given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=12))
    def test_keeps_every_gap(self, wanted):
        placed = keep_apart(wanted, [1.0] * len(wanted), [SIDE_GAP] * (len(wanted) - 1))

        assert all(right - left >= SIDE_GAP - 1e-6 for left, right in pairwise(placed))


class TestRead:
    def test_finds_parents_however_nodes_are_ordered(self):
        sketch = read({"nodes": [node("inside", parent="scope"), node("scope", "loop")]})

        assert sketch.cards[0].parent == 1

    def test_takes_scopes_apart_that_are_nested_beyond_reason(self):
        nodes = [node(f"n{number}", parent=f"n{number - 1}") for number in range(30)]

        assert len([card for card in read({"nodes": nodes}).cards if card.parent is not None]) == 8


class TestFit:
    def test_leaves_short_text_alone(self):
        assert fit("short", 100, 14) == "short"

    @given(st.text(max_size=400), st.floats(20, 300))
    def test_never_is_wider_than_its_place(self, text, width):
        assert width_of(fit(text, width, 12), 12) <= width

    def test_says_that_something_is_missing(self):
        assert fit("a very long name indeed", 80, 14).endswith("…")
