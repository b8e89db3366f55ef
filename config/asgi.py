"""The ASGI application."""

from __future__ import annotations

import os
from importlib import import_module

from django.conf import settings
from django.core.asgi import get_asgi_application

from projects import statement_time
from projects.database import end_forgotten_transactions

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_asgi_application()
statement_time.limit_this_process(settings.WEB_STATEMENT_SECONDS)
end_forgotten_transactions()
import_module("config.checks").refuse_bad_keys()  # It needs the models, which are there by now.
