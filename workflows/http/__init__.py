"""The only door to the outside: tools, nodes, agents and polls call nothing but :class:`Door`.

It resolves a name once, refuses what is not public, connects to the very address that it checked, follows redirects
itself, and bounds time and size. ``workflows.http.configured`` gives the one that the settings describe.
"""

from workflows.http.calls import Cancel, abandonable
from workflows.http.door import MAX_BYTES, MAX_TIMEOUT_SECONDS, TIMEOUT_SECONDS, Door
from workflows.http.errors import Cancelled, DoorError
from workflows.http.gates import Gate, Postponed, through
from workflows.http.replies import Reply, Streamed

__all__ = [
    "MAX_BYTES",
    "MAX_TIMEOUT_SECONDS",
    "TIMEOUT_SECONDS",
    "Cancel",
    "Cancelled",
    "Door",
    "DoorError",
    "Gate",
    "Postponed",
    "Reply",
    "Streamed",
    "abandonable",
    "through",
]
