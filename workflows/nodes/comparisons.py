"""Comparisons of two values that say of which type they are: strictly, so that ``"10"`` is never less than ``9``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.definition.problems import did_you_mean, listed
from workflows.definition.pydantic_problems import shown, type_of
from workflows.nodes.base import Config, NodeError
from workflows.nodes.fields import Dynamic, Unevaluated
from workflows.nodes.moments import read_moment
from workflows.nodes.transform.identity import identity
from workflows.nodes.transform.patterns import compiled, searchable

MISSING: Any = object()

Type = Literal["text", "number", "boolean", "date", "list", "object", "any"]

_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)

Test = Callable[[Any, Any], bool]

_SAME: Mapping[str, Test] = {"equals": lambda a, b: a == b, "not_equals": lambda a, b: a != b}
_ORDER: Mapping[str, Test] = {
    "greater": lambda a, b: a > b,
    "greater_or_equal": lambda a, b: a >= b,
    "less": lambda a, b: a < b,
    "less_or_equal": lambda a, b: a <= b,
}
_EMPTY: Mapping[str, Test] = {"is_empty": lambda a, _: not a, "is_not_empty": lambda a, _: bool(a)}
_LENGTH: Mapping[str, Test] = {
    "length_equals": lambda a, b: len(a) == b,
    "length_greater": lambda a, b: len(a) > b,
    "length_less": lambda a, b: len(a) < b,
}

# What each type can be asked, by the name of the operator.
TESTS: Mapping[Type, Mapping[str, Test]] = {
    "text": {
        **_SAME,
        **_EMPTY,
        **_LENGTH,
        "contains": lambda a, b: b in a,
        "not_contains": lambda a, b: b not in a,
        "starts_with": lambda a, b: a.startswith(b),
        "ends_with": lambda a, b: a.endswith(b),
        "matches": lambda a, b: b.search(a) is not None,
        "not_matches": lambda a, b: b.search(a) is None,
    },
    "number": {**_SAME, **_ORDER},
    "boolean": {**_SAME, "is_true": lambda a, _: a, "is_false": lambda a, _: not a},
    "date": {
        **_SAME,
        "before": _ORDER["less"],
        "not_before": _ORDER["greater_or_equal"],
        "after": _ORDER["greater"],
        "not_after": _ORDER["less_or_equal"],
    },
    "list": {
        "equals": lambda a, b: identity(a) == identity(b),
        "not_equals": lambda a, b: identity(a) != identity(b),
        **_EMPTY,
        **_LENGTH,
        "contains": lambda a, b: identity(b) in map(identity, a),
        "not_contains": lambda a, b: identity(b) not in map(identity, a),
    },
    "object": {
        "equals": lambda a, b: identity(a) == identity(b),
        "not_equals": lambda a, b: identity(a) != identity(b),
        **_EMPTY,
        "has_key": lambda a, b: b in a,
        "lacks_key": lambda a, b: b not in a,
    },
    "any": {
        "equals": lambda a, b: identity(a) == identity(b),
        "not_equals": lambda a, b: identity(a) != identity(b),
        "exists": lambda a, _: a is not MISSING and a is not None,
        "not_exists": lambda a, _: a is MISSING or a is None,
        "is_null": lambda a, _: a is None,
    },
}
_ALONE = frozenset({"is_empty", "is_not_empty", "is_true", "is_false", "exists", "not_exists", "is_null"})
_OF_MISSING = frozenset({"exists", "not_exists"})
# Where the right side is of another type than the left.
_RIGHT_TYPES: Mapping[str, Type] = {
    **dict.fromkeys(_LENGTH, "number"),
    **dict.fromkeys(("has_key", "lacks_key"), "text"),
}


class Comparison(Config):
    """One comparison of two values."""

    left: Dynamic[Any] = Field(description="The value: `{{ input.total }}`.")
    type: Type = Field(default="any", description="What both values are; any other type is an error.")
    operator: str = Field(
        description="What is asked of them: `equals`, `greater`, `contains`, `exists`, …",
        json_schema_extra={"enum": [*dict.fromkeys(operator for tests in TESTS.values() for operator in tests)]},
    )
    right: Dynamic[Any] = Field(default=None, description="What it is compared with.")
    case_sensitive: bool = Field(default=True, description="With text: whether large and small letters differ.")
    convert: bool = Field(
        default=False,
        description="Take text that says a number, or true or false, for one; and numbers for text. Otherwise that is an error.",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Comparison:
        known = TESTS[self.type]
        if self.operator not in known:
            raise PydanticCustomError(
                "invalid_choice",
                "{operator} cannot be asked of the type `{type}`; {known} can.",
                {
                    "operator": repr(self.operator[:40]),
                    "type": self.type,
                    "known": listed(known),
                    "key": "operator",
                    "hint": self._hint(),
                },
            )
        is_alone = self.operator in _ALONE
        has_right = self.right is not None if is_alone else "right" in self.model_fields_set
        if has_right == is_alone:
            raise PydanticCustomError(
                "unknown_key" if has_right else "missing_key",
                "`{operator}` " + ("compares with nothing." if has_right else "needs a `right` to compare with."),
                {"operator": self.operator, "key": "right"},
            )
        if not self.case_sensitive and self.type != "text":
            raise PydanticCustomError("unknown_key", "`case_sensitive` goes with text.", {"key": "case_sensitive"})
        if self.operator in ("matches", "not_matches") and isinstance(self.right, str):
            self._pattern(self.right)
        return self

    def holds(self, *, default_timezone: str) -> bool:
        """Return what comes of it.

        :raises NodeError: ``wrong_type`` and the like, if a value is not what it must be; what an expression failed with.
        """
        left, right = self._left(), self._right()
        if self.operator not in _OF_MISSING:
            left = self._read(left, self.type, "left", default_timezone)
        if self.operator in ("matches", "not_matches"):
            left, right = searchable(left), self._regex(right)
        elif self.operator not in _ALONE and not (self.type == "list" and "contains" in self.operator):
            right = self._read(right, _RIGHT_TYPES.get(self.operator, self.type), "right", default_timezone)
        return TESTS[self.type][self.operator](left, right)

    def _left(self) -> Any:
        if not isinstance(self.left, Unevaluated):
            return self.left
        if self.operator in _OF_MISSING and getattr(self.left.error, "code", "") == "missing_value":
            return MISSING
        raise self.left.error

    def _right(self) -> Any:
        if isinstance(self.right, Unevaluated):
            raise self.right.error
        return self.right

    def _read(self, value: Any, expected: Type, side: str, default_timezone: str) -> Any:
        converted = self._converted(value, expected) if self.convert else value
        match expected, converted:
            case "text", str():
                # Folded, a letter may become two, as ß does: lengths are those of the text itself.
                return converted if self.case_sensitive or self.operator in _LENGTH else converted.casefold()
            case "number", int() | float() if not isinstance(converted, bool) and math.isfinite(converted):
                return converted
            case ("boolean", bool()) | ("list", list()) | ("object", dict()) | ("any", _):
                return converted
            case "date", str():
                return _moment(converted, side, default_timezone)
            case _:
                hint = "" if self.convert else " `convert: true` reads text that means one."
                raise NodeError("wrong_type", f"`{side}` must be {_spoken(expected)}; it is {type_of(value)}.{hint}")

    def _converted(self, value: Any, expected: Type) -> Any:
        match expected, value:
            case "number", str() if _NUMBER.fullmatch(value) and math.isfinite(number := float(value)):
                return int(value) if value.strip().lstrip("+-").isdigit() else number
            case "boolean", str() if value.strip().lower() in ("true", "false"):
                return value.strip().lower() == "true"
            case "text", bool():
                return "true" if value else "false"
            case "text", int() | float():
                return str(value)
            case _:
                return value

    def _regex(self, right: Any) -> Any:
        if not isinstance(right, str):
            raise NodeError("wrong_type", f"`right` must be a regular expression; it is {type_of(right)}.")
        try:
            return compiled(right, ignore_case=not self.case_sensitive)
        except ValueError as error:
            raise NodeError("invalid_pattern", f"{shown(right)} is no regular expression: {error}.") from error

    def _pattern(self, right: str) -> None:
        try:
            compiled(right)
        except ValueError as error:
            raise PydanticCustomError(
                "invalid_pattern",
                "{right} is no regular expression: {reason}.",
                {"right": shown(right), "reason": str(error), "key": "right"},
            ) from error

    def _hint(self) -> str:
        fitting = [kind for kind, tests in TESTS.items() if self.operator in tests]
        if fitting:
            return f"It can be asked of {listed(fitting)}."
        return did_you_mean(self.operator, TESTS[self.type])


def _moment(text: str, side: str, default_timezone: str) -> datetime:
    try:
        moment = read_moment(text)
        # In UTC: Python compares moments of one zone by what its clocks show.
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(default_timezone))).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise NodeError("invalid_moment", f"`{side}`: {error}") from error


def _spoken(expected: Type) -> str:
    return {
        "text": "text",
        "number": "a number",
        "boolean": "true or false",
        "date": "a date as text",
        "list": "a list",
        "object": "an object",
    }.get(expected, "a value")
