"""How bodies of requests to the API are read. A module of its own, because REST framework's views import it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from projects.exceptions import Invalid
from projects.payloads import parse_json, pointer


class StrictJSONParser(BaseParser):
    """JSON in UTF-8, bounded in size, depth and keys, without what a database cannot store."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        data = stream.read(limit + 1)  # One more tells that there are more.
        value = parse_json(data, max_bytes=limit)
        if b"\\u" in data:
            refuse_unstorable(value)
        return value


def refuse_unstorable(value: Any, path: str = "") -> None:
    """Refuse text that PostgreSQL cannot hold.

    :raises Invalid: naming the first place that has NUL or half of a surrogate pair.
    """
    match value:
        case str() if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise Invalid(
                "A text holds NUL or half of a surrogate pair, which cannot be stored.", path=path, hint="Remove it."
            )
        case dict():
            for key, item in value.items():
                refuse_unstorable(key, path)
                refuse_unstorable(item, path + pointer(key))
        case list():
            for index, item in enumerate(value):
                refuse_unstorable(item, path + pointer(index))
