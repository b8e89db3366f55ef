"""How outputs look on a page: the value, or where a large one can be downloaded."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from executions.downloads import download_path
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.outputs.reference import FILE_COLUMNS
from projects.backoffice import values


def shown_output(node_run: WorkflowExecutionLog) -> SafeString | str:
    """Show what a node run has put out. No file is read for that."""
    note = _note(node_run)
    if note is None:
        return values.payload(node_run.output_data)
    # One that was put off keeps something in the row as well.
    return note if node_run.output_data is None else format_html("{}{}", values.payload(node_run.output_data), note)


def shown_result(execution: WorkflowExecution) -> SafeString | str:
    """Show an execution's result. No file is read for that."""
    if execution.result_in is not None:
        run = execution.node_runs.only("execution_id", *FILE_COLUMNS).filter(pk=execution.result_in).first()
        if run is not None and (note := _note(run)) is not None:
            return note
    return values.payload(execution.result)


def _note(node_run: WorkflowExecutionLog) -> SafeString | None:
    file = node_run.file
    if file is None:
        return None
    return format_html(
        '<p class="sg-note">{} bytes, too large for a page: <a href="{}">download it</a>. SHA-256: <code>{}</code>. In the storage: '
        "<code>{}</code></p>",
        f"{file.size:,}",
        download_path(node_run),
        file.sha256,
        file.name,
    )
