"""Every address below ``/webhooks/``. Whether there is something is a question to the database."""

from __future__ import annotations

from django.urls import re_path

from triggers.webhooks.views import receive

# A class and not (?s): Django cannot turn inline flags round, and then reverses no URL of the whole site.
urlpatterns = [re_path(r"^(?P<path>[\s\S]*)\Z", receive, name="webhook")]
