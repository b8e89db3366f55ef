"""The language as a whole."""

from __future__ import annotations

import subprocess
import sys

import workflows.expressions


class TestPackage:
    def test_is_plain_python(self):
        script = (
            "import sys, workflows.expressions;print(sorted({'django', 'rest_framework', 'celery'} & set(sys.modules)))"
        )

        finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

        assert finished.stdout.strip() == "[]"

    def test_offers_what_it_says(self):
        assert all(hasattr(workflows.expressions, name) for name in workflows.expressions.__all__)
