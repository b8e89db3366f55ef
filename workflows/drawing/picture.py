"""A definition as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from workflows.drawing import palette
from workflows.drawing.layout import Box, Pair, without_cycles
from workflows.drawing.placement import CARD_SIZE, MARGIN, place
from workflows.drawing.reading import Arrow, Card, Sketch, read
from workflows.drawing.routes import HEAD, Route, routes
from workflows.drawing.states import Passes, State
from workflows.drawing.text import escape, fit, width_of

NAME_SIZE, CAPTION_SIZE, ID_SIZE, PILL_SIZE, LABEL_SIZE = 14.0, 10.5, 11.0, 10.5, 11.0
TILE = 36.0
INNER = 14.0  # Between a card's edge and what stands in it.
MAX_LABEL = 120.0
CARD_CORNER, CORNER = 12.0, 18.0
# A frame's header, and how much higher it is where it says how far its passes have come.
HEADER, PROGRESS_LINE = CARD_SIZE[1], 20.0
# What is small but not nothing can still be seen.
LEAST_PART = 4.0
MARK_SIDE, MARK_GAP = 7.0, 3.0

NO_STATE = State("")


def draw(definition: Any, *, states: Mapping[str, State] | None = None, title: str = "Workflow") -> str:
    """Return a definition's graph as an SVG element, to stand inline in a page or alone in a file.

    Nodes lie where ``ui.positions`` says (``{"<id>": {"x": …, "y": …}}``) if it places them all, else in layers. Whatever
    the definition holds is drawn as far as it makes sense, and escaped: a draft with cycles, doubled ids or edges to
    nowhere gives a picture that shows them. A loop or a parallel is a frame around the nodes in it. Never raises.

    :param states: what became of each node, by node id.
    :param title: what the picture shows, for readers who do not see it.
    """
    sketch = read(definition)
    states = states or {}
    if not sketch.cards:
        note = _text(MARGIN, 44, "This workflow has no nodes yet.", NAME_SIZE, "muted")
        return _svg(Box(0, 0, 420, 72), title, "No nodes.", note)
    has_progress = any(card.scope and _so_far(states.get(card.id, NO_STATE)) for card in sketch.cards)
    placement = place(sketch, header=HEADER + PROGRESS_LINE * has_progress)
    lines = routes(sketch, placement)
    problems = _problems(sketch)
    frames = [
        _frame(sketch.cards[key], frame, placement.cards[key], states.get(sketch.cards[key].id, NO_STATE))
        for key, frame in placement.frames.items()
    ]
    edges = [
        _edge(sketch, arrow, line, states, problem=problems.get((arrow.source, arrow.target), ""))
        for arrow, line in zip(sketch.arrows, lines, strict=True)
    ]
    nodes = [
        _node(card, placement.cards[key], states.get(card.id, NO_STATE))
        for key, card in enumerate(sketch.cards)
        if key not in placement.frames
    ]
    labels = [_label(arrow, line) for arrow, line in zip(sketch.arrows, lines, strict=True)]
    canvas = _canvas([*placement.cards.values(), *placement.frames.values()], lines)
    if sketch.left_out:
        note = f"… and {sketch.left_out} more nodes, which are not drawn."
        labels.append(_text(canvas.x + MARGIN, canvas.bottom + 4, note, NAME_SIZE, "muted"))
        canvas = Box(canvas.x, canvas.y, canvas.width, canvas.height + MARGIN)
    return _svg(canvas, title, _description(sketch, states), "".join([*frames, *edges, *nodes, *labels]))


def _problems(sketch: Sketch) -> dict[Pair, str]:
    """Return what is wrong with edges that no graph can have."""
    pairs = [(arrow.source, arrow.target) for arrow in sketch.arrows]
    crossing = {
        (arrow.source, arrow.target): "leads into a scope or out of one, and edges stay within"
        for arrow in sketch.arrows
        if sketch.crosses(arrow)
    }
    backward = set(pairs) - set(without_cycles(range(len(sketch.cards)), dict.fromkeys(pairs)))
    return crossing | dict.fromkeys(backward, "goes back, and a graph has no cycles")


def _canvas(boxes: list[Box], lines: list[Route]) -> Box:
    left, top = min(box.x for box in boxes) - MARGIN, min(box.y for box in boxes) - MARGIN
    right = max([*(box.right for box in boxes), *(line.right for line in lines)]) + MARGIN
    return Box(left, top, right - left, max(box.bottom for box in boxes) + MARGIN - top)


def _svg(canvas: Box, title: str, description: str, content: str) -> str:
    size = f'width="{canvas.width:.0f}" height="{canvas.height:.0f}"'
    view = f"{canvas.x:.1f} {canvas.y:.1f} {canvas.width:.1f} {canvas.height:.1f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="segue-graph" role="img" {size} viewBox="{view}" '
        f'font-family="{escape(palette.SANS)}"><title>{escape(title)}</title><desc>{description}</desc>'
        f"<style>{palette.STYLE}</style>{content}</svg>"
    )


def _description(sketch: Sketch, states: Mapping[str, State]) -> str:
    """Return in words what the picture shows."""
    nodes = [
        f"{escape(card.name)} ({escape(_type_in_words(card))})"
        + (f": {escape(str(states[card.id]))}" if card.id in states else "")
        for card in sketch.cards
    ]
    edges = [f"{escape(_edge_in_words(sketch, arrow))}" for arrow in sketch.arrows]
    return "Nodes: " + "; ".join(nodes) + "." + (" Edges: " + "; ".join(edges) + "." if edges else "")


def _type_in_words(card: Card) -> str:
    return f"{card.type}, {card.scope}" if card.scope else card.type


def _edge_in_words(sketch: Sketch, arrow: Arrow) -> str:
    port = "" if arrow.port == "main" else f".{arrow.port}"
    return f"{sketch.cards[arrow.source].id}{port} → {sketch.cards[arrow.target].id} ({arrow.type or 'data'})"


def _frame(card: Card, frame: Box, header: Box, state: State) -> str:
    """Return a scope: its header, and the frame around what it holds."""
    left = header.x + INNER + TILE + 12
    width = header.right - INNER - left
    caption = card.type.upper()
    id_width = width - width_of(caption, CAPTION_SIZE, weight=600) - 16
    return (
        f'<g class="sg-scope"{_faded(card, state)}><title>{escape(_words(card, state))}</title>'
        + _face("sg-frame", frame, palette.FRAME_FILL, corner=CORNER)
        + _header(header)
        + _outline(card, frame, state, corner=CORNER)
        + _tile(_look(card), header.x + INNER, header.y + (HEADER - TILE) / 2)
        + _text(left, header.y + 24, fit(caption, width, CAPTION_SIZE, weight=600), CAPTION_SIZE, "muted", weight=600)
        + _text(
            header.right - INNER,
            header.y + 24,
            fit(card.id, id_width * 0.9, ID_SIZE),
            ID_SIZE,
            "muted",
            anchor="end",
            font=palette.MONO,
        )
        + _text(left, header.y + 43, fit(card.name, width, NAME_SIZE, weight=600), NAME_SIZE, "text", weight=600)
        + _text(left, header.y + 61, fit(card.scope, width, ID_SIZE), ID_SIZE, "muted")
        + _text(left, header.y + 80, fit(_so_far(state), width, ID_SIZE, weight=600), ID_SIZE, "text", weight=600)
        + (_bar(header, state.passes, state.passes.total) if state.passes and state.passes.total else "")
        + _pill(card, frame, state)
        + "</g>"
    )


def _header(box: Box) -> str:
    """Return the upper part of a frame, with the frame's round corners above and a straight line below."""
    return (
        f'<path class="sg-header" d="M{box.x:.1f} {box.bottom:.1f}V{box.y + CORNER:.1f}a{CORNER:.0f} {CORNER:.0f} 0 0 1 '
        f"{CORNER:.0f} -{CORNER:.0f}H{box.right - CORNER:.1f}a{CORNER:.0f} {CORNER:.0f} 0 0 1 {CORNER:.0f} {CORNER:.0f}"
        f'V{box.bottom:.1f}Z" fill="{palette.CARD_FILL}" stroke="{palette.CARD_LINE}"/>'
    )


def _so_far(state: State) -> str:
    return str(state.passes) if state.passes else state.counted


def _bar(header: Box, passes: Passes, total: int) -> str:
    """Return how far the passes have come, as a bar on the line below the header."""
    room = header.width - 2
    counts = {"completed": passes.succeeded, "failed": passes.failed, "running": passes.open}
    widths = {word: max(room * count / total, LEAST_PART) for word, count in counts.items() if count}
    if widths and (excess := sum(widths.values()) - room) > 0:
        longest = max(widths, key=lambda word: widths[word])
        widths[longest] = max(widths[longest] - excess, 0.0)
    drawn, x = "", header.x + 1
    for word, width in widths.items():
        drawn += f'<rect x="{x:.1f}" y="{header.bottom - 2:.1f}" width="{width:.1f}" height="4" '
        drawn += f'fill="{palette.STATES[word]}"/>'
        x += width
    return drawn


def _edge(sketch: Sketch, arrow: Arrow, line: Route, states: Mapping[str, State], *, problem: str) -> str:
    colour = palette.PROBLEM if problem else _colour(arrow)
    dashes = palette.DASHES.get(arrow.type, "")
    words = _edge_in_words(sketch, arrow) + (f": {problem}" if problem else "")
    is_faint = any(
        states.get(sketch.cards[key].id, NO_STATE).word in palette.FAINT_STATES for key in (arrow.source, arrow.target)
    )
    return (
        f'<g class="sg-edge"{_opacity(0.5 if is_faint else 1)}><title>{escape(words)}</title>'
        f'<path d="{line.path}" fill="none" stroke="{colour}" stroke-width="1.75" stroke-linecap="round"'
        + (f' stroke-dasharray="{dashes}"' if dashes else "")
        + f"/>{_head(line, colour, is_attached=arrow.type == 'tool')}</g>"
    )


def _colour(arrow: Arrow) -> str:
    return palette.PROBLEM if arrow.port == "error" else palette.EDGE_COLOURS.get(arrow.type, palette.EDGE)


def _head(line: Route, colour: str, *, is_attached: bool) -> str:
    (x, y), (dx, dy) = line.end, line.direction
    if is_attached:
        return f'<circle cx="{x - dx * 4:.1f}" cy="{y - dy * 4:.1f}" r="4" fill="{colour}"/>'
    back_x, back_y = x - dx * HEAD, y - dy * HEAD
    one, other = (back_x - dy * 5, back_y - dx * 5), (back_x + dy * 5, back_y + dx * 5)
    return f'<path d="M{one[0]:.1f} {one[1]:.1f}L{x:.1f} {y:.1f}L{other[0]:.1f} {other[1]:.1f}Z" fill="{colour}"/>'


def _label(arrow: Arrow, line: Route) -> str:
    words = ("ƒ " if arrow.type == "processed_data" else "") + ("" if arrow.port == "main" else arrow.port)
    if not words:
        return ""
    text = fit(words.strip(), MAX_LABEL, LABEL_SIZE)
    (x, y), width = line.label, width_of(text, LABEL_SIZE) + 14
    return (
        f'<g class="sg-port"><rect class="sg-label" x="{x - width / 2:.1f}" y="{y - 9.5:.1f}" width="{width:.1f}" height="19" '
        f'rx="9.5" fill="{palette.CARD_FILL}" stroke="{palette.CARD_LINE}"/>'
        + _text(x, y + 3.8, text, LABEL_SIZE, "text", anchor="middle")
        + "</g>"
    )


def _node(card: Card, box: Box, state: State) -> str:
    left = box.x + INNER + TILE + 12
    width = box.right - INNER - left
    caption = card.type.upper() + (f" · {card.detail}" if card.detail else "")
    return (
        f'<g class="sg-node"{_faded(card, state)}><title>{escape(_words(card, state))}</title>'
        + _face("sg-card", box, palette.CARD_FILL, corner=CARD_CORNER)
        + _outline(card, box, state, corner=CARD_CORNER)
        + _tile(_look(card), box.x + INNER, box.y + (box.height - TILE) / 2)
        + _text(left, box.y + 24, fit(caption, width, CAPTION_SIZE, weight=600), CAPTION_SIZE, "muted", weight=600)
        + _text(left, box.y + 43, fit(card.name, width, NAME_SIZE, weight=600), NAME_SIZE, "text", weight=600)
        + _text(left, box.y + 61, fit(card.id, width * 0.9, ID_SIZE), ID_SIZE, "muted", font=palette.MONO)
        + _counts_or_pill(card, box, state)
        + "</g>"
    )


def _counts_or_pill(card: Card, box: Box, state: State) -> str:
    """Return the mark of a state; counts, of which there may be many, on the lower edge, where no arrow ends."""
    if not state.counts:
        return _pill(card, box, state)
    return _marks(((f"{count:,} {word}", word) for word, count in state.counts.items()), box, box.bottom)


def _words(card: Card, state: State) -> str:
    """Return what a reader is told who points at a card."""
    return " · ".join(filter(None, (card.name, card.type, card.id, card.scope, str(state))))


def _look(card: Card) -> palette.Look:
    return palette.UNKNOWN if card.is_missing else palette.LOOKS.get(card.type, palette.UNKNOWN)


def _face(name: str, box: Box, fill: str, *, corner: float) -> str:
    return (
        f'<rect class="{name}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" '
        f'rx="{corner:.0f}" fill="{fill}"/>'
    )


def _outline(card: Card, box: Box, state: State, *, corner: float) -> str:
    """Return the line around a card or a frame: of the colour of its state, if that is to be seen."""
    is_marked = card.is_missing or state.word in palette.STATES.keys() - palette.FAINT_STATES
    line = palette.PROBLEM if card.is_missing else palette.STATES.get(state.word, palette.CARD_LINE)
    # A presentation attribute loses against the dark style sheet; without its class the line keeps a state's colour.
    name = "" if is_marked else 'class="sg-line" '
    return (
        f'<rect {name}x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="{corner:.0f}" '
        f'fill="none" stroke="{line if is_marked else palette.CARD_LINE}" stroke-width="{2 if is_marked else 1.25}"'
        + (' stroke-dasharray="6 4"' if card.is_missing or card.is_disabled or state.word == "skipped" else "")
        + "/>"
    )


def _tile(look: palette.Look, x: float, y: float) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{TILE:.0f}" height="{TILE:.0f}" rx="9" fill="{look.colour}"/>'
        f'<path transform="translate({x + 8:.1f} {y + 8:.1f})" d="{look.icon}" fill="none" stroke="#ffffff" stroke-width="1.7" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )


def _pill(card: Card, box: Box, state: State) -> str:
    """Return the mark of a state, on the upper edge."""
    word = state.word or ("disabled" if card.is_disabled else "")
    return _marks([(word, word)], box, box.y) if word else ""


def _marks(marks: Iterable[tuple[str, str]], box: Box, y: float) -> str:
    """Return words on the colours of states, in a row that ends at a box's right side; what has no room is left out."""
    pills: list[tuple[str, float, str]] = []
    room = box.width - 2 * MARK_SIDE
    for text, word in marks:
        text = fit(text, 110, PILL_SIZE, weight=600)
        width = width_of(text, PILL_SIZE, weight=600) + 14
        if width > room:
            break
        pills.append((text, width, palette.STATES.get(word, palette.MUTED)))
        room -= width + MARK_GAP
    x, drawn = box.x + MARK_SIDE + room + MARK_GAP * bool(pills), ""
    for text, width, colour in pills:
        drawn += f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="18" rx="9" fill="{colour}"/>'
        drawn += _text(x + width / 2, y + 3.7, text, PILL_SIZE, "mark", weight=600, anchor="middle")
        x += width + MARK_GAP
    return drawn


def _text(
    x: float, y: float, text: str, size: float, role: str, *, weight: int = 400, anchor: str = "start", font: str = ""
) -> str:
    fill = {"text": palette.TEXT, "muted": palette.MUTED, "mark": "#ffffff"}[role]
    return (
        f'<text class="sg-{role}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}"'
        + (f' text-anchor="{anchor}"' if anchor != "start" else "")
        + (f' font-family="{escape(font)}"' if font else "")
        + f">{escape(text)}</text>"
    )


def _faded(card: Card, state: State) -> str:
    return _opacity(0.6 if card.is_disabled or state.word == "skipped" else 1)


def _opacity(opacity: float) -> str:
    return "" if opacity == 1 else f' opacity="{opacity}"'
