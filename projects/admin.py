"""Projects and their people for operators. Keys are never shown, and tokens are not made here: nobody could be told."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from projects import services
from projects.access import Actor
from projects.exceptions import SegueError
from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role


class MemberInline(admin.TabularInline):  # type: ignore[type-arg]  # Generic in the stubs alone.
    model = ProjectMember
    extra = 0
    fields = ["user", "role", "created_at"]
    autocomplete_fields = ["user"]
    readonly_fields = ["created_at"]


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "created_by", "created_at"]
    list_select_related = ["created_by"]
    search_fields = ["name", "description"]
    fields = ["name", "description", "id", "created_by", "created_at", "updated_at"]
    readonly_fields = ["id", "created_by", "created_at", "updated_at"]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    inlines = [MemberInline]

    def has_delete_permission(self, request: HttpRequest, obj: Project | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        """Save through the services, which know who owns a new project and keep the audit log."""
        actor = Actor.of(request)
        if change:
            changes = {name: form.cleaned_data[name] for name in form.changed_data}
            services.update_project(obj, by=actor, **changes)
        else:
            made = services.create_project(obj.name, description=obj.description, by=actor, now=timezone.now())
            obj.pk, obj._state.adding = made.pk, False

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save members through the services, which see to it that an owner stays."""
        formset.save(commit=False)
        actor, now = Actor.of(request), timezone.now()
        try:
            for member in formset.new_objects:
                services.add_member(member.project, user=member.user, role=Role(member.role), by=actor, now=now)
            for member, _ in formset.changed_objects:
                services.change_role(member, Role(member.role), by=actor)
            for member in formset.deleted_objects:
                services.remove_member(member, by=actor, now=now)
        except SegueError as error:
            self.message_user(request, error.message, messages.ERROR)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["name", "prefix", "project", "user", "role", "expires_at", "last_used_at", "revoked_at"]
    list_select_related = ["project", "user"]
    list_filter = ["role", ("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "prefix", "user__username", "project__name"]
    ordering = ["-created_at", "-id"]
    fields = ["name", "prefix", "project", "user", "role", "created_at", "expires_at", "last_used_at", "revoked_at"]
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("projects.change_apitoken")

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke the chosen tokens."""
        for token in queryset:
            services.end_token(token, by=Actor.of(request), now=timezone.now())
        self.message_user(request, "The tokens are revoked.")


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["created_at", "actor_name", "action", "target_type", "target_name", "project_id"]
    list_filter = ["action", "target_type"]
    search_fields = ["actor_name", "target_name", "target_id"]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    fields = [
        "created_at",
        "actor_name",
        "actor_id",
        "token_id",
        "ip_address",
        "action",
        "target_type",
        "target_id",
        "target_name",
        "project_id",
        "details",
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
