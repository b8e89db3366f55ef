"""The admin's page of worker processes."""

from __future__ import annotations

from django.contrib import admin

from executions.models import WorkerProcess
from projects.backoffice.pages import ReadOnlyPage


@admin.register(WorkerProcess)
class WorkerProcessPage(ReadOnlyPage[WorkerProcess]):
    """The processes of workers, what they serve, and when they were seen. Such as ended without a word stay for a day."""

    list_display = ("__str__", "serves", "created_at", "seen_at")
    search_fields = ("host",)
    search_help_text = "A part of the host's name."
    fields = ("host", "pid", "serves", "created_at", "seen_at")
    readonly_fields = ("serves",)

    @admin.display(description="queues")
    def serves(self, process: WorkerProcess) -> str:
        return ", ".join(map(str, process.queues))
