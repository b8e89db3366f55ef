"""What bodies of requests are checked with: references that obey the scope, serializers that know all their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from projects import access
from projects.access import Permission
from projects.exceptions import did_you_mean


class ScopedRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """A reference to an object of the caller's projects.

    A foreign id gets the same answer as one that does not exist. An object that the caller may see, but not use for
    the view's action, is refused.

    :param project_path: the way from the object to its project; empty when it is the project itself.
    :param permission: what the caller must hold there; by default what the view's action needs.
    """

    default_error_messages = {"does_not_exist": "There is no {name} with the id {pk_value}."}

    def __init__(self, *, project_path: str = "project", permission: Permission | None = None, **kwargs: Any) -> None:
        self.project_path = project_path
        self.permission = permission
        super().__init__(**kwargs)

    def get_queryset(self) -> QuerySet[Any]:
        queryset = cast("QuerySet[Any]", super().get_queryset())
        view = self.context.get("view")
        if view is None or getattr(view, "swagger_fake_view", False):
            return queryset.none()
        return access.scope(queryset, view.actor, self.project_path)

    def to_internal_value(self, data: Any) -> Any:
        queryset = self.get_queryset()
        try:
            if not isinstance(data, str):
                self.fail("incorrect_type", data_type=type(data).__name__)
            found = queryset.get(pk=data)
        except (ObjectDoesNotExist, DjangoValidationError, ValueError):
            self.fail("does_not_exist", pk_value=data, name=queryset.model._meta.verbose_name)
        view = self.context["view"]
        needed = self.permission or view.permission_needed
        if needed is not None:
            access.require(view.actor, access.project_id_of(found, self.project_path), needed)
        return found


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys that it does not know, together with all other problems. Mix it in before ModelSerializer."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = self._unknown(data) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except ValidationError as error:
            if isinstance(error.detail, dict):
                raise ValidationError({**error.detail, **unknown}) from None
            raise
        if unknown:
            raise ValidationError(unknown)
        return value

    def _unknown(self, data: Mapping[Any, Any]) -> dict[str, list[ErrorDetail]]:
        return {
            key: [ErrorDetail(f"There is no field {key}. {did_you_mean(key, self.fields)}", code="unknown_field")]
            for key in data
            if key not in self.fields
        }
