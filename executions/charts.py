"""A small picture of the executions of each day. Pure: figures in, SVG out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from executions.models import ExecutionStatus
from executions.statistics import Figures

WIDTH, HEIGHT = 720.0, 150.0
LEFT, TOP, BOTTOM = 40.0, 10.0, 22.0
GAP = 0.22  # Of a bar's place, between it and the next one.

# From the ground up. The colours are those of light pages; the style sheet has those of dark ones.
LAYERS: dict[str, tuple[str, tuple[ExecutionStatus, ...]]] = {
    "completed": ("#15803d", (ExecutionStatus.COMPLETED,)),
    "failed": ("#b91c1c", (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT)),
    "cancelled": ("#7e22ce", (ExecutionStatus.CANCELLED,)),
    "live": ("#1d4ed8", (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)),
}


def bars(by_day: Mapping[date, Figures]) -> SafeString:
    """Return a bar for each day, as high as it has executions, in layers by how they ended. Empty without executions."""
    most = max((figures.executions for figures in by_day.values()), default=0)
    if not most:
        return SafeString()
    top = _round_number_above(most)
    place = (WIDTH - LEFT) / len(by_day)
    return format_html(
        '<svg class="sg-bars" viewBox="0 0 {} {}" role="img" aria-label="Executions by day">{}{}{}</svg>',
        f"{WIDTH:.0f}",
        f"{HEIGHT:.0f}",
        _scale(top),
        format_html_join(
            "",
            "{}",
            (
                (_bar(day, figures, LEFT + number * place, place, top),)
                for number, (day, figures) in enumerate(by_day.items())
            ),
        ),
        _days(list(by_day), place),
    )


def _bar(day: date, figures: Figures, x: float, place: float, top: int) -> SafeString:
    y = HEIGHT - BOTTOM
    layers = []
    for name, (colour, statuses) in LAYERS.items():
        height = sum(figures.by_status[status] for status in statuses) / top * (HEIGHT - TOP - BOTTOM)
        if height:
            y -= height
            layers.append(
                (name, colour, f"{x + place * GAP / 2:.1f}", f"{y:.1f}", f"{place * (1 - GAP):.1f}", f"{height:.1f}")
            )
    return format_html(
        "<g><title>{}</title>{}</g>",
        f"{day:%a %d %b %Y}: {_in_words(figures)}",
        format_html_join(
            "", '<rect class="sg-bar-{}" fill="{}" x="{}" y="{}" width="{}" height="{}" rx="1.5"/>', layers
        ),
    )


def _in_words(figures: Figures) -> str:
    counts = [f"{count:,} {status}" for status, count in figures.by_status.items() if count]
    return ", ".join(counts) or "no executions"


def _scale(top: int) -> SafeString:
    lines = (
        (f"{LEFT:.0f}", f"{y:.1f}", f"{WIDTH:.0f}", f"{y:.1f}", f"{LEFT - 6:.0f}", f"{y + 3.5:.1f}", f"{value:,}")
        for value, y in ((0, HEIGHT - BOTTOM), (top, TOP))
    )
    return format_html_join(
        "",
        '<line class="sg-bars-line" x1="{}" y1="{}" x2="{}" y2="{}" stroke="#d5dae3"/>'
        '<text class="sg-bars-text" x="{}" y="{}" text-anchor="end" font-size="10" fill="#5d6b82">{}</text>',
        lines,
    )


def _days(days: list[date], place: float) -> SafeString:
    """Name some of the days: never more than fit."""
    step = max(1, -(-len(days) // 8))
    texts = (
        (f"{LEFT + (number + 0.5) * place:.1f}", f"{HEIGHT - 6:.0f}", f"{days[number]:%d %b}")
        for number in range(0, len(days), step)
    )
    return format_html_join(
        "",
        '<text class="sg-bars-text" x="{}" y="{}" text-anchor="middle" font-size="10" fill="#5d6b82">{}</text>',
        texts,
    )


def _round_number_above(most: int) -> int:
    """Return the next number that begins with one digit and goes on with zeros."""
    power = 1
    while True:
        for factor in range(1, 10):
            if factor * power >= most:
                return factor * power
        power *= 10
