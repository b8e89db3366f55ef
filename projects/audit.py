"""The audit log: who did what to what. Rows are only ever added; a database trigger sees to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model

from projects.access import Actor
from projects.models import AuditEntry, Project
from projects.payloads import storable


def record(
    action: str,
    target: Model,
    *,
    project: Project | None,
    by: Actor | User | AnonymousUser | None,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Write down that somebody did something, in the transaction that does it.

    :param action: the target's table in the singular and a past participle: ``workflow.published``.
    :param by: who; None for Segue itself.
    :param details: JSON data that helps to understand it later; never a secret.
    """
    actor = by if isinstance(by, Actor) else Actor(user=by or AnonymousUser())
    return AuditEntry.objects.create(
        project=project,
        actor=actor.person,
        actor_name=actor.user.get_username()[:200],
        token=actor.token,
        ip_address=actor.ip_address,
        action=action,
        target_type=target._meta.model_name or "",
        target_id=str(target.pk),
        target_name=str(target)[:200],
        details=storable(dict(details or {})),
    )


def record_setting(name: str, value: Any, *, default: Any) -> AuditEntry | None:
    """Write down what a setting that opens something is now, if it was another when that was last written down.

    :param value: JSON data; never a secret.
    :param default: what it was, if nothing is written down.
    """
    entries = AuditEntry.objects.filter(project__isnull=True, action="setting.changed", target_id=name)
    latest = entries.order_by("-created_at", "-id").first()
    before = latest.details.get("value") if latest is not None else default
    if before == value:
        return None
    return AuditEntry.objects.create(
        action="setting.changed",
        target_type="setting",
        target_id=name,
        target_name=name,
        details={"value": value, "before": before},
    )
