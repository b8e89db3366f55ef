"""Who may do what: projects, their members, API tokens, the audit log."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from projects.constraints import one_of
from projects.ids import new_id


class Role(models.TextChoices):
    """What a member may do; each role may all that the ones below it may."""

    OWNER = "owner"  # Everything, also giving the project away.
    ADMIN = "admin"  # Members, tokens, secrets.
    EDITOR = "editor"  # Workflows and variables.
    OPERATOR = "operator"  # Start, cancel, pause, resume.
    VIEWER = "viewer"  # Look.


class Project(models.Model):
    """What belongs together and is seen by the same people. Every other object belongs to one."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True, default="")
    # The project's own data key, wrapped by a key from the environment (projects.crypto).
    data_key = models.TextField(blank=True, default="", editable=False)
    # Until when its starts are spoken for, in microseconds since 1970 (projects.pacing). Moves only where a limit is set.
    paced_until_us = models.BigIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "projects"
        indexes = [models.Index(fields=["-created_at", "-id"], name="projects_newest")]

    def __str__(self) -> str:
        return self.name


class ProjectMember(models.Model):
    """One person's role in one project."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "project_members"
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="project_members_once"),
            one_of("project_members", "role", Role),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role}) in {self.project}"


class ApiToken(models.Model):
    """A key for programs: one person's, for one project, with at most one role.

    Only the SHA-256 of the key is kept. What the token may do is what its role allows, and never more than its
    owner's membership allows at that moment.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=200)
    role = models.CharField(max_length=16, choices=Role.choices)
    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "api_tokens"
        verbose_name = "API token"
        constraints = [one_of("api_tokens", "role", Role)]
        indexes = [models.Index(fields=["project", "-created_at", "-id"], name="api_tokens_newest")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class AuditEntry(models.Model):
    """Who did what to what, when. Written once; a database trigger forbids change and removal.

    References carry no database constraint, because the entry outlives what it speaks of.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(
        Project, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="audit_entries"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+"
    )
    actor_name = models.CharField(max_length=200, blank=True, default="")
    token = models.ForeignKey(ApiToken, on_delete=models.DO_NOTHING, db_constraint=False, null=True, related_name="+")
    action = models.CharField(max_length=64)
    target_type = models.CharField(max_length=64)
    target_id = models.CharField(max_length=64)
    target_name = models.CharField(max_length=200, blank=True, default="")
    details = models.JSONField(default=dict)
    ip_address = models.GenericIPAddressField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "audit_log"
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            models.Index(fields=["project", "-created_at", "-id"], name="audit_log_project_newest"),
            models.Index(fields=["-created_at", "-id"], name="audit_log_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_name or 'Segue'} {self.action} {self.target_type} {self.target_name or self.target_id}"
