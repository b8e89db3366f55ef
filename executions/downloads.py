"""Outputs as files for people to keep."""

from __future__ import annotations

import orjson
from django.http import FileResponse, HttpResponse, HttpResponseBase
from django.urls import reverse

from executions.models import WorkflowExecutionLog
from executions.outputs.files import CHUNK_BYTES, CONTENT_TYPE, opened


def download_path(node_run: WorkflowExecutionLog) -> str:
    """Return the path at which a node run's output can be downloaded."""
    return reverse("node-run-output", args=[node_run.execution_id, node_run.pk])


def output_response(node_run: WorkflowExecutionLog) -> HttpResponseBase:
    """Return a node run's output as a JSON attachment: a large one in pieces, after it was looked through once.

    :raises OutputUnreadable: if its file is lost or changed.
    :raises StorageDown: if the storage cannot be reached.
    """
    response: HttpResponseBase
    name = f"{node_run.node_id}.json"
    if node_run.file is None:
        # Named here: HttpResponse knows no files.
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        response = HttpResponse(orjson.dumps(node_run.output_data), content_type=CONTENT_TYPE, headers=headers)
    else:
        file = opened(node_run.file, node_id=node_run.node_id)
        response = FileResponse(file, as_attachment=True, filename=name, content_type=CONTENT_TYPE)
        response.block_size = CHUNK_BYTES
        response["Content-Length"] = str(node_run.file.size)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    return response
