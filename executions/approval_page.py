"""``/approvals/<key>``: where people decide. GET shows, POST decides; without JavaScript, and never in a frame.

The key is the token of the node's link, or the approval's id. The link lets in anybody where the approval says so; everybody
else logs in, and must be a member of the project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from executions.models import Approval, ApprovalStatus, Verdict
from executions.services import approvals
from projects.access import Actor, scope
from projects.backoffice import values
from projects.exceptions import Conflict, Forbidden, SegueError
from projects.problems import describe
from workflows.definition.problems import pointer
from workflows.nodes.webhook.form import Field, fields_of, read_form

# Nothing is loaded but our own style sheet, nothing runs, and nobody may put the page into theirs (S-UI-1).
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PREFIX = "form."


@dataclass(frozen=True)
class Shown:
    """A field with what stands in it, and what is wrong with that."""

    field: Field
    name: str
    value: Any
    errors: tuple[str, ...]


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@csrf_protect
def page(request: HttpRequest, key: str) -> HttpResponse:
    """Show an approval, or decide it."""
    response = _page(request, key)
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "same-origin" if _is_id(key) else "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def _page(request: HttpRequest, key: str) -> HttpResponse:
    actor, has_link = Actor.of(request), not _is_id(key)
    approval, is_to_come = _find(key, actor, has_link=has_link)
    is_open_to_all = has_link and approval is not None and approval.anyone
    if is_to_come:
        return _note(request, "Not yet", "The workflow has not come to this approval yet. Open the link again later.")
    if not is_open_to_all and not actor.is_somebody:
        if approval is None and has_link:
            return _nothing(request)
        return redirect_to_login(request.get_full_path(), reverse("rest_framework:login"))
    if approval is None or (not is_open_to_all and not _is_visible(approval, actor)):
        return _nothing(request)
    if request.method != "POST":
        return _show(request, approval, actor, has_link=has_link)
    return _decide(request, approval, actor, has_link=has_link)


def _find(key: str, actor: Actor, *, has_link: bool) -> tuple[Approval | None, bool]:
    """Return the approval, and whether there will be one later."""
    if has_link:
        approval, link = approvals.approval_of_link(key)
        return approval, approval is None and link is not None and approvals.is_to_come(link)
    found = scope(Approval.objects.select_related("project", "execution"), actor).filter(pk=key).first()
    return found, False


def _is_visible(approval: Approval, actor: Actor) -> bool:
    return scope(Approval.objects.filter(pk=approval.pk), actor).exists()


def _is_id(key: str) -> bool:
    try:
        UUID(key)
    except ValueError:
        return False
    return True


def _decide(request: HttpRequest, approval: Approval, actor: Actor, *, has_link: bool) -> HttpResponse:
    verdict = request.POST.get("verdict", "")
    if verdict not in Verdict.values:
        return _show(request, approval, actor, has_link=has_link, error="Choose: approve or reject.", status=400)
    posted = {name.removeprefix(_PREFIX): text for name, text in request.POST.items() if name.startswith(_PREFIX)}
    given = read_form(approval.form, {name: str(text) for name, text in posted.items()})
    try:
        approvals.decide(
            approval,
            Verdict(verdict),
            by=actor,
            now=timezone.now(),
            comment=request.POST.get("comment", ""),
            form=given if verdict == Verdict.APPROVE else None,
            has_link=has_link,
            name=request.POST.get("name", ""),
        )
    except SegueError as error:
        problem = describe(error)
        assert problem is not None, "Every error of Segue's own has a description."  # noqa: S101
        if isinstance(error, (Conflict, Forbidden)):
            approval.refresh_from_db()
        return _show(
            request,
            approval,
            actor,
            has_link=has_link,
            error=error.message,
            problems=problem.problems,
            given=given,
            status=problem.status,
        )
    return HttpResponseRedirect(request.get_full_path(), status=HTTPStatus.SEE_OTHER)


def _show(
    request: HttpRequest,
    approval: Approval,
    actor: Actor,
    *,
    has_link: bool,
    error: str = "",
    problems: list[dict[str, Any]] | None = None,
    given: Mapping[str, Any] | None = None,
    status: int = HTTPStatus.OK,
) -> HttpResponse:
    decisions = list(approval.decisions.order_by("created_at", "id"))
    until, ends_with_execution = approvals.until(approval)
    own = next((each for each in decisions if each.user_id is not None and each.user_id == actor.user_id), None)
    reason = approvals.why_not(approval, actor, has_link=has_link)
    context = {
        "approval": approval,
        "details": values.payload(approval.details) if approval.details is not None else "",
        "decisions": [(each, values.payload(each.form) if each.form else "") for each in decisions],
        "who": approvals.who_decides(approval),
        "until": until,
        "ends_with_execution": ends_with_execution,
        "execution_url": _execution_url(approval, actor),
        "own": own,
        "reason": reason,
        "may_decide": approval.is_open and not reason and own is None,
        "fields": _fields(approval, problems or [], given),
        "asks_name": actor.person is None,
        "person": actor.person,
        "comment": request.POST.get("comment", ""),
        "name": request.POST.get("name", ""),
        "error": error,
        "problems": problems or [],
        "ends": {
            ApprovalStatus.APPROVED: "Approved.",
            ApprovalStatus.REJECTED: "Rejected.",
            ApprovalStatus.EXPIRED: "Nobody decided in time.",
            ApprovalStatus.CLOSED: "Not needed any more: the execution has ended or gone on.",
        }.get(ApprovalStatus(approval.status), ""),
    }
    return render(request, "approvals/page.html", context, status=status)


def _execution_url(approval: Approval, actor: Actor) -> str:
    """Return where to see the execution, for those who may use the admin."""
    person = actor.person
    if person is None or not (person.is_staff and person.has_perm("executions.view_workflowexecution")):
        return ""
    return reverse("admin:executions_workflowexecution_change", args=[approval.execution_id])


def _fields(approval: Approval, problems: list[dict[str, Any]], given: Mapping[str, Any] | None) -> list[Shown]:
    return [
        Shown(
            field=field,
            name=f"{_PREFIX}{field.name}",
            value=field.default if given is None else given.get(field.name),
            errors=_errors_of(field, problems, given),
        )
        for field in fields_of(approval.form)
    ]


def _errors_of(field: Field, problems: list[dict[str, Any]], given: Mapping[str, Any] | None) -> tuple[str, ...]:
    if problems and given is not None and field.is_required and field.name not in given:
        return ("This is needed.",)
    path = pointer("form", field.name)
    return tuple(str(problem["message"]) for problem in problems if problem.get("path") == path)


def _note(request: HttpRequest, title: str, text: str, *, status: int = HTTPStatus.OK) -> HttpResponse:
    return render(request, "approvals/note.html", {"title": title, "text": text}, status=status)


def _nothing(request: HttpRequest) -> HttpResponse:
    text = "There is no such approval, or none that you may see. Is the link complete?"
    return _note(request, "Nothing here", text, status=HTTPStatus.NOT_FOUND)
