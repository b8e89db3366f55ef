"""Figures of several rounds, and the tables they are printed in."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def median_of(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the median of each figure over the rounds that have it."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    return {name: statistics.median(figures[name] for figures in rounds if name in figures) for name in names}


def load_average() -> str:
    """Return how busy the machine has been in the last minute, to be read beside every figure."""
    return f"{os.getloadavg()[0]:.1f}"


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows as a Markdown table, under a title and above the machine that they were measured on."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_text(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    lines = [
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    print(f"\n### {title}\n")
    print("\n".join(lines))
    print(
        f"\n{os.cpu_count()} processors, Python {platform.python_version()}, load average {load_average()}", flush=True
    )


def _text(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
