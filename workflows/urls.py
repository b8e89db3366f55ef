"""The API's routes of this app."""

from __future__ import annotations

from rest_framework.routers import BaseRouter

from workflows import views


def register(router: BaseRouter) -> None:
    """Add this app's viewsets to the API's router."""
    router.register("workflows", views.WorkflowViewSet, basename="workflow")
    router.register(r"workflows/(?P<workflow_id>[^/.]+)/versions", views.VersionViewSet, basename="version")
    router.register(r"workflows/(?P<workflow_id>[^/.]+)/variables", views.VariableViewSet, basename="variable")
    router.register(
        r"projects/(?P<project_id>[^/.]+)/variables", views.ProjectVariableViewSet, basename="project-variable"
    )
    router.register("node-types", views.NodeTypeViewSet, basename="node-type")
    router.register("tools", views.ToolViewSet, basename="tool")
