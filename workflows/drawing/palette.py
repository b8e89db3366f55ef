"""Colours, icons and styles of the picture.

Everything is drawn with attributes, light, so that it is right without any style sheet, also where a content security
policy forbids inline ones. The style sheet only turns the neutral colours over where it is dark.
"""

from __future__ import annotations

from dataclasses import dataclass

SANS = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"

CARD_FILL = "#ffffff"
CARD_LINE = "#cbd2dd"
TEXT = "#101828"
MUTED = "#5d6b82"
EDGE = "#8793a8"
FRAME_FILL = "#f4f6fa"
PROBLEM = "#b91c1c"

_DARK = {
    "sg-card": "fill:#1c2330",
    "sg-line": "stroke:#3d4960",
    "sg-frame": "fill:#161c27",
    "sg-header": "fill:#1c2330;stroke:#3d4960",
    "sg-text": "fill:#f2f5fa",
    "sg-muted": "fill:#9fabc0",
    "sg-label": "fill:#1c2330;stroke:#3d4960",
}


def _rules(within: str) -> str:
    return "".join(f"{within} .{name}{{{rule}}}" for name, rule in _DARK.items())


# Django's admin writes the reader's choice on the root element; without one, the system's counts.
STYLE = (
    ".segue-graph{color-scheme:light dark}"
    "@media (prefers-color-scheme:dark){"
    + _rules(':root:not([data-theme="light"])')
    + "}"
    + _rules(':root[data-theme="dark"]')
)


@dataclass(frozen=True)
class Look:
    """The tile of a node type: its colour, and an icon as lines in a square of 20."""

    colour: str
    icon: str


LOOKS = {
    "trigger": Look("#047857", "M11.5 2.5 4.5 11.5h5l-1 6 7-9h-5z"),
    "agent": Look("#7c3aed", "M10 2.5l1.9 5.6 5.6 1.9-5.6 1.9L10 17.5l-1.9-5.6L2.5 10l5.6-1.9z"),
    "tool": Look(
        "#2563eb",
        "M16.8 5.6l-2.6 2.6-2.4-2.4 2.6-2.6a4.2 4.2 0 0 0-5.6 5.2l-5.5 5.5 2.8 2.8 5.5-5.5a4.2 4.2 0 0 0 5.2-5.6z",
    ),
    "condition": Look("#c2410c", "M10 17v-6M10 11 4.5 5M10 11l5.5-6M4.2 9V4.6h4.4M15.8 9V4.6h-4.4"),
    "loop": Look("#0e7490", "M16 8A6.5 6.5 0 0 0 4.3 6.6M4 12a6.5 6.5 0 0 0 11.7 1.4M4 3v4h4M16 17v-4h-4"),
    "parallel": Look("#0f766e", "M5 3v14M10 3v14M15 3v14"),
    "webhook": Look("#be185d", "M17.5 2.5 2.5 8.5l6 3 3 6zM8.5 11.5l5-5"),
    "transform": Look("#4f46e5", "M3 6.5h13M13 3.5l3 3-3 3M17 13.5H4M7 10.5l-3 3 3 3"),
    "delay": Look("#a16207", "M10 2.8a7.2 7.2 0 1 0 0 14.4 7.2 7.2 0 0 0 0-14.4zM10 6.2V10l2.6 1.8"),
    "output": Look("#475569", "M5 17.5v-15M5 3.5h10.5l-2.6 3.5 2.6 3.5H5"),
}
UNKNOWN = Look(PROBLEM, "M7.2 7.4a2.9 2.9 0 1 1 4.4 2.5c-1.1.7-1.6 1.3-1.6 2.6M10 16.2v.2")

# A state's word stands on its colour, so that nobody has to tell colours apart.
STATES = {
    "completed": "#15803d",
    "running": "#1d4ed8",
    "waiting": "#b45309",
    "retrying": "#b45309",
    "failed": "#b91c1c",
    "timeout": "#b91c1c",
    "cancelled": "#7e22ce",
    "skipped": "#64748b",
    "pending": "#64748b",
}
# Nodes that nothing has happened to step back.
FAINT_STATES = frozenset({"skipped", "pending"})

# How the line of an edge is dashed, by what the edge means. ``data`` is the plain line.
DASHES = {"action": "7 5", "tool": "2 4", "condition": "", "processed_data": ""}
EDGE_COLOURS = {"condition": LOOKS["condition"].colour, "processed_data": "#6366f1"}
