"""The API's routes of this app."""

from __future__ import annotations

from rest_framework.routers import BaseRouter

from projects import views


def register(router: BaseRouter) -> None:
    """Add this app's viewsets to the API's router."""
    router.register("projects", views.ProjectViewSet, basename="project")
    router.register(r"projects/(?P<project_id>[^/.]+)/members", views.MemberViewSet, basename="member")
    router.register("tokens", views.TokenViewSet, basename="token")
    router.register("audit", views.AuditEntryViewSet, basename="audit")
