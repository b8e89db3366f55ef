"""Which box each card gets: where the definition says, or in layers. A scope is a frame, with its header at the top, around
what it holds; to what lies outside it is one big box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from workflows.drawing.layout import SIDE_GAP, Bend, Box, Layout, Pair, Size, arrange
from workflows.drawing.reading import Sketch, components

CARD_SIZE: Size = (264.0, 76.0)
MARGIN = 24.0
FRAME_PADDING = 24.0
PART_GAP = 44.0
# Parts of a body that no edge connects stand side by side up to this width, then in the next row.
WIDEST_ROW = 4 * CARD_SIZE[0] + 3 * PART_GAP

Children = Mapping[int | None, list[int]]


@dataclass(frozen=True)
class Placement:
    """Boxes by the card's place in the sketch; that of a scope is the header of its frame.

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


def place(sketch: Sketch, *, header: float = CARD_SIZE[1]) -> Placement:
    """Return a place for everything that is drawn.

    :param header: the height of a frame's header.
    """
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for key, card in enumerate(sketch.cards):
        children[card.parent].append(key)
    if sketch.positions:
        outlines = _with_frames(sketch, children, _by_hand(sketch), header)
        layout = Layout(outlines, {}, {}, (0.0, 0.0))
    else:
        layout = _in_layers(children, _pairs_by_scope(sketch), None, header)
    outer_first = sorted((key for key in children if key is not None), key=lambda key: len(sketch.scopes_around(key)))
    frames = {key: layout.boxes[key] for key in outer_first}
    headers = {key: Box(box.x, box.y, box.width, header) for key, box in frames.items()}
    return Placement({**layout.boxes, **headers}, frames, layout.bends, layout.floors)


def _by_hand(sketch: Sketch) -> dict[int, Box]:
    cards = {key: Box(x, y, *CARD_SIZE) for key, (x, y) in sketch.positions.items()}
    below = max(box.bottom for box in cards.values()) + MARGIN
    missing = [key for key in range(len(sketch.cards)) if key not in cards]
    left = min(box.x for box in cards.values())
    step = CARD_SIZE[0] + MARGIN
    return cards | {key: Box(left + place * step, below, *CARD_SIZE) for place, key in enumerate(missing)}


def _with_frames(sketch: Sketch, children: Children, cards: Mapping[int, Box], header: float) -> dict[int, Box]:
    """Put a frame in the place of each scope's card: its corner is where the scope was put, if there is room for the header."""
    boxes = dict(cards)
    scopes = [key for key in children if key is not None]
    for scope in sorted(scopes, key=lambda key: -len(sketch.scopes_around(key))):
        held = [boxes[child] for child in children[scope]]
        left = min(boxes[scope].x, *(box.x - FRAME_PADDING for box in held))
        top = min(boxes[scope].y, *(box.y - FRAME_PADDING - header for box in held))
        right = max(boxes[scope].right, *(box.right + FRAME_PADDING for box in held))
        bottom = max(box.bottom + FRAME_PADDING for box in held)
        boxes[scope] = Box(left, top, right - left, max(bottom, boxes[scope].bottom) - top)
    return boxes


def _in_layers(children: Children, pairs: Mapping[int | None, list[Pair]], scope: int | None, header: float) -> Layout:
    """Lay out what one scope holds, inner scopes as big boxes, with everything in them."""
    members = children.get(scope, [])
    inner = {member: _in_layers(children, pairs, member, header) for member in members if children.get(member)}
    sizes = {member: _size_with(inner[member].size, header) if member in inner else CARD_SIZE for member in members}
    parts = components(members, pairs[scope])
    part_of = {member: place for place, part in enumerate(parts) for member in part}
    pairs_of: defaultdict[int, list[Pair]] = defaultdict(list)
    for pair in pairs[scope]:
        pairs_of[part_of[pair[0]]].append(pair)
    outer = _side_by_side(
        [arrange({key: sizes[key] for key in part}, pairs_of[place]) for place, part in enumerate(parts)]
    )
    boxes, bends, floors = dict(outer.boxes), dict(outer.bends), dict(outer.floors)
    for member, layout in inner.items():
        box = outer.boxes[member]
        moved = layout.moved(box.centre - layout.size[0] / 2, box.y + header + FRAME_PADDING)
        boxes |= moved.boxes
        bends |= moved.bends
        floors |= moved.floors
    return Layout(boxes, bends, floors, outer.size)


def _pairs_by_scope(sketch: Sketch) -> dict[int | None, list[Pair]]:
    """Return which members of each scope edges join. One that wrongly leads into or out of a scope joins that scope itself."""
    found: defaultdict[int | None, list[Pair]] = defaultdict(list)
    for arrow in sketch.arrows:
        source, target = ((key, *sketch.scopes_around(key)) for key in (arrow.source, arrow.target))
        member_of = {sketch.cards[key].parent: key for key in source}
        end = next(key for key in target if sketch.cards[key].parent in member_of)
        scope = sketch.cards[end].parent
        if member_of[scope] != end or not sketch.crosses(arrow):
            found[scope].append((member_of[scope], end))
    return found


def _side_by_side(parts: list[Layout]) -> Layout:
    """Put parts next to each other, and below each other where a row would grow too wide."""
    boxes: dict[int, Box] = {}
    bends: dict[Pair, tuple[Bend, ...]] = {}
    floors: dict[int, float] = {}
    x = y = width = height = 0.0
    for part in parts:
        if x and x + part.size[0] > WIDEST_ROW:
            x, y = 0.0, height + SIDE_GAP
        moved = part.moved(x, y)
        boxes |= moved.boxes
        bends |= moved.bends
        floors |= moved.floors
        width, height = max(width, x + part.size[0]), max(height, y + part.size[1])
        x += part.size[0] + PART_GAP
    return Layout(boxes, bends, floors, (width, height))


def _size_with(inner: Size, header: float) -> Size:
    """Return the size of a scope's frame: its header above what it holds."""
    width, height = inner
    return max(width, CARD_SIZE[0]) + 2 * FRAME_PADDING, header + height + 2 * FRAME_PADDING
