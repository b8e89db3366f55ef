"""URLs that said 410 (gone) to a signed call: nothing is sent there until an operator enables them again."""

from __future__ import annotations

import hashlib
from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction

from executions.models import GoneEndpoint, WorkflowExecution
from projects import audit
from projects.access import Actor
from workflows.nodes.base import NodeError


def refuse_gone(execution: WorkflowExecution, url: str) -> None:
    """Refuse to send to a URL that is gone for the execution's project.

    :raises NodeError: ``endpoint_gone``, if it is.
    """
    gone = GoneEndpoint.objects.filter(project_id=execution.project_id, url_hash=_hash(url)).first()
    if gone is None:
        return
    raise NodeError(
        "endpoint_gone",
        f"{gone.url} answered with 410 at {gone.created_at:%Y-%m-%d %H:%M:%S} UTC, and nothing is sent there any more. "
        f"If it is there again, enable it: POST /api/gone-endpoints/{gone.pk}/enable/.",
        details={"gone_endpoint_id": str(gone.pk), "url": gone.url},
    )


def note_gone(execution: WorkflowExecution, url: str, *, now: datetime) -> None:
    """Note that a URL is gone; once is enough. Belongs into the commit that records the node run."""
    row = GoneEndpoint(
        project_id=execution.project_id,
        url_hash=_hash(url),
        url=_shown(url),
        execution_id=execution.pk,
        created_at=now,
    )
    GoneEndpoint.objects.bulk_create([row], ignore_conflicts=True)


@transaction.atomic
def enable(endpoint: GoneEndpoint, *, by: Actor | None) -> None:
    """Let calls go to a URL again."""
    audit.record("gone_endpoint.enabled", endpoint, project=endpoint.project, by=by)
    endpoint.delete()


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode(errors="replace")).hexdigest()


def _shown(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(no valid URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"[:2000]
