"""What all endpoints of the API share, in one place to import from.

Scope and permission are in ``viewsets``, the checking of bodies in ``inputs``; parser, pagination and error handler have
modules of their own because REST framework's views import them.
"""

from __future__ import annotations

from projects.inputs import ScopedRelatedField, StrictSerializer
from projects.pagination import NewestFirstPagination
from projects.parsers import StrictJSONParser
from projects.problems import exception_handler
from projects.viewsets import Parent, ProjectScopedViewSet

__all__ = [
    "NewestFirstPagination",
    "Parent",
    "ProjectScopedViewSet",
    "ScopedRelatedField",
    "StrictJSONParser",
    "StrictSerializer",
    "exception_handler",
]
