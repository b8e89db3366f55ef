"""The API's URLs: one router that every app adds its viewsets to, and the description of it all."""

from __future__ import annotations

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.routers import DefaultRouter

import executions.urls
import projects.openapi  # It registers itself with drf-spectacular.
import projects.urls
import templates_app.urls
import triggers.urls
import workflows.urls
from config.errors import no_such_route

router = DefaultRouter()
# Otherwise every route exists a second time as /projects.json, and hands its views an argument that they do not expect.
router.include_format_suffixes = False
for app_urls in (projects.urls, workflows.urls, executions.urls, triggers.urls, templates_app.urls):
    app_urls.register(router)

urlpatterns = [
    path("", include(router.urls)),
    path("auth/", include("rest_framework.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    re_path("", no_such_route),
]
