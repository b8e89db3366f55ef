"""Where boxes go: layers from top to bottom, as few crossings as a few sweeps find, short edges.

The method of Sugiyama, Tagawa and Toda (1981): break cycles, layer by the longest path, give long edges a place in every
layer that they pass, order each layer by the mean place of its neighbours, then place. The last step is a least-squares
fit under minimum distances, solved exactly by pooling (isotonic regression).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import accumulate, pairwise

LAYER_GAP = 56.0
SIDE_GAP = 32.0
ORDER_SWEEPS = 12
PLACE_SWEEPS = 12
# A long edge that bends is uglier than a box a little off its middle.
BEND_WEIGHT = 16.0
ISOLATED_PER_ROW = 4
# Places of long edges in layers; beyond it edges run straight, so that no draft costs seconds.
MAX_BENDS = 4_000

Size = tuple[float, float]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A rectangle by its top left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> float:
        return self.x + self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def moved(self, dx: float, dy: float) -> Box:
        return Box(self.x + dx, self.y + dy, self.width, self.height)


@dataclass(frozen=True)
class Bend:
    """Where a long edge passes a layer: straight down at ``x``, from ``top`` to ``bottom``."""

    x: float
    top: float
    bottom: float

    def moved(self, dx: float, dy: float) -> Bend:
        return Bend(self.x + dx, self.top + dy, self.bottom + dy)


@dataclass(frozen=True)
class Layout:
    """A box for each node, the bends of each pair that has some, and the lower end of each node's layer."""

    boxes: Mapping[int, Box]
    bends: Mapping[Pair, tuple[Bend, ...]]
    floors: Mapping[int, float]
    size: Size

    def moved(self, dx: float, dy: float) -> Layout:
        return Layout(
            {node: box.moved(dx, dy) for node, box in self.boxes.items()},
            {pair: tuple(bend.moved(dx, dy) for bend in chain) for pair, chain in self.bends.items()},
            {node: floor + dy for node, floor in self.floors.items()},
            self.size,
        )


def arrange(sizes: Mapping[int, Size], pairs: Iterable[Pair]) -> Layout:
    """Return a place for every node. Same input, same picture.

    :param sizes: width and height of each node, in the order in which nodes are preferred to appear.
    :param pairs: edges between these nodes; cycles are allowed and do not count for the layers.
    """
    forward = without_cycles(sizes, dict.fromkeys(pairs))
    layer = _layers(sizes, forward)
    grid = _Grid(sizes, forward, layer)
    grid.order()
    grid.place()
    return grid.layout()


def without_cycles(nodes: Iterable[int], pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs without those that lead back to a node whose descendants are being visited."""
    targets: defaultdict[int, list[int]] = defaultdict(list)
    entered: set[int] = set()
    for source, target in pairs:
        targets[source].append(target)
        entered.add(target)
    open_nodes: set[int] = set()
    done: set[int] = set()
    kept: list[Pair] = []
    for root in sorted(nodes, key=lambda node: node in entered):
        stack = [] if root in done else [(root, iter(targets[root]))]
        open_nodes.update(node for node, _ in stack)
        while stack:
            node, remaining = stack[-1]
            for target in remaining:
                if target in open_nodes:
                    continue
                kept.append((node, target))
                if target not in done:
                    open_nodes.add(target)
                    stack.append((target, iter(targets[target])))
                    break
            else:
                stack.pop()
                open_nodes.discard(node)
                done.add(node)
    return kept


def _layers(nodes: Iterable[int], forward: Sequence[Pair]) -> dict[int, int]:
    """Return each node's layer: below all that lead to it, and not higher above what it leads to than need be."""
    before: dict[int, set[int]] = {node: set() for node in nodes}
    after: defaultdict[int, set[int]] = defaultdict(set)
    for source, target in forward:
        before[target].add(source)
        after[source].add(target)
    layer: dict[int, int] = {}
    for node in TopologicalSorter(before).static_order():
        layer[node] = max((layer[source] + 1 for source in before[node]), default=0)
    for node, sources in before.items():
        if not sources and after[node]:
            layer[node] = min(layer[target] for target in after[node]) - 1
    last = max((layer[node] for node in layer if before[node] or after[node]), default=-1)
    isolated = [node for node in before if not before[node] and not after[node]]
    return layer | {node: last + 1 + place // ISOLATED_PER_ROW for place, node in enumerate(isolated)}


class _Grid:
    """Nodes and the bends of long edges, in layers. Bends are nodes too here, with negative keys."""

    def __init__(self, sizes: Mapping[int, Size], forward: Sequence[Pair], layer: Mapping[int, int]) -> None:
        self.sizes: dict[int, Size] = dict(sizes)
        self.chains: dict[Pair, list[int]] = {}
        self.above: defaultdict[int, list[int]] = defaultdict(list)
        self.below: defaultdict[int, list[int]] = defaultdict(list)
        self.rows: list[list[int]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
        self.x: dict[int, float]
        for node in sizes:
            self.rows[layer[node]].append(node)
        bends = 0
        for source, target in forward:
            between = range(layer[source] + 1, layer[target])
            if bends + len(between) > MAX_BENDS:
                between = range(0)
            chain = [-1 - bends - place for place in range(len(between))]
            bends += len(chain)
            for bend, row in zip(chain, between, strict=True):
                self.sizes[bend] = (8.0, 0.0)
                self.rows[row].append(bend)
            self.chains[source, target] = chain
            for upper, lower in pairwise([source, *chain, target]):
                self.below[upper].append(lower)
                self.above[lower].append(upper)

    def order(self) -> None:
        """Order every layer by the mean place of its neighbours, downwards and upwards; the best order seen stays."""
        best, fewest = [list(row) for row in self.rows], self._crossings()
        for sweep in range(ORDER_SWEEPS):
            if not fewest:
                break
            rows, neighbours = (self.rows, self.above) if sweep % 2 == 0 else (self.rows[::-1], self.below)
            for upper, lower in pairwise(rows):
                place = {node: index for index, node in enumerate(upper)}
                own = {node: index for index, node in enumerate(lower)}
                lower.sort(key=lambda node: _mean([place[n] for n in neighbours[node] if n in place], own[node]))
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        total = 0
        for upper, lower in pairwise(self.rows):
            place = {node: index for index, node in enumerate(lower)}
            seen: list[int] = []
            for node in upper:
                targets = [place[target] for target in self.below[node] if target in place]
                total += sum(len(seen) - bisect_right(seen, target) for target in targets)
                for target in targets:
                    insort(seen, target)
        return total

    def place(self) -> None:
        """Give every node its ``x``: as near to its neighbours as the distances in its layer allow."""
        self.x = dict.fromkeys(self.sizes, 0.0)
        for row in self.rows:
            self._place_row(row, {})
        for sweep in range(PLACE_SWEEPS):
            rows, neighbours = (self.rows, self.above) if sweep % 2 == 0 else (self.rows[::-1], self.below)
            for row in rows:
                self._place_row(row, neighbours)

    def _place_row(self, row: list[int], neighbours: Mapping[int, list[int]]) -> None:
        wanted = [_mean([self.x[n] for n in self._kin(node, neighbours)], self.x[node]) for node in row]
        weights = [BEND_WEIGHT if node < 0 else 1.0 for node in row]
        gaps = [(self.sizes[left][0] + self.sizes[right][0]) / 2 + SIDE_GAP for left, right in pairwise(row)]
        self.x |= zip(row, keep_apart(wanted, weights, gaps), strict=True)

    def _kin(self, node: int, neighbours: Mapping[int, list[int]]) -> list[int]:
        """Return the neighbours to line up with: boxes with boxes, where there are some, and bends with their line."""
        near = neighbours.get(node, [])
        return [n for n in near if n >= 0] or near

    def layout(self) -> Layout:
        """Turn centres into boxes, with the top left corner at (0, 0)."""
        left = min((x - self.sizes[node][0] / 2 for node, x in self.x.items()), default=0.0)
        right = max((x + self.sizes[node][0] / 2 for node, x in self.x.items()), default=0.0)
        heights = [max((self.sizes[node][1] for node in row), default=0.0) for row in self.rows]
        tops = list(accumulate((height + LAYER_GAP for height in heights), initial=0.0))
        boxes: dict[int, Box] = {}
        bends: dict[int, Bend] = {}
        floors: dict[int, float] = {}
        for row, top, height in zip(self.rows, tops, heights, strict=False):
            for node in row:
                width, own_height = self.sizes[node]
                x = self.x[node] - left
                if node < 0:
                    bends[node] = Bend(x, top, top + height)
                else:
                    boxes[node] = Box(x - width / 2, top, width, own_height)
                    floors[node] = top + height
        chains = {pair: tuple(bends[bend] for bend in chain) for pair, chain in self.chains.items() if chain}
        return Layout(boxes, chains, floors, (right - left, max(0.0, tops[-1] - LAYER_GAP)))


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def keep_apart(wanted: Sequence[float], weights: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the positions nearest to the wanted ones, by weighted squares, that keep each gap to the next one.

    Without the gaps' sum the condition is only that positions do not fall, which pooling of neighbours solves exactly.
    """
    offsets = list(accumulate(gaps, initial=0.0))[: len(wanted)]
    pools: list[tuple[float, float, int]] = []  # mean, weight, members
    for value, weight, offset in zip(wanted, weights, offsets, strict=True):
        mean, members = value - offset, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, others = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, members = weight + other_weight, members + others
        pools.append((mean, weight, members))
    means = [mean for mean, _, members in pools for _ in range(members)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
