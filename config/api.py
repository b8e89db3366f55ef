"""The API's URLs: one router that every app adds its viewsets to, and the description of it all."""

from __future__ import annotations

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import DefaultRouter

import executions.urls
import projects.urls
import templates_app.urls
import triggers.urls
import workflows.urls

router = DefaultRouter()
for app_urls in (projects.urls, workflows.urls, executions.urls, triggers.urls, templates_app.urls):
    app_urls.register(router)

urlpatterns = [
    path("", include(router.urls)),
    path("auth/", include("rest_framework.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
]
