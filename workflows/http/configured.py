"""The door that the settings describe."""

from __future__ import annotations

import atexit
from functools import cache

from django.conf import settings

from workflows.http.door import Door


def configured_door() -> Door:
    """Return this process's door, as wide as ``SEGUE_ALLOWED_PRIVATE_NETWORKS`` says."""
    return _door(tuple(settings.SEGUE_ALLOWED_PRIVATE_NETWORKS))


@cache
def _door(allowed_ranges: tuple[str, ...]) -> Door:
    door = Door(allowed_ranges=allowed_ranges)
    atexit.register(door.close)
    return door
