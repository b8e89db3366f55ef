"""Every address below ``/webhooks/``. Whether there is something is a question to the database."""

from __future__ import annotations

from django.urls import re_path

from triggers.webhooks.views import receive

urlpatterns = [re_path(r"(?s)^(?P<path>.*)\Z", receive, name="webhook")]
