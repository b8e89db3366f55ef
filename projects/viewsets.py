"""The base of the API's endpoints: who calls, what they see, what they may do. Deny by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from django.core.exceptions import ObjectDoesNotExist
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from projects import access
from projects.access import Actor, Permission
from projects.database import Literal
from projects.exceptions import NotFound

M = TypeVar("M", bound=Model)

STANDARD_ACTIONS = ("list", "retrieve", "create", "update", "partial_update", "destroy")


class ProjectPermission(BasePermission):
    """Lets in whoever holds the permission that the viewset's table asks for the action."""

    code = "forbidden"
    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Refuse what the caller may do in no project at all.

        Where the URL names an object or its parent, that decides: who cannot see it must not learn that it is there.
        """
        viewset = cast(ProjectScopedViewSet, view)
        needed = viewset.permission_needed
        if needed is None or viewset.detail or viewset.parent is not None:
            return True
        self.message = f"None of your projects gives you the right to {needed.value}."
        return access.may_somewhere(viewset.actor, needed)

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        viewset = cast(ProjectScopedViewSet, view)
        needed = viewset.permission_needed
        if needed is None:
            return True
        role = access.role_in(viewset.actor, access.project_id_of(obj, viewset.project_path))
        if role is None:
            raise Http404
        self.message = access.refusal(role, needed)
        return access.role_allows(role, needed)


@dataclass(frozen=True, slots=True)
class Parent:
    """What the rows of a nested endpoint belong to: ``/projects/{project_id}/members/``.

    :param kwarg: its name in the URL, and the rows' column: ``project_id``.
    :param project_path: the way from the parent to its project; empty when it is the project.
    """

    model: type[Model]
    kwarg: str
    project_path: str = "project"


class ProjectScopedViewSet(GenericViewSet[Any]):
    """The base of every endpoint whose objects belong to a project.

    Strangers find nothing (404), members without the right are refused (403), nobody is asked to say who they are
    (401). Subclasses declare:

    - ``queryset``, and ``project_path``: the way from a row to its project (``workflow__project``);
    - ``permissions``: what each action needs; None for "anybody who is logged in". An action that is not in the
      table is refused when the class is made;
    - ``parent``, for nested endpoints; it is then found in ``self.parent_object``.

    Lists hold the rows of those projects alone in which the caller may list.
    """

    project_path: ClassVar[str] = "project"
    permissions: ClassVar[Mapping[str, Permission | None]] = {}
    parent: ClassVar[Parent | None] = None
    permission_classes = [IsAuthenticated, ProjectPermission]
    parent_object: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        actions = {name for name in STANDARD_ACTIONS if hasattr(cls, name)}
        actions |= {extra.__name__ for extra in cls.get_extra_actions()}
        if actions != set(cls.permissions):
            missing, unknown = actions - set(cls.permissions), set(cls.permissions) - actions
            raise TypeError(
                f"{cls.__name__}.permissions must name each action: missing {sorted(missing)}, unknown {sorted(unknown)}."
            )

    @property
    def actor(self) -> Actor:
        """Who makes this request."""
        return Actor.of(self.request)

    @property
    def permission_needed(self) -> Permission | None:
        """What the action of this request needs. Methods without an action end in 405, OPTIONS only describes."""
        return self.permissions.get(getattr(self, "action", None) or "")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Check who calls and what they may do, and find the parent, before the action runs."""
        super().initial(request, *args, **kwargs)
        if self.parent is not None:
            self.parent_object = self.find(
                self.parent.model, project_path=self.parent.project_path, pk=kwargs[self.parent.kwarg]
            )

    def get_queryset(self) -> QuerySet[Any]:
        """Return what exists for the caller; in lists: in those projects alone where the action is allowed."""
        queryset = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return queryset.none()
        if self.parent is not None:
            # It is the caller's, and so are its rows. Asking that of each of them would let PostgreSQL expect to find few, and
            # read all that a parent has for one page; so would a plan for parents of whatever size.
            return queryset.filter(**{self.parent.kwarg: Literal(self.parent_object.pk)})
        if self.detail:
            return access.scope(queryset, self.actor, self.project_path)
        return access.scope_list(queryset, self.actor, self.project_path, self.permission_needed or Permission.VIEW)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter lists alone: a single object is found by its id, whatever else the query string asks of it."""
        return queryset if self.detail else super().filter_queryset(queryset)

    def find(
        self,
        model: type[M] | QuerySet[M],
        *,
        project_path: str = "project",
        permission: Permission | None = None,
        **lookup: Any,
    ) -> M:
        """Return another object of the caller's projects, if the action's permission (or this one) is held there.

        :raises NotFound: if there is none, or none that the caller may see.
        :raises Forbidden: if the caller may see it, but not do this.
        """
        queryset = model if isinstance(model, QuerySet) else model._default_manager.all()
        try:
            found = access.scope(queryset, self.actor, project_path).get(**lookup)
        except (ObjectDoesNotExist, DjangoValidationError, ValueError):
            raise NotFound(f"There is no such {queryset.model._meta.verbose_name}.") from None
        needed = permission or self.permission_needed
        if needed is not None:
            access.require(self.actor, access.project_id_of(found, project_path), needed)
        return found

    def validated(
        self, serializer_class: type[serializers.BaseSerializer[Any]], *, partial: bool = False
    ) -> dict[str, Any]:
        """Return the request's body as a serializer accepts it.

        :raises ValidationError: with all its problems at once.
        """
        serializer = serializer_class(data=self.request.data, partial=partial, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        data: dict[str, Any] = serializer.validated_data
        return data
