"""Who may decide what, and what a decision does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from executions import links
from executions.engine import signals
from executions.engine.clock import database_now
from executions.exceptions import AlreadyDecided, ApprovalEnded, InvalidForm
from executions.models import Approval, ApprovalDecision, ApprovalStatus, Link, Verdict
from executions.services.links import path_of
from projects import audit
from projects.access import RANKS, Actor, role_in
from projects.exceptions import Forbidden
from projects.failpoints import failpoint
from projects.models import Role
from projects.payloads import storable, storable_text
from workflows.nodes.webhook.approve import APPROVED, REJECTED
from workflows.nodes.webhook.form import answer_problems

PATH = "approvals"
MOST_OF_A_COMMENT = 2000

_ENDS = {Verdict.APPROVE: (ApprovalStatus.APPROVED, APPROVED), Verdict.REJECT: (ApprovalStatus.REJECTED, REJECTED)}


def approval_of_link(token: str) -> tuple[Approval | None, Link | None]:
    """Return what a link asks for, and the link. Before its node has begun there is a link without an approval."""
    link = links.find(token)
    if link is None or path_of(link) != PATH:
        return None, None
    if link.node_run_id is None:
        return None, link
    return Approval.objects.select_related("project", "execution").filter(node_run_id=link.node_run_id).first(), link


def why_not(approval: Approval, by: Actor, *, has_link: bool) -> str:
    """Return why somebody may not decide, whatever has become of the approval; "" if they may."""
    if has_link and approval.anyone:
        return ""
    role = role_in(by, approval.project_id)
    if role is None:
        return "Only members of the project may decide."
    if approval.role is not None and RANKS.index(role) >= RANKS.index(Role(approval.role)):
        return ""
    if by.user.get_username() in approval.users:
        return "" if by.token is None else "You are named to decide this yourself: log in. No token decides it for you."
    return f"This may be decided by {who_decides(approval)}; you are {role.value}."


def until(approval: Approval) -> tuple[datetime | None, bool]:
    """Return until when it can be decided, and whether it is the end of its execution that ends this."""
    own, executions = approval.deadline_at, approval.execution.deadline_at
    if executions is not None and (own is None or executions < own):
        return executions, True
    return own, False


def url_of(approval: Approval) -> str:
    """Return the address of the page on which members decide."""
    return f"{settings.WEBHOOK_BASE_URL}/{PATH}/{approval.pk}"


def who_decides(approval: Approval) -> str:
    """Return who may decide, for people."""
    groups = []
    if approval.role is not None:
        more = "" if approval.role == Role.OWNER else " or more"
        groups.append(f"members with the role {approval.role}{more}")
    if approval.users:
        groups.append(", ".join(approval.users))
    if approval.anyone:
        groups.append("whoever has the link")
    return " or ".join(groups)


@transaction.atomic
def decide(
    approval: Approval,
    verdict: Verdict,
    *,
    by: Actor,
    now: datetime,
    comment: str = "",
    form: Mapping[str, Any] | None = None,
    has_link: bool = False,
    name: str = "",
) -> Approval:
    """Approve or reject. The first who rejects, and the last who is needed to approve, end the approval and wake its execution.

    The same decision of the same person again changes nothing.

    :param form: what was filled in, if the approval has a form and is approved. A rejection needs none.
    :param has_link: whether the person came over the approval's link.
    :param name: what somebody without an account calls themselves.
    :raises Forbidden: if it is not theirs to decide.
    :raises InvalidForm: if what was filled in does not fit; ``problems`` lists why.
    :raises ApprovalEnded: if it was decided, has expired, or is not needed any more.
    :raises AlreadyDecided: if the person has decided otherwise before.
    """
    if reason := why_not(approval, by, has_link=has_link):
        raise Forbidden(reason)
    form = storable(dict(form or {}))
    if verdict == Verdict.APPROVE and (problems := answer_problems(approval.form, form)):
        raise InvalidForm(
            "What was filled in does not fit the form.", problems=[problem.to_json() for problem in problems]
        )
    # Whoever decides, cancels or lets it expire in this moment takes turns here.
    signals.lock(approval.execution_id)
    approval.refresh_from_db()
    person = by.person
    before = approval.decisions.filter(user=person).first() if person is not None else None
    if before is not None and before.verdict == verdict:
        if verdict == Verdict.APPROVE and before.form != form:
            raise AlreadyDecided("You have approved already, with other answers in the form: those stay.")
        return approval
    _refuse_ended(approval)
    if before is not None:
        raise AlreadyDecided(f"You have decided already: {before.verdict}.")
    decision = ApprovalDecision.objects.create(
        approval=approval,
        user=person,
        name=(by.user.get_username() if person is not None else storable_text(name))[:200],
        is_by_link=person is None,
        verdict=verdict,
        comment=storable_text(comment)[:MOST_OF_A_COMMENT],
        form=form if verdict == Verdict.APPROVE else {},
        ip_address=by.ip_address,
        created_at=now,
    )
    failpoint("decide.inside")
    decisions = list(approval.decisions.order_by("created_at", "id"))
    if verdict == Verdict.REJECT or len(decisions) >= approval.needed:
        _end(approval, verdict, decision, decisions, now=now)
    details = {"comment": decision.comment, "name": decision.name, "execution": str(approval.execution_id)}
    past = "approved" if verdict == Verdict.APPROVE else "rejected"
    audit.record(f"approval.{past}", approval, project=approval.project, by=by, details=details)
    return approval


def _refuse_ended(approval: Approval) -> None:
    if not approval.is_open:
        raise ApprovalEnded(f"{approval.title!r} is {approval.status} already: nothing is left to decide.")
    if approval.deadline_at is not None and approval.deadline_at <= database_now():
        raise ApprovalEnded(f"{approval.title!r} could be decided until {approval.deadline_at:%Y-%m-%d %H:%M:%S} UTC.")


def _end(
    approval: Approval,
    verdict: Verdict,
    last: ApprovalDecision,
    decisions: Iterable[ApprovalDecision],
    *,
    now: datetime,
) -> None:
    approval.status, word = _ENDS[verdict]
    approval.ended_at = now
    approval.save(update_fields=["status", "ended_at"])
    output = {
        "decision": word,
        "decided_by": last.name or None,
        "is_by_link": last.is_by_link,
        "decided_at": now.isoformat(),
        "comment": last.comment,
        "form": last.form,
        "timed_out": False,
        "decisions": [
            {
                "by": each.name or None,
                "is_by_link": each.is_by_link,
                "verdict": each.verdict,
                "comment": each.comment,
                "form": each.form,
                "at": each.created_at.isoformat(),
            }
            for each in decisions
        ],
    }
    if not signals.answer(approval.execution_id, approval.node_run_id, {"output": output, "ports": [word]}):
        raise ApprovalEnded(f"{approval.title!r} is not needed any more: its execution has gone on.")


def is_to_come(link: Link) -> bool:
    """Whether a link's node has not asked yet, and may still do so."""
    return link.node_run_id is None and link.answered_at is None and not link.execution.has_ended
