"""Form fields of the admin's pages."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from projects.exceptions import SegueError
from projects.payloads import parse_json

MAX_BYTES = 2 * 1024 * 1024


class JsonField(forms.CharField):
    """A text of JSON, read as strictly as the API reads it."""

    def __init__(self, *, rows: int, **kwargs: Any) -> None:
        attributes = {"rows": rows, "cols": 100, "class": "sg-code", "spellcheck": "false"}
        super().__init__(widget=forms.Textarea(attrs=attributes), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Show data as text; a text that was sent and is wrong is shown as it was sent."""
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            return parse_json(text.encode(errors="surrogatepass"), max_bytes=MAX_BYTES)
        except SegueError as error:
            raise ValidationError(error.message) from None
