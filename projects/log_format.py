"""How log lines are written: last of all, with what is secret masked, whoever logged it and whatever a traceback quotes."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from projects.masking import fit_for_logs, never_log_own

# What every record has; all else is what its writer gave as ``extra``.
_EVERY_RECORDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
_SECRET_NAME = re.compile("key|secret|token|pass|credential|signature", re.IGNORECASE)
_PLAIN = re.compile(r"[\w.:/+-]+")


class MaskingFormatter(logging.Formatter):
    """Writes lines, tracebacks included, without any secret that this process has seen. What is given as ``extra`` stands at the end.

    :param around: a formatter of somebody else's, whose lines it masks; without one it is a formatter like any other.
    """

    def __init__(self, *args: Any, around: logging.Formatter | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._around = around

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record) if self._around is None else self._around.format(record)
        return fit_for_logs(line)

    def formatMessage(self, record: logging.LogRecord) -> str:
        return " ".join([super().formatMessage(record), *_said_beside(record)])


def _said_beside(record: logging.LogRecord) -> Iterator[str]:
    """Yield what a record's writer gave beside its message, as far as it is short data: ``execution_id=…``."""
    for name, value in vars(record).items():
        if name not in _EVERY_RECORDS and isinstance(value, str | int | float | UUID):
            text = str(value)
            yield f"{name}={text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)}"


def mask_lines_of(logger: logging.Logger) -> None:
    """Have what a logger's handlers write masked, however they format it."""
    for handler in logger.handlers:
        if not isinstance(handler.formatter, MaskingFormatter):
            handler.setFormatter(MaskingFormatter(around=handler.formatter or logging.Formatter()))


def never_log_settings(settings: Any) -> None:
    """Keep the installation's own keys and passwords away from the logs of this process."""
    addresses = (settings.CELERY_BROKER_URL,)
    passwords = (
        *(database.get("PASSWORD") for database in settings.DATABASES.values()),
        *(urlsplit(str(address)).password for address in addresses),
        settings.EMAIL_HOST_PASSWORD,
        settings.SECRET_KEY,
        *(line.partition(":")[2] for line in settings.SEGUE_ENCRYPTION_KEYS),
        *_secret_options(settings.STORAGES),
        *_secret_options(settings.MCP_STDIO_SERVERS),
    )
    never_log_own(*(password for password in passwords if password))


def _secret_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the texts in options, however deep, whose names say that they are secret."""
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _secret_options(value)
        elif isinstance(value, str) and _SECRET_NAME.search(name):
            yield value
