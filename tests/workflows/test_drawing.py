"""A definition as a picture: what it shows, and that nothing a draft holds breaks it or gets out of it."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.drawing import draw
from workflows.drawing.layout import SIDE_GAP, arrange, keep_apart, without_cycles
from workflows.drawing.placement import CARD_SIZE
from workflows.drawing.reading import MAX_CARDS, read
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
        svg = picture(ORDER, states={"order": "completed", "check": "running", "ask": "skipped"})

        assert [state for state in texts(svg) if state in ("completed", "running", "skipped")] == [
            "completed",
            "running",
            "skipped",
        ]
        assert "Is it big? · condition · check · running" in titles(svg, "sg-node")

    @pytest.mark.parametrize("state", ["completed", "running", "waiting", "failed", "timeout", "cancelled", "pending"])
    def test_gives_every_state_a_colour_of_its_own_place(self, state):
        assert draw(ORDER, states={"check": state}) != draw(ORDER)

    def test_says_in_words_what_it_shows(self):
        svg = picture(ORDER, states={"check": "failed"}, title="Orders & returns")

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

        svg = picture(definition, states={text: text}, title=text)

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


class TestScopes:
    NESTED = {
        "nodes": [
            node("each", "loop"),
            node("inside", parent="each"),
            node("deeper", "parallel", parent="each"),
            node("deepest", parent="deeper"),
            node("after"),
        ],
        "edges": [edge("inside", "deeper"), edge("each", "after")],
    }

    def test_puts_a_frame_around_what_a_scope_holds(self):
        frames = [rect for rect in picture(self.NESTED).iter(f"{SVG}rect") if rect.get("class") == "sg-frame"]

        outer, inner = [[float(frame.get(side, "")) for side in ("x", "y", "width", "height")] for frame in frames]
        assert outer[0] < inner[0]
        assert outer[1] < inner[1]
        assert outer[0] + outer[2] > inner[0] + inner[2]
        assert outer[1] + outer[3] > inner[1] + inner[3]

    def test_puts_what_comes_after_a_scope_below_all_of_it(self):
        cards = {
            title.split(" · ")[2]: float(rect.get("y", ""))
            for group in picture(self.NESTED).iter(f"{SVG}g")
            if group.get("class") == "sg-node"
            for title, rect in [(group.findtext(f"{SVG}title", ""), next(group.iter(f"{SVG}rect")))]
        }

        assert cards["each"] < cards["inside"] < cards["deeper"] < cards["deepest"] < cards["after"]


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
