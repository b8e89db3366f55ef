"""Which box each card gets: where the definition says, or in layers; scopes get a frame around what they hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from workflows.drawing.layout import Bend, Box, Layout, Pair, Size, arrange
from workflows.drawing.reading import Sketch

CARD_SIZE: Size = (264.0, 76.0)
MARGIN = 24.0
FRAME_PADDING = 20.0

Children = Mapping[int | None, list[int]]


@dataclass(frozen=True)
class Placement:
    """Boxes by the card's place in the sketch.

    ``frames`` has outer scopes before inner ones. ``floors`` says where the layer of a card ends: above it lie other boxes.
    It is empty where the definition places the nodes.
    """

    cards: Mapping[int, Box]
    frames: Mapping[int, Box]
    bends: Mapping[Pair, tuple[Bend, ...]]
    floors: Mapping[int, float]

    def outline(self, key: int) -> Box:
        """Return what an edge from or to a card touches: the frame of a scope, else the card."""
        return self.frames.get(key, self.cards[key])


def place(sketch: Sketch) -> Placement:
    """Return a place for everything that is drawn."""
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for key, card in enumerate(sketch.cards):
        children[card.parent].append(key)
    by_hand = bool(sketch.positions)
    layout = Layout(_by_hand(sketch), {}, {}, (0.0, 0.0)) if by_hand else _in_layers(sketch, children, None)
    return Placement(layout.boxes, _frames(sketch, children, layout.boxes), layout.bends, layout.floors)


def _by_hand(sketch: Sketch) -> dict[int, Box]:
    cards = {key: Box(x, y, *CARD_SIZE) for key, (x, y) in sketch.positions.items()}
    below = max(box.bottom for box in cards.values()) + MARGIN
    missing = [key for key in range(len(sketch.cards)) if key not in cards]
    left = min(box.x for box in cards.values())
    step = CARD_SIZE[0] + MARGIN
    return cards | {key: Box(left + place * step, below, *CARD_SIZE) for place, key in enumerate(missing)}


def _frames(sketch: Sketch, children: Children, cards: Mapping[int, Box]) -> dict[int, Box]:
    frames: dict[int, Box] = {}
    scopes = [key for key in children if key is not None]
    for scope in sorted(scopes, key=lambda key: -_depth(sketch, key)):
        frames[scope] = _around([cards[scope], *(frames.get(child, cards[child]) for child in children[scope])])
    return dict(reversed(frames.items()))


def _depth(sketch: Sketch, key: int) -> int:
    parent = sketch.cards[key].parent
    return 0 if parent is None else 1 + _depth(sketch, parent)


def _around(boxes: list[Box]) -> Box:
    left, top = min(box.x for box in boxes) - FRAME_PADDING, min(box.y for box in boxes) - FRAME_PADDING
    right, bottom = max(box.right for box in boxes) + FRAME_PADDING, max(box.bottom for box in boxes) + FRAME_PADDING
    return Box(left, top, right - left, bottom - top)


def _in_layers(sketch: Sketch, children: Children, scope: int | None) -> Layout:
    """Lay out what one scope holds, inner scopes as big boxes, with everything in them."""
    members = children.get(scope, [])
    inner = {member: _in_layers(sketch, children, member) for member in members if children.get(member)}
    sizes = {member: _size_with(inner[member].size) if member in inner else CARD_SIZE for member in members}
    pairs = [(arrow.source, arrow.target) for arrow in sketch.arrows]
    outer = arrange(sizes, [pair for pair in pairs if sizes.keys() >= {*pair}])
    boxes, bends, floors = dict(outer.boxes), dict(outer.bends), dict(outer.floors)
    for member, layout in inner.items():
        box = outer.boxes[member]
        top = box.y + FRAME_PADDING
        boxes[member] = Box(box.centre - CARD_SIZE[0] / 2, top, *CARD_SIZE)
        moved = layout.moved(box.centre - layout.size[0] / 2, top + CARD_SIZE[1] + FRAME_PADDING)
        boxes |= moved.boxes
        bends |= moved.bends
        floors |= moved.floors
    return Layout(boxes, bends, floors, outer.size)


def _size_with(inner: Size) -> Size:
    """Return the size of a scope's frame: its own card above what it holds."""
    width, height = inner
    return max(width, CARD_SIZE[0]) + 2 * FRAME_PADDING, CARD_SIZE[1] + height + 3 * FRAME_PADDING
