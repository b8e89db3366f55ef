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
