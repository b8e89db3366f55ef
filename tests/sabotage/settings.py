"""The real settings, and the app that takes a part out."""

from __future__ import annotations

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "tests.sabotage.apps.SabotageConfig"]
