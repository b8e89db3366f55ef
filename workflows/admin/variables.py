"""Variables. A secret's value is written and never read: neither it nor its envelope ever reaches a page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import Page
from workflows import services
from workflows.admin.fields import JsonField
from workflows.models import WorkflowVariable

HIDDEN = "••••••"


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

    class Meta:
        model = WorkflowVariable
        fields = ("workflow", "name", "is_secret")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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


@admin.register(WorkflowVariable)
class VariablePage(Page[WorkflowVariable]):
    """Values are set by the service that encrypts them."""

    form = VariableForm
    list_display = ("name", "workflow_link", "shown_value", "is_secret", "updated_at")
    list_select_related = ("workflow",)
    list_filter = ("is_secret", WorkflowsProjectFilter)
    search_fields = ("name", "workflow__name")
    search_help_text = "A part of the variable's or the workflow's name."
    autocomplete_fields = ("workflow",)
    readonly_fields = ("created_at", "updated_at", "shown_value")

    def get_fields(self, request: HttpRequest, obj: WorkflowVariable | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("workflow", "name", "is_secret", "new_value", "new_secret")
        if self.has_change_permission(request, obj):
            return ("workflow", "name", "is_secret", "new_value", "new_secret", "created_at", "updated_at")
        return ("workflow", "name", "is_secret", "shown_value", "created_at", "updated_at")

    def get_readonly_fields(self, request: HttpRequest, obj: WorkflowVariable | None = None) -> tuple[str, ...]:
        return self.readonly_fields if obj is None else ("workflow", "name", *self.readonly_fields)

    @admin.display(description="workflow")
    def workflow_link(self, variable: WorkflowVariable) -> SafeString | str:
        return values.link(variable.workflow)

    @admin.display(description="value")
    def shown_value(self, variable: WorkflowVariable) -> str:
        return HIDDEN if variable.is_secret else values.excerpt(variable.value)

    def save_model(
        self, request: HttpRequest, obj: WorkflowVariable, form: forms.ModelForm[WorkflowVariable], change: bool
    ) -> None:
        asked = form.cleaned_data
        value = asked["new_secret"] if asked["is_secret"] else asked["new_value"]
        if asked["is_secret"] and not value:
            return  # It stays what it is.
        by, now = Actor.of(request), timezone.now()
        made = services.set_variable(obj.workflow, obj.name, value=value, is_secret=asked["is_secret"], by=by, now=now)
        obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: WorkflowVariable) -> None:
        services.delete_variable(obj.workflow, obj.name, by=Actor.of(request))
