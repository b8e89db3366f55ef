"""Pictures of definitions. Pure Python: a definition and, where there is one, what became of each node; SVG comes out."""

from workflows.drawing.picture import draw

__all__ = ["draw"]
