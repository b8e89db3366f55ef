"""Asks QuickJS whether a source is one expression. Nothing of it is run. Lives in the child process, like :mod:`realm`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from _quickjs import Context, JSException, StackOverflow

from workflows.expressions.limits import Limits

_POSITION = re.compile(r"<input>:(\d+):(\d+)")
_LINE_END = re.compile(r"\r\n|[\n\r\u2028\u2029]")


def syntax_checker(limits: Limits) -> Callable[[str], dict[str, Any] | None]:
    """Return a function that says of a source what is wrong with it (``message``, ``line``, ``column``), or ``None``."""
    context = Context()
    context.set_memory_limit(limits.memory_bytes)
    context.set_max_stack_size(limits.stack_bytes)
    context.set_time_limit(limits.cpu_seconds)
    return partial(_fault, context)


def _fault(context: Context, source: str) -> dict[str, Any] | None:
    # A script is read to its end before it runs. This one always ends in a mistake, so it never runs, and which mistake
    # is reported tells whether the brackets were closed by us or by the source itself.
    fault = _compile(context, f"[\n{source}\n]\n@")
    if fault is None or "'@'" not in fault["message"]:
        return _within(source, fault)
    # What is balanced between square brackets cannot close this parenthesis, so this makes a function and calls nothing.
    return _within(source, _compile(context, f'(function(){{"use strict";return(\n{source}\n)}})'))


def _compile(context: Context, script: str) -> dict[str, Any] | None:
    try:
        context.eval(script)
    except StackOverflow:
        return {"message": "It is nested too deeply", "line": None, "column": None}
    except JSException as error:
        message, _, stack = str(error).partition("\n")
        position = _POSITION.search(stack)
        line, column = map(int, position.groups()) if position else (None, None)
        return {"message": message.removeprefix("SyntaxError: "), "line": line, "column": column}
    return None


def _within(source: str, fault: dict[str, Any] | None) -> dict[str, Any] | None:
    """Count positions from the source's own first line, and do not speak of brackets that are not the author's."""
    if fault is None or fault["line"] is None:
        return fault
    if fault["line"] > len(_LINE_END.findall(source)) + 2:
        return {"message": "Something is missing at the end", "line": None, "column": None}
    return {**fault, "line": fault["line"] - 1}
