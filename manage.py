#!/usr/bin/env python
"""Django's command line, with Segue's commands."""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import Error as DatabaseError

from config.supervisor import command as supervisor
from projects.database_errors import advice
from projects.management.commands import make_encryption_key

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if sys.argv[1:2] == ["up"]:
        # Before the settings: they demand keys, which the first start in a folder makes.
        sys.exit(supervisor.main(sys.argv[2:]))
    if sys.argv[1:2] == ["make_encryption_key"]:
        # Before the settings, too: they demand keys, and this makes one.
        settings.configure()
        make_encryption_key.Command().run_from_argv(sys.argv)
        sys.exit()
    try:
        execute_from_command_line(sys.argv)
    except DatabaseError as error:
        hint = advice(error)
        if hint is None or "--traceback" in sys.argv:
            raise
        sys.exit(f"{type(error).__name__}: {str(error).strip().splitlines()[0]}\n{hint}")
    except KeyboardInterrupt:
        # Who presses Ctrl-C does not ask where it was.
        sys.exit(130)
