"""Calls that come over one-time links."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from executions import links
from executions.engine import signals
from executions.engine.clock import database_now
from executions.engine.masking import masker_of
from executions.engine.versions import compiled
from executions.exceptions import LinkGone, LinkUsed
from executions.models import Approval, BlockedOn, ExecutionStatus, Link, WorkflowExecution, WorkflowExecutionLog
from projects.exceptions import Forbidden, NotFound, Unavailable
from projects.failpoints import failpoint
from projects.payloads import storable
from workflows.nodes.webhook.wait import Proof, proof_of
from workflows.services import secrets_of

PATH = "callbacks"
# More than these are shown to nobody at once.
MOST_WAITS = 200


@dataclass(frozen=True)
class Call:
    """A call as the waiting node's output tells it.

    :param headers: by lower-cased name, without those that prove something.
    :param digest: tells one call from another.
    """

    method: str
    headers: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    digest: str
    received_at: datetime

    def to_output(self) -> dict[str, Any]:
        """Return the node's output."""
        told = {
            "method": self.method,
            "headers": dict(self.headers),
            "query": dict(self.query),
            "body": self.body,
            "received_at": self.received_at.isoformat(),
        }
        return storable(told)  # type: ignore[no-any-return]


def find_callback(token: str) -> Link:
    """Return the link of a node that waits, or will wait, for a call.

    :raises NotFound: if there is none with this token.
    """
    link = links.find(token)
    if link is None or path_of(link) != PATH:
        raise NotFound("There is no such link.")
    return link


def state_of(link: Link) -> str:
    """Return ``waiting``, ``taken`` or ``gone``: what a call would find now. Changes nothing."""
    if link.answered_at is not None:
        return "taken"
    return "gone" if _why_gone(link) else "waiting"


def refuse_unproven(link: Link, headers: Mapping[str, str]) -> None:
    """Refuse a call without the secret that the node wants beside the link.

    :param headers: by lower-cased name.
    :raises Forbidden: if it is missing or wrong.
    :raises Unavailable: if the variable that holds it is not there.
    """
    proof = _proof_of(link)
    if proof is None:
        return
    name = proof.secret_name or ""
    secret = secrets_of(link.execution.workflow, [name]).get(name)
    if secret is None or secret.problem:
        raise Unavailable(f"The secret variable {name} is not there or cannot be read, so that no call can be proven.")
    given = headers.get(proof.header.lower(), "")
    if not hmac.compare_digest(given.encode(errors="replace"), secret.value.encode()):
        raise Forbidden(f"The header {proof.header} does not hold what this link needs.")


def private_header(link: Link) -> str | None:
    """Return the header that carries the caller's secret, lower-cased, if the node wants one."""
    proof = _proof_of(link)
    return proof.header.lower() if proof else None


@transaction.atomic
def take_call(link: Link, call: Call) -> bool:
    """Bring a call to the node that waits for it; one that comes before the node waits is kept until it does.

    :returns: whether it is the first; the same call again changes nothing.
    :raises LinkUsed: if another call was first.
    :raises LinkGone: if nobody waits any more.
    """
    signals.lock(link.execution_id)
    link.refresh_from_db()
    if link.answered_at is not None:
        if hmac.compare_digest(link.call_digest, call.digest):
            return False
        raise LinkUsed("Another call has come over this link already, and a link takes one.")
    link.execution.refresh_from_db(fields=["status", "completed_at"])
    if reason := _why_gone(link):
        raise LinkGone(reason)
    output = masker_of(link.execution).mask(call.to_output())
    answer, run = {"output": output}, _waiting_run(link)
    link.early = answer if run is None else None
    link.call_digest, link.answered_at = call.digest, call.received_at
    link.save(update_fields=["early", "call_digest", "answered_at"])
    if run is not None and not signals.answer(link.execution_id, run.pk, answer):
        raise LinkGone("The node that waited for this call has gone on without it.")
    failpoint("callback.inside")
    return True


def _why_gone(link: Link) -> str:
    """Return why nobody waits for a link any more; "" if somebody does, or will."""
    if link.execution.has_ended:
        return f"The execution that waited for this call has ended: it is {link.execution.status}."
    run = _run_of(link)
    if run is None or _is_between_attempts(run):
        return ""
    if run.status != ExecutionStatus.RUNNING:
        return "The node that waited for this call has gone on without it."
    if run.wake_at is not None and run.wake_at <= database_now():
        return f"This link ended at {run.wake_at:%Y-%m-%d %H:%M:%S} UTC."
    return ""


def _waiting_run(link: Link) -> WorkflowExecutionLog | None:
    run = _run_of(link)
    return run if run is not None and run.waits_for == BlockedOn.CALLBACK else None


def _run_of(link: Link) -> WorkflowExecutionLog | None:
    if link.node_run_id is None:
        return None
    return WorkflowExecutionLog.objects.only("status", "wake_at", "waits_for").filter(pk=link.node_run_id).first()


def _is_between_attempts(run: WorkflowExecutionLog) -> bool:
    return run.status == ExecutionStatus.FAILED and run.wake_at is not None


def _proof_of(link: Link) -> Proof | None:
    return proof_of(_config_of(link))


def path_of(link: Link) -> str:
    """Return below which path a link lies: what it is for."""
    node = compiled(link.execution.workflow_version_id).nodes[link.node_id]
    return node.type.link_path(node.node.config)


def _config_of(link: Link) -> Mapping[str, Any]:
    return compiled(link.execution.workflow_version_id).nodes[link.node_id].node.config


@dataclass(frozen=True)
class OpenWait:
    """A node that waits for somebody outside. ``url`` is for operators alone; None if it was made with another key."""

    node_id: str
    iteration: str
    waits_for: str
    since: datetime
    until: datetime | None
    approval: UUID | None
    url: str | None = None


def open_waits(execution: WorkflowExecution, *, most: int = MOST_WAITS) -> list[OpenWait]:
    """Return the nodes of an execution that wait for a call or an approval now, without their links; the first so many."""
    waiting = execution.node_runs.filter(
        status=ExecutionStatus.RUNNING,
        waits_for__in=[BlockedOn.CALLBACK, BlockedOn.APPROVAL, BlockedOn.BUDGET],
        answer__isnull=True,
    )
    rows = waiting.order_by("started_at", "id").values_list(
        "pk", "node_id", "iteration", "waits_for", "started_at", "wake_at"
    )
    nodes = compiled(execution.workflow_version_id).nodes
    # Others wait for sub-workflows.
    found = [row for row in rows[:most] if nodes[row[1]].type.link_path(nodes[row[1]].node.config)]
    approval_ids = (
        dict(Approval.objects.filter(node_run_id__in=[row[0] for row in found]).values_list("node_run_id", "pk"))
        if found
        else {}
    )
    return [
        OpenWait(node_id, iteration, str(waits_for), since, until, approval_ids.get(pk))
        for pk, node_id, iteration, waits_for, since, until in found
    ]


def open_links(execution: WorkflowExecution) -> list[OpenWait]:
    """Return the same with their links."""
    nodes = compiled(execution.workflow_version_id).nodes
    digests = {(link.node_id, link.iteration): link.digest for link in Link.objects.filter(execution=execution)}
    found = []
    for wait in open_waits(execution):
        place = links.Place(execution.pk, wait.node_id, wait.iteration)
        node = nodes[wait.node_id]
        known = digests.get((wait.node_id, wait.iteration), "")
        is_ours = hmac.compare_digest(links.digest_of(links.token_of(place)), known)
        url = links.url_of(place, node.type.link_path(node.node.config)) if is_ours else None
        found.append(replace(wait, url=url))
    return found
