"""Forms that say beside their fields what a service would refuse."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django import forms
from django.db.models import Model

from projects.exceptions import Invalid

M = TypeVar("M", bound=Model)


if TYPE_CHECKING:
    _ModelForm = forms.ModelForm
else:

    class _ModelForm(forms.ModelForm, Generic[M]):
        """Generic, as the stubs say it is."""


class CheckedForm(_ModelForm[M]):
    """A form of rows that a service checks: in its sentences, where Django knows the names of constraints alone."""

    check: ClassVar[Callable[[Any], None]]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if self.errors:
            return cleaned  # What could not be read cannot be checked.
        row = copy(self.instance)
        for name, value in self.cleaned_data.items():
            setattr(row, name, value)
        try:
            type(self).check(row)
        except Invalid as error:
            for problem in error.problems:
                field = problem["path"].removeprefix("/")
                said = " ".join(filter(None, [problem["message"], problem.get("hint")]))
                self.add_error(field if field in self.fields else None, said)
        return cleaned
