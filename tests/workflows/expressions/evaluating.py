"""Short ways to evaluate one expression in a test."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clock import NOON
from workflows.expressions import Evaluator, Expression, ExpressionError


def value_of(evaluator: Evaluator, source: str, *, as_text: bool = False, **roots: Any) -> Any:
    (result,) = evaluator.evaluate([Expression(source, as_text)], roots, now=NOON)
    return result.unwrap()


def error_of(evaluator: Evaluator, source: str, *, as_text: bool = False, **roots: Any) -> ExpressionError:
    (result,) = evaluator.evaluate([Expression(source, as_text)], roots, now=NOON)
    if result.error is None:
        pytest.fail(f"{source} gave {result.value!r}")
    return result.error
