"""The base of every page of the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.db import DataError, models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from projects.backoffice.actions import in_words
from projects.backoffice.counting import PAGE_SECONDS, BoundedPaginator, TooSlow, patience
from projects.backoffice.panels import panels_of
from projects.exceptions import SegueError

M = TypeVar("M", bound=Model)


if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Generic, as the stubs say it is."""


class Page(_ModelAdmin[M]):
    """A model's list and its rows' pages.

    - Lists are sorted as they are indexed, and in no other way; they count so far and no further.
    - A row's page offers the actions that make sense for it, and shows the panels of other apps.
    - What a service refuses becomes a message.
    """

    change_form_template = "admin/segue/row.html"
    ordering: ClassVar[Any] = ("-created_at", "-id")
    sortable_by = ()
    list_per_page = 50
    formfield_overrides: ClassVar[Any] = {
        models.TextField: {"widget": AdminTextareaWidget(attrs={"rows": 3, "cols": 80})}
    }
    list_max_show_all = 200
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    # Columns that may be large: not read with the row, but when they are shown.
    large_columns: ClassVar[tuple[str, ...]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        return super().get_queryset(request).defer(*self.large_columns)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        # What may be removed at all is removed one by one, by its service.
        actions.pop("delete_selected", None)
        return actions

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may use the actions. Pages that let nobody write columns still have them."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            return super().get_changelist_instance(request)
        except (DataError, ValueError) as error:
            # A filter that no row can fit: a NUL, a number beyond the column. Django asks again without it.
            raise IncorrectLookupParameters(error) from error

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method != "GET":
            return super().changelist_view(request, extra_context)
        try:
            with patience(PAGE_SECONDS):
                answer = super().changelist_view(request, extra_context)
                return answer.render() if isinstance(answer, TemplateResponse) else answer
        except TooSlow:
            context = {**self.admin_site.each_context(request), "title": "This list takes too long", "opts": self.opts}
            return TemplateResponse(request, "admin/segue/too_slow.html", context, status=503)

    def get_urls(self) -> list[URLPattern]:
        act = path(
            "<path:object_id>/act/<slug:name>/",
            self.admin_site.admin_view(self.act_view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_act",
        )
        return [act, *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
        """Do one action on one row, and lead back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        if not self.has_view_or_change_permission(request, row) or name not in self.get_actions(request):
            raise PermissionDenied
        run: Callable[..., HttpResponseBase | None] = self.get_actions(request)[name][0]
        answer = run(self, request, self.get_queryset(request).filter(pk=row.pk))
        return answer or HttpResponseRedirect(self.url_of(row))

    def url_of(self, row: Model) -> str:
        """Return the URL of a row's page."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[row.pk])

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        row = kwargs.get("obj")
        if row is not None:
            context |= {
                "row_actions": self._actions_for(request, row),
                "panels": panels_of(self.model, request, row),
                **self.row_context(request, row),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def row_context(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what the template of the row's page needs beside the fields."""
        return {}

    def _actions_for(self, request: HttpRequest, row: M) -> list[dict[str, str]]:
        return [
            {
                "label": label,
                "url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_act", args=[row.pk, name]),
            }
            for run, name, label in self.get_actions(request).values()
            if getattr(run, "applies", lambda row: True)(row)
        ]

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except SegueError as error:
            return self._refused(request, error)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return super().delete_view(request, *args, **kwargs)
        except SegueError as error:
            return self._refused(request, error)

    def _refused(self, request: HttpRequest, error: SegueError) -> HttpResponse:
        messages.error(request, in_words(error))
        return HttpResponseRedirect(request.get_full_path())


class NoDeletion:
    """Rows that the admin does not remove."""

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyPage(NoDeletion, Page[M]):
    """Rows that the admin shows, and neither makes, changes nor removes."""

    # Nobody comes back from saving a row, and to carry the filters along costs each link of a list a look through all routes.
    preserve_filters = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
