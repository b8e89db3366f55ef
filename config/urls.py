"""Every URL of Segue."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from config import views
from executions import approval_page
from triggers import callbacks

admin.autodiscover()

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.live, name="health-live"),
    path("health/ready/", views.ready, name="health-ready"),
    path("admin/", admin.site.urls),
    path("api/", include("config.api")),
    path("callbacks/<str:token>", callbacks.receive, name="callback"),
    path("approvals/<str:key>", approval_page.page, name="approval-page"),
    path("", include("triggers.webhooks.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
