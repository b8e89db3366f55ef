"""Pictures of definitions. Pure Python: a definition and, where there is one, what became of each node; SVG comes out."""

from workflows.drawing.picture import draw
from workflows.drawing.states import Passes, State

__all__ = ["Passes", "State", "draw"]
