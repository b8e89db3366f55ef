"""The admin's pages of projects, members, tokens and the audit log."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from projects import services
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import Page, ReadOnlyPage
from projects.backoffice.panels import panel
from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role

MOST_MEMBERS = 50


@admin.register(Project)
class ProjectPage(Page[Project]):
    """Projects are made, renamed and removed by the same services as on the API."""

    list_display = ("name", "member_count", "created_by", "created_at")
    list_select_related = ("created_by",)
    search_fields = ("name",)
    search_help_text = "A part of the name."
    list_filter = ("created_at",)
    fields = ("name", "description", "id", "created_by", "created_at", "updated_at")
    readonly_fields = ("id", "created_by", "created_at", "updated_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        return super().get_queryset(request).annotate(member_count=Count("members"))

    @admin.display(description="members")
    def member_count(self, project: Project) -> int:
        count: int = project.member_count  # type: ignore[attr-defined]
        return count

    def save_model(self, request: HttpRequest, obj: Project, form: forms.ModelForm[Project], change: bool) -> None:
        by, asked = Actor.of(request), form.cleaned_data
        if change:
            services.update_project(obj, by=by, **{name: asked[name] for name in form.changed_data})
        else:
            made = services.create_project(asked["name"], description=asked["description"], by=by, now=timezone.now())
            obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        services.delete_project(obj, by=Actor.of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # Members and tokens go with their project, whoever may remove them otherwise.
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected


@panel(Project, title="Members", permission="projects.view_projectmember")
def members(request: HttpRequest, project: Project) -> str:
    """Show who belongs to a project."""
    found = project.members.select_related("user").order_by("-created_at", "-id")[: MOST_MEMBERS + 1]
    rows = [(values.link(member, member.user), member.get_role_display(), member.created_at) for member in found]
    return values.table(
        ("Person", "Role", "Since"), rows, most=MOST_MEMBERS, more=values.list_link(ProjectMember, project=project.pk)
    )


@admin.register(ProjectMember)
class MemberPage(Page[ProjectMember]):
    """Who has which role where."""

    list_display = ("user", "role", "project_link", "created_at")
    list_select_related = ("user", "project")
    list_filter = ("role", ProjectFilter)
    search_fields = ("user__username", "project__name")
    search_help_text = "A part of the user's or the project's name."
    autocomplete_fields = ("project", "user")
    fields = ("project", "user", "role", "created_at")
    ordering = ("-created_at", "-id")

    def get_readonly_fields(self, request: HttpRequest, obj: ProjectMember | None = None) -> tuple[str, ...]:
        return ("created_at",) if obj is None else ("project", "user", "created_at")

    @admin.display(description="project")
    def project_link(self, member: ProjectMember) -> SafeString | str:
        return values.link(member.project)

    def save_model(
        self, request: HttpRequest, obj: ProjectMember, form: forms.ModelForm[ProjectMember], change: bool
    ) -> None:
        by, role = Actor.of(request), Role(form.cleaned_data["role"])
        if change:
            services.change_role(obj, role, by=by)
        else:
            made = services.add_member(obj.project, user=obj.user, role=role, by=by, now=timezone.now())
            obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: ProjectMember) -> None:
        services.remove_member(obj, by=Actor.of(request), now=timezone.now())


@admin.register(ApiToken)
class TokenPage(ReadOnlyPage[ApiToken]):
    """Tokens are made by their owners on the API, where the key is shown once. Here they are seen and revoked."""

    list_display = (
        "name",
        "prefix",
        "user",
        "role",
        "project_link",
        "state",
        "expires_at",
        "last_used_at",
        "created_at",
    )
    list_select_related = ("user", "project")
    list_filter = ("role", ("revoked_at", admin.EmptyFieldListFilter), ProjectFilter)
    search_fields = ("name", "prefix__startswith", "user__username")
    search_help_text = "A part of the token's or the owner's name, or the beginning of the key's prefix."
    fields = ("name", "prefix", "user", "project", "role", "created_at", "expires_at", "last_used_at", "revoked_at")
    actions = ("revoke",)

    @admin.display(description="project")
    def project_link(self, token: ApiToken) -> SafeString | str:
        return values.link(token.project)

    @admin.display(description="state")
    def state(self, token: ApiToken) -> SafeString | str:
        if token.revoked_at is not None:
            return values.pill("revoked")
        has_expired = token.expires_at is not None and token.expires_at <= timezone.now()
        return values.pill("expired" if has_expired else "valid")

    @action("Revoke", applies=lambda token: token.revoked_at is None)
    def revoke(self, request: HttpRequest, token: ApiToken) -> str:
        services.end_token(token, by=Actor.of(request), now=timezone.now())
        return "revoked."


@admin.register(AuditEntry)
class AuditPage(ReadOnlyPage[AuditEntry]):
    """Who did what. The database itself forbids to change it."""

    list_display = ("created_at", "who", "action", "target_type", "target_name", "project", "ip_address")
    list_select_related = ("project",)
    list_filter = ("created_at", ProjectFilter)
    search_fields = ("action__startswith", "target_id__exact", "actor_name__exact")
    search_help_text = "The beginning of the action (workflow.), or exactly a target's id or an actor's name."
    fields = (
        "created_at",
        "who",
        "token",
        "ip_address",
        "action",
        "target_type",
        "target_id",
        "target_name",
        "project",
        "what",
    )
    readonly_fields = ("who", "what")

    @admin.display(description="who")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor_name or "Segue"

    @admin.display(description="details")
    def what(self, entry: AuditEntry) -> SafeString | str:
        return values.payload(entry.details)
