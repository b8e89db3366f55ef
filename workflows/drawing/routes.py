"""The lines of edges: from the source's lower side, through the bends of the layout, to the target's upper side."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from workflows.drawing.layout import Bend, Box
from workflows.drawing.placement import Placement
from workflows.drawing.reading import Arrow, Sketch

HEAD = 8.0  # Length of an arrow's head; the line ends where the head begins.
PORT_STEP = 64.0
ENTRY_STEP = 26.0
PARALLEL_STEP = 14.0
JOG = 7.0  # A step aside that is smaller looks like a mistake: the line goes straight.
DETOUR = 44.0
SIDE_ROOM = 48.0  # Of a box's width, where no edge begins or ends.

Point = tuple[float, float]
Slots = dict[int, float]


@dataclass(frozen=True)
class Route:
    """One line: its path, where it ends and in which direction (a unit vector), and where its label stands."""

    path: str
    end: Point
    direction: Point
    label: Point
    right: float


def routes(sketch: Sketch, placement: Placement) -> list[Route]:
    """Return the line of each arrow, in their order."""
    ends = [_ends(sketch, placement, arrow) for arrow in sketch.arrows]
    falling = [index for index, (source, target) in enumerate(ends) if _falls(source, target, placement)]
    exits = _exits(sketch, placement, falling)
    entries = _entries(sketch, placement, falling)
    rank: defaultdict[Hashable, int] = defaultdict(int)
    lines: list[Route] = []
    for index, (arrow, (source, target)) in enumerate(zip(sketch.arrows, ends, strict=True)):
        pair = (arrow.source, arrow.target)
        shift = rank[pair] * PARALLEL_STEP
        rank[pair] += 1
        if index in exits:
            x, y = source.centre + exits[index], source.bottom
            floor = y if sketch.crosses(arrow) else placement.floors.get(arrow.source, y)
            bends = [Bend(x, y, max(y, floor))]
            bends += [Bend(bend.x + shift, bend.top, bend.bottom) for bend in placement.bends.get(pair, ())]
            lines.append(_down(bends, target.centre + entries[index], target.y))
        elif target.x >= source.right:
            lines.append(_across(source.right, source, target.x, target))
        elif target.right <= source.x:
            lines.append(_across(source.x, source, target.right, target))
        else:
            lines.append(_around(source, target, DETOUR + shift))
    return lines


def _falls(source: Box, target: Box, placement: Placement) -> bool:
    """Return whether a line goes from top to bottom; where people place nodes, many go across."""
    drop = target.y - source.bottom
    aside = max(target.x - source.right, source.x - target.right)
    return drop >= 0 and (bool(placement.floors) or drop >= aside)


def _ends(sketch: Sketch, placement: Placement, arrow: Arrow) -> tuple[Box, Box]:
    """Return the boxes that an arrow joins; one that crosses a scope's border touches the scope's header."""
    ends = (arrow.source, arrow.target)
    source, target = (placement.cards[key] if sketch.crosses(arrow) else placement.outline(key) for key in ends)
    return source, target


def _exits(sketch: Sketch, placement: Placement, falling: Iterable[int]) -> Slots:
    """Return how far from the middle each arrow leaves: ports side by side, in the order of where they lead."""
    by_source: defaultdict[int, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index in falling:
        arrow = sketch.arrows[index]
        by_source[arrow.source][arrow.port].append(index)

    def leads_to(indexes: Iterable[int]) -> float:
        places = [_next(sketch.arrows[index], placement) for index in indexes]
        return sum(places) / len(places)

    slots: Slots = {}
    for source, ports in by_source.items():
        ordered = sorted(ports.values(), key=leads_to)
        for port, offset in zip(ordered, _offsets(len(ordered), placement.cards[source].width, PORT_STEP), strict=True):
            slots |= dict.fromkeys(port, offset)
    return slots


def _entries(sketch: Sketch, placement: Placement, falling: Iterable[int]) -> Slots:
    """Return how far from the middle each arrow arrives: side by side, in the order of where they come from."""
    by_target: defaultdict[int, list[int]] = defaultdict(list)
    for index in falling:
        by_target[sketch.arrows[index].target].append(index)
    slots: Slots = {}

    def comes_from(index: int) -> float:
        return _previous(sketch.arrows[index], placement)

    for target, indexes in by_target.items():
        offsets = _offsets(len(indexes), placement.cards[target].width, ENTRY_STEP)
        slots |= dict(zip(sorted(indexes, key=comes_from), offsets, strict=True))
    return slots


def _next(arrow: Arrow, placement: Placement) -> float:
    bends = placement.bends.get((arrow.source, arrow.target))
    return bends[0].x if bends else placement.cards[arrow.target].centre


def _previous(arrow: Arrow, placement: Placement) -> float:
    bends = placement.bends.get((arrow.source, arrow.target))
    return bends[-1].x if bends else placement.cards[arrow.source].centre


def _offsets(count: int, width: float, step: float) -> list[float]:
    step = min(step, (width - SIDE_ROOM) / count)
    return [(place - (count - 1) / 2) * step for place in range(count)]


def _down(bends: Sequence[Bend], end_x: float, end_y: float) -> Route:
    """Lead a line through its bends, the first of which is where it begins."""
    if abs(end_x - bends[-1].x) < JOG:
        end_x = bends[-1].x
    stops = [*bends, Bend(end_x, end_y - HEAD, end_y - HEAD)]
    path = f"M{stops[0].x:.1f} {stops[0].top:.1f}V{stops[0].bottom:.1f}"
    for upper, lower in pairwise(stops):
        middle = (upper.bottom + lower.top) / 2
        path += (
            f"C{upper.x:.1f} {middle:.1f} {lower.x:.1f} {middle:.1f} {lower.x:.1f} {lower.top:.1f}V{lower.bottom:.1f}"
        )
    label = (stops[0].x + stops[1].x) / 2, (stops[0].bottom + stops[1].top) / 2
    return Route(path, (end_x, end_y), (0, 1), label, max(stop.x for stop in stops))


def _across(x: float, source: Box, end_x: float, target: Box) -> Route:
    sign = 1 if end_x > x else -1
    y, end_y = source.y + source.height / 2, target.y + target.height / 2
    stop, middle = end_x - sign * HEAD, (x + end_x) / 2
    path = f"M{x:.1f} {y:.1f}C{middle:.1f} {y:.1f} {middle:.1f} {end_y:.1f} {stop:.1f} {end_y:.1f}"
    return Route(path, (end_x, end_y), (sign, 0), (middle, (y + end_y) / 2), max(x, end_x))


def _around(source: Box, target: Box, detour: float) -> Route:
    """Lead a line that goes up, or from a card to itself, around the right side."""
    y, end_y = source.bottom - 16, target.y + 16
    far = max(source.right, target.right) + detour
    stop = target.right + HEAD
    path = f"M{source.right:.1f} {y:.1f}C{far:.1f} {y:.1f} {far:.1f} {end_y:.1f} {stop:.1f} {end_y:.1f}"
    return Route(path, (target.right, end_y), (-1, 0), (far - detour / 4, (y + end_y) / 2), far)
