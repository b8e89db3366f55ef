"""What the programs need from the environment, and get here when nobody gave it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import environ

from config.supervisor import broker
from config.supervisor.folder import Folder

# What the settings allow when nobody says anything.
LOOPBACK_HOSTS = "localhost,127.0.0.1,[::1]"


def read_env_file(folder: Folder) -> None:
    """Add the lines of the operator's environment file to this process's environment, as the settings do."""
    path = Path(os.environ.get("SEGUE_ENV_FILE", folder.base / ".env"))
    if path.is_file():
        environ.Env.read_env(path)


def needs_broker(given: Mapping[str, str]) -> bool:
    """Test whether nobody named a broker, so that one is started here."""
    return not given.get("CELERY_BROKER_URL") and not given.get("REDIS_URL")


def additions(folder: Folder, *, given: Mapping[str, str], url: str) -> dict[str, str]:
    """Return what ``given`` lacks for an installation in this folder that answers at ``url``.

    Keys and database are not among it: the settings find those below ``var`` by themselves.
    """
    added = {}
    if not given.get("WEBHOOK_BASE_URL"):
        added["WEBHOOK_BASE_URL"] = url
    if needs_broker(given):
        added["CELERY_BROKER_URL"] = broker.url(folder.broker_socket)
    hosts = (given.get("ALLOWED_HOSTS") or LOOPBACK_HOSTS).split(",")
    if (
        own := urlsplit(url).netloc.rpartition(":")[0]
    ) not in hosts:  # Else our own question whether it is up is refused.
        added["ALLOWED_HOSTS"] = ",".join([*hosts, own])
    return added
