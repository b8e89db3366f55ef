"""Every address below ``/webhooks/`` and ``/webhooks-test/``. Whether there is something is a question to the database."""

from __future__ import annotations

from django.urls import re_path

from triggers.webhooks.views import receive, receive_test

# A class and not (?s): Django cannot turn inline flags round, and then reverses no URL of the whole site.
urlpatterns = [
    re_path(r"^webhooks/(?P<path>[\s\S]*)\Z", receive, name="webhook"),
    re_path(r"^webhooks-test/(?P<token>[A-Za-z0-9_-]{1,64})/?(?P<path>[\s\S]*)\Z", receive_test, name="webhook-test"),
]
