"""The API's routes of this app."""

from __future__ import annotations

from rest_framework.routers import BaseRouter

from templates_app import views


def register(router: BaseRouter) -> None:
    """Add this app's viewsets to the API's router."""
    # In this order: the later one stands for the prefix in the list of all endpoints.
    router.register("templates", views.InstallationViewSet, basename="installation")
    router.register("templates", views.TemplateViewSet, basename="template")
