"""A definition as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.drawing import palette
from workflows.drawing.layout import Box, without_cycles
from workflows.drawing.placement import MARGIN, place
from workflows.drawing.reading import Arrow, Card, Sketch, read
from workflows.drawing.routes import HEAD, Route, routes
from workflows.drawing.text import escape, fit, width_of

NAME_SIZE, CAPTION_SIZE, ID_SIZE, PILL_SIZE, LABEL_SIZE = 14.0, 10.5, 11.0, 10.5, 11.0
TILE = 36.0
INNER = 14.0  # Between a card's edge and what stands in it.
MAX_LABEL = 120.0


def draw(definition: Any, *, states: Mapping[str, str] | None = None, title: str = "Workflow") -> str:
    """Return a definition's graph as an SVG element, to stand inline in a page or alone in a file.

    Nodes lie where ``ui.positions`` says (``{"<id>": {"x": …, "y": …}}``) if it places them all, else in layers. Whatever
    the definition holds is drawn as far as it makes sense, and escaped: a draft with cycles, doubled ids or edges to
    nowhere gives a picture that shows them. Never raises.

    :param states: by node id: completed, running, waiting, failed, timeout, cancelled, skipped or pending.
    :param title: what the picture shows, for readers who do not see it.
    """
    sketch = read(definition)
    states = states or {}
    if not sketch.cards:
        note = _text(MARGIN, 44, "This workflow has no nodes yet.", NAME_SIZE, "muted")
        return _svg(Box(0, 0, 420, 72), title, "No nodes.", note)
    placement = place(sketch)
    lines = routes(sketch, placement)
    backward = _backward(sketch)
    frames = [_frame(box) for box in placement.frames.values()]
    edges = [
        _edge(sketch, arrow, line, states, is_problem=(arrow.source, arrow.target) in backward)
        for arrow, line in zip(sketch.arrows, lines, strict=True)
    ]
    nodes = [_node(card, placement.cards[key], states.get(card.id, "")) for key, card in enumerate(sketch.cards)]
    labels = [_label(arrow, line) for arrow, line in zip(sketch.arrows, lines, strict=True)]
    canvas = _canvas([*placement.cards.values(), *placement.frames.values()], lines)
    if sketch.left_out:
        note = f"… and {sketch.left_out} more nodes, which are not drawn."
        labels.append(_text(canvas.x + MARGIN, canvas.bottom + 4, note, NAME_SIZE, "muted"))
        canvas = Box(canvas.x, canvas.y, canvas.width, canvas.height + MARGIN)
    return _svg(canvas, title, _description(sketch, states), "".join([*frames, *edges, *nodes, *labels]))


def _backward(sketch: Sketch) -> set[tuple[int, int]]:
    pairs = [(arrow.source, arrow.target) for arrow in sketch.arrows]
    return set(pairs) - set(without_cycles(range(len(sketch.cards)), dict.fromkeys(pairs)))


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


def _description(sketch: Sketch, states: Mapping[str, str]) -> str:
    """Return in words what the picture shows."""
    nodes = [
        f"{escape(card.name)} ({escape(card.type)})" + (f": {escape(states[card.id])}" if card.id in states else "")
        for card in sketch.cards
    ]
    edges = [f"{escape(_edge_in_words(sketch, arrow))}" for arrow in sketch.arrows]
    return "Nodes: " + "; ".join(nodes) + "." + (" Edges: " + "; ".join(edges) + "." if edges else "")


def _edge_in_words(sketch: Sketch, arrow: Arrow) -> str:
    port = "" if arrow.port == "main" else f".{arrow.port}"
    return f"{sketch.cards[arrow.source].id}{port} → {sketch.cards[arrow.target].id} ({arrow.type or 'data'})"


def _frame(box: Box) -> str:
    return (
        f'<rect class="sg-frame" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="18" '
        f'fill="{palette.FRAME_FILL}" stroke="{palette.CARD_LINE}" stroke-dasharray="5 5"/>'
    )


def _edge(sketch: Sketch, arrow: Arrow, line: Route, states: Mapping[str, str], *, is_problem: bool) -> str:
    colour = palette.PROBLEM if is_problem else _colour(arrow)
    dashes = palette.DASHES.get(arrow.type, "")
    is_faint = any(states.get(sketch.cards[key].id) in palette.FAINT_STATES for key in (arrow.source, arrow.target))
    words = _edge_in_words(sketch, arrow) + (": goes back, and a graph has no cycles" if is_problem else "")
    return (
        f'<g class="sg-edge"{_faded(is_faint, 0.5)}><title>{escape(words)}</title>'
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


def _node(card: Card, box: Box, state: str) -> str:
    look = palette.UNKNOWN if card.is_missing else palette.LOOKS.get(card.type, palette.UNKNOWN)
    words = f"{card.name} · {card.type} · {card.id}" + (f" · {state}" if state else "")
    left = box.x + INNER + TILE + 12
    width = box.right - INNER - left
    caption = card.type.upper() + (f" · {card.detail}" if card.detail else "")
    return (
        f'<g class="sg-node"{_faded(card.is_disabled or state == "skipped", 0.6)}><title>{escape(words)}</title>'
        + _outline(card, box, state)
        + _tile(look, box)
        + _text(
            left,
            box.y + 24,
            fit(caption, width, CAPTION_SIZE, weight=600),
            CAPTION_SIZE,
            "muted",
            weight=600,
        )
        + _text(left, box.y + 43, fit(card.name, width, NAME_SIZE, weight=600), NAME_SIZE, "text", weight=600)
        + _text(left, box.y + 61, fit(card.id, width * 0.9, ID_SIZE), ID_SIZE, "muted", font=palette.MONO)
        + _pill(box, "disabled" if card.is_disabled and not state else state)
        + "</g>"
    )


def _outline(card: Card, box: Box, state: str) -> str:
    line = palette.PROBLEM if card.is_missing else palette.STATES.get(state, palette.CARD_LINE)
    is_marked = card.is_missing or state in palette.STATES.keys() - palette.FAINT_STATES
    # A presentation attribute loses against the dark style sheet; a class of its own keeps a state's colour.
    name = "sg-card" if not is_marked else "sg-marked"
    return (
        f'<rect class="{name}" x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="12" '
        f'fill="{palette.CARD_FILL}" stroke="{line}" stroke-width="{2 if is_marked else 1.25}"'
        + (' stroke-dasharray="6 4"' if card.is_missing or card.is_disabled or state == "skipped" else "")
        + "/>"
    )


def _tile(look: palette.Look, box: Box) -> str:
    x, y = box.x + INNER, box.y + (box.height - TILE) / 2
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{TILE:.0f}" height="{TILE:.0f}" rx="9" fill="{look.colour}"/>'
        f'<path transform="translate({x + 8:.1f} {y + 8:.1f})" d="{look.icon}" fill="none" stroke="#ffffff" stroke-width="1.7" '
        'stroke-linecap="round" stroke-linejoin="round"/>'
    )


def _pill(box: Box, state: str) -> str:
    """Return the mark of a state, on the card's upper edge."""
    if not state:
        return ""
    text = fit(state, 90, PILL_SIZE, weight=600)
    width = width_of(text, PILL_SIZE, weight=600) + 14
    x, colour = box.right - 12 - width, palette.STATES.get(state, palette.MUTED)
    return f'<rect x="{x:.1f}" y="{box.y - 9:.1f}" width="{width:.1f}" height="18" rx="9" fill="{colour}"/>' + _text(
        x + width / 2, box.y + 3.7, text, PILL_SIZE, "pill", weight=600, anchor="middle"
    )


def _text(
    x: float, y: float, text: str, size: float, role: str, *, weight: int = 400, anchor: str = "start", font: str = ""
) -> str:
    fill = {"text": palette.TEXT, "muted": palette.MUTED, "pill": "#ffffff"}[role]
    return (
        f'<text class="sg-{role}" x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}"'
        + (f' text-anchor="{anchor}"' if anchor != "start" else "")
        + (f' font-family="{escape(font)}"' if font else "")
        + f">{escape(text)}</text>"
    )


def _faded(is_faint: bool, opacity: float) -> str:
    return f' opacity="{opacity}"' if is_faint else ""
