"""Variables. A secret's value is written and never read: neither it nor its envelope ever reaches a page."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.filters import ProjectFilter, WorkflowsProjectFilter
from projects.backoffice.pages import Page
from workflows import services
from workflows.admin.fields import JsonField
from workflows.models import ProjectVariable, WorkflowVariable

V = TypeVar("V", WorkflowVariable, ProjectVariable)

HIDDEN = "••••••"
MOST_VERSIONS = 10


class WriteOnlyTextarea(forms.Textarea):
    """What was written here is not shown again, also not beside an error."""

    def format_value(self, value: Any) -> str:
        return ""


class VariableForm(forms.ModelForm):  # type: ignore[type-arg]  # Generic in the stubs alone.
    """A value for plain variables, and another field for secrets."""

    new_value = JsonField(
        label="Value",
        required=False,
        rows=6,
        help_text='Of a plain variable. JSON, such as 42 or "a text".',
    )
    new_secret = forms.CharField(
        label="Secret value",
        required=False,
        strip=False,
        widget=WriteOnlyTextarea(
            attrs={"rows": 3, "cols": 80, "class": "sg-code", "autocomplete": "off", "spellcheck": "false"}
        ),
        help_text="Of a secret. Text, as it is. It is stored encrypted and never shown; left empty, the secret stays.",
    )
    hosts = forms.CharField(
        label="Allowed hosts",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "spellcheck": "false"}),
        help_text="Of a secret: the only hosts that it may be sent to, one a line, such as api.example.com or "
        "*.example.com. None means any. Others than there are take the secret's value.",
    )

    class Meta:
        fields = ("name", "is_secret")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["hosts"] = "\n".join(self.instance.allowed_hosts)
        if self.is_new or self.instance.is_secret:
            self.initial["new_value"] = ""
        else:
            self.initial["new_value"] = services.value_of(self.instance)

    @property
    def is_new(self) -> bool:
        """Whether the variable is about to be made."""
        return bool(self.instance._state.adding)

    def clean(self) -> dict[str, Any]:
        super().clean()
        asked = self.cleaned_data
        was_secret = self.initial.get("is_secret", False) and not self.is_new
        if asked["is_secret"] and not asked.get("new_secret") and not was_secret:
            self.add_error("new_secret", "A secret needs a value.")
        if not asked["is_secret"] and not self["new_value"].data:
            self.add_error("new_value", "A variable needs a value; null is one.")
        return asked


class VariablePage(Page[V]):
    """Values are set by the service that encrypts them."""

    form = VariableForm
    owner: ClassVar[str]  # The column that says whose it is.
    readonly_fields = ("created_at", "updated_at", "shown_value", "used_by")

    def get_fields(self, request: HttpRequest, obj: V | None = None) -> tuple[str, ...]:
        own: tuple[str, ...] = (self.owner, "name", "is_secret")
        if obj is None:
            return (*own, "new_value", "new_secret", "hosts")
        if self.has_change_permission(request, obj):
            return (*own, "new_value", "new_secret", "hosts", "used_by", "created_at", "updated_at")
        return (*own, "shown_value", "allowed_hosts", "used_by", "created_at", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: V | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else (self.owner, "name", *self.readonly_fields)

    @admin.display(description="value")
    def shown_value(self, variable: V) -> str:
        return HIDDEN if variable.is_secret else values.excerpt(variable.value)

    @admin.display(description="used by")
    def used_by(self, variable: V) -> SafeString | str:
        found = services.usages_of(variable)
        lines = ((usage.workflow_name, _where(usage)) for usage in found)
        return format_html_join(mark_safe("<br>"), "{}: {}", lines) or "nothing"

    def save_model(self, request: HttpRequest, obj: V, form: forms.ModelForm[V], change: bool) -> None:
        asked, by = form.cleaned_data, Actor.of(request)
        owner, hosts = getattr(obj, self.owner), asked["hosts"].split()
        if asked["is_secret"] and not asked["new_secret"]:
            # The secret stays what it is; it may be held to fewer hosts.
            if hosts != form.initial["hosts"].split():
                services.restrict_secret(owner, obj.name, allowed_hosts=hosts, by=by)
            return
        value = asked["new_secret"] if asked["is_secret"] else asked["new_value"]
        made = services.set_variable(
            owner,
            obj.name,
            value=value,
            is_secret=asked["is_secret"],
            allowed_hosts=hosts if asked["is_secret"] else None,
            by=by,
            now=timezone.now(),
        )
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: V) -> None:
        services.delete_variable(getattr(obj, self.owner), obj.name, by=Actor.of(request))


@admin.register(WorkflowVariable)
class WorkflowVariablePage(VariablePage[WorkflowVariable]):
    owner = "workflow"
    list_display = ("name", "workflow_link", "shown_value", "is_secret", "updated_at")
    list_select_related = ("workflow",)
    list_filter = ("is_secret", WorkflowsProjectFilter)
    search_fields = ("name", "workflow__name")
    search_help_text = "A part of the variable's or the workflow's name."
    autocomplete_fields = ("workflow",)

    @admin.display(description="workflow")
    def workflow_link(self, variable: WorkflowVariable) -> SafeString | str:
        return values.link(variable.workflow)


@admin.register(ProjectVariable)
class ProjectVariablePage(VariablePage[ProjectVariable]):
    owner = "project"
    list_display = ("name", "project_link", "shown_value", "is_secret", "updated_at")
    list_select_related = ("project",)
    list_filter = ("is_secret", ProjectFilter)
    search_fields = ("name", "project__name")
    search_help_text = "A part of the variable's or the project's name."
    autocomplete_fields = ("project",)

    @admin.display(description="project")
    def project_link(self, variable: ProjectVariable) -> SafeString | str:
        return values.link(variable.project)


def _where(usage: services.Usage) -> str:
    """Return where a workflow uses a variable, in words."""
    numbers = ", ".join(map(str, usage.versions[:MOST_VERSIONS]))
    more = ", …" if len(usage.versions) > MOST_VERSIONS else ""
    word = "version" if len(usage.versions) == 1 else "versions"
    places = [*(["its draft"] if usage.in_draft else []), *([f"{word} {numbers}{more}"] if numbers else [])]
    return " and ".join(places) + ("" if usage.is_certain else " (perhaps: by a name known only when it runs)")
