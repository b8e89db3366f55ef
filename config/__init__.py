"""Settings, urls, processes. Importing it makes the Celery app the current one in every process."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
