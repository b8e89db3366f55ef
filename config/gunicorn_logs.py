"""Gunicorn's log lines. It sets its loggers up by itself, before there are settings."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from projects.log_format import mask_lines_of


class MaskingLogger(Logger):  # type: ignore[misc]  # Gunicorn has no types.
    """Writes no secret that its process has seen, also in the tracebacks of requests that failed."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        mask_lines_of(self.error_log)
        mask_lines_of(self.access_log)
