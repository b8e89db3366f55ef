"""One poll's call: from the trigger's settings to the list that the tool has found. Outside of every transaction."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from executions.engine.context import RunContext, without_marks
from executions.engine.versions import Mentions
from executions.outgoing.gate import RunGate, directly
from projects.exceptions import SegueError
from projects.masking import Masker
from projects.payloads import storable
from triggers.models import Poll
from triggers.polling.selection import Item, Unusable, key_of
from workflows.expressions import ExpressionError, RenderError, find_templates, render, render_each, shared_evaluator
from workflows.http import Cancelled, Postponed, through
from workflows.http.secrets import bound_by
from workflows.models import WorkflowVersion
from workflows.nodes.base import NodeError, Outcome
from workflows.nodes.evaluation import is_per_item, validated
from workflows.nodes.trigger.node import read_trigger
from workflows.nodes.trigger.polling import PollingTrigger
from workflows.services import secrets_of, variables_of
from workflows.tools.base import Freshness, Tool, catalogue

logger = logging.getLogger(__name__)

# How long the tool may take. A lease holds longer, so that nobody else begins while a call may still come back.
CALL_SECONDS = 60
# How long one call may wait for the limits of its project, in the thread that the poll has anyway.
PATIENCE_SECONDS = 20.0
# Items of one list at most.
MAX_LIST = 5_000


class PollFailed(Exception):
    """A poll could not be carried out.

    :param code: stable, snake_case; part of the API.
    :param retry_after: seconds that the service asked to wait, if it did.
    """

    def __init__(self, code: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    """What a poll has found.

    :param mark: the service's own mark for the next call, where the cursor is one.
    :param is_by_mark: whether it is; then all items are new, and none can wait.
    :param validators: what is asked with next time, so that the service may say that nothing is new.
    """

    items: tuple[Item, ...] = ()
    mark: Any = None
    is_by_mark: bool = False
    validators: Mapping[str, str] | None = None
    is_unchanged: bool = False


def settings_of(poll: Poll) -> PollingTrigger:
    """Return the settings of a poll's trigger."""
    wanted = read_trigger(poll.trigger.config)
    if not isinstance(wanted, PollingTrigger):
        raise PollFailed("not_a_poll", "The trigger is of another kind now.")
    return wanted


def ask(poll: Poll, wanted: PollingTrigger, *, now: datetime) -> Answer:
    """Call the tool and read what it has found.

    :raises PollFailed: if there is no list of items that can be told apart.
    :raises Postponed: if the call may not go out yet.
    """
    tool = catalogue().get(wanted.tool)
    if tool is None:
        raise PollFailed("unknown_tool", f"There is no tool `{wanted.tool}`.")
    arguments, context = _evaluated(poll, now=now)
    call = _hash(wanted.tool, arguments)
    known = poll.validators if poll.validators.get("call") == call else {}
    freshness = Freshness(etag=known.get("etag", ""), last_modified=known.get("last_modified", ""))
    output = _call(tool, tool.conditional(arguments, freshness), context)
    said = tool.freshness(output)
    if said.is_unchanged:
        return Answer(is_unchanged=True, validators=poll.validators)
    validators = {"call": call, "etag": said.etag, "last_modified": said.last_modified}
    return _read(wanted, output, now=now, validators=validators)


def _evaluated(poll: Poll, *, now: datetime) -> tuple[dict[str, Any], RunContext]:
    """Return the arguments with their expressions evaluated, and what the tool sees of the world."""
    raw = poll.trigger.config.get("with", {})
    mentions = Mentions.in_templates(text for _, text in find_templates(raw))
    mark = secrets.token_hex(8)
    roots = {
        "vars": variables_of(poll.workflow) if "vars" in mentions.roots else {},
        "trigger": {"cursor": poll.cursor},
    }
    try:
        arguments = render(raw, shared_evaluator(), roots, now=now, secret_mark=mark)
        found = secrets_of(poll.workflow, mentions.secrets) if mentions.secrets else {}
    except RenderError as failed:
        pointer, error = next(iter(failed.errors.items()))
        raise PollFailed("expression_failed", f"with{pointer}: {error.message}") from failed
    except SegueError as error:
        raise PollFailed(error.code, error.message) from error
    return arguments, RunContext(
        input=None,
        now=now,
        ends_at=time.monotonic() + CALL_SECONDS,
        idempotency_key=f"poll:{poll.pk}:{poll.fence}",
        hops=0,
        project_id=str(poll.workflow.project_id),
        default_timezone=_timezone(poll),
        secret_mark=mark,
        secrets=found,
        masker=Masker(secret.value for secret in found.values()),
        evaluate_items=_refuse,
    )


def _timezone(poll: Poll) -> str:
    versions = WorkflowVersion.objects.filter(workflow_id=poll.workflow_id, number=poll.workflow.version)
    return versions.values_list("definition__settings__timezone", flat=True).first() or "UTC"


def _refuse(expression: str, items: Sequence[Any]) -> list[Any]:
    raise NodeError("not_available_here", "A tool that is polled has no items to evaluate expressions for.")


def _call(tool: Tool[Any], arguments: Mapping[str, Any], context: RunContext) -> Any:
    gate = RunGate(directly, context, patience=PATIENCE_SECONDS, takes_turns=False)
    try:
        with through(gate), bound_by(context.filled_in):
            output = tool.call(validated(tool.Arguments, arguments, below="/with"), context)
    except Postponed:
        raise
    except NodeError as error:
        message = context.masker.mask_text(error.message)
        raise PollFailed(error.code, message, retry_after=error.retry_after) from error
    except Cancelled as error:
        raise PollFailed("abandoned", "The call was abandoned.") from error
    except Exception as error:
        logger.exception("A tool raised what it should not.", extra={"tool": tool.name})
        raise PollFailed("tool_fault", f"The tool's own code failed with {type(error).__name__}.") from error
    if isinstance(output, Outcome):
        raise PollFailed("not_pollable", f"The tool `{tool.name}` has no output at once, and cannot be polled.")
    kept = without_marks(context.masker.mask(storable(output)))
    size, most = len(orjson.dumps(kept)), settings.NODE_OUTPUT_MAX_BYTES
    if size > most:
        raise PollFailed("output_too_large", f"The output has {size:,} bytes; at most {most:,} are possible.")
    return kept


def _hash(tool: str, arguments: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps([tool, without_marks(arguments)], option=orjson.OPT_SORT_KEYS)).hexdigest()


# --- Reading ------------------------------------------------------------------------------------------------------------


def _read(wanted: PollingTrigger, output: Any, *, now: datetime, validators: Mapping[str, str]) -> Answer:
    values = _list_in(output, wanted.items_at)
    roots, key_text, cursor_text = {"input": output}, wanted.key_text, wanted.cursor
    is_by_mark = cursor_text is not None and not is_per_item(cursor_text)
    keys: list[Any] = [None] * len(values)
    cursors: list[Any] = [None] * len(values)
    mark = None
    try:
        if key_text is not None:
            found = render_each(key_text, values, shared_evaluator(), roots, now=now)
            keys = [key_of(key, index=index) for index, key in enumerate(found)]
        if cursor_text is not None and is_by_mark:
            mark = render(cursor_text, shared_evaluator(), roots, now=now)
        elif cursor_text is not None:
            cursors = render_each(cursor_text, values, shared_evaluator(), roots, now=now)
            if None in cursors:
                raise Unusable(f"The cursor of item {cursors.index(None)} is null.")
    except ExpressionError as error:
        where = "" if error.index is None else f" (item {error.index})"
        raise PollFailed("expression_failed", f"{error.message}{where}") from error
    except RenderError as failed:
        raise PollFailed("expression_failed", f"cursor: {failed}") from failed
    except Unusable as unusable:
        raise PollFailed("items_unusable", str(unusable)) from unusable
    items = tuple(Item(*each) for each in zip(values, keys, cursors, strict=True))
    return Answer(items, mark=mark, is_by_mark=is_by_mark, validators=validators)


def _list_in(output: Any, pointer: str) -> list[Any]:
    found = output
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise PollFailed(
                "no_list", f"The tool's output has nothing at {pointer}. Set `items` to where the list is."
            )
    if not isinstance(found, list):
        raise PollFailed(
            "no_list", f"What the tool's output has at {pointer or 'its top'} is no list. Set `items` to where it is."
        )
    if len(found) > MAX_LIST:
        raise PollFailed("too_many_items", f"The list has {len(found):,} items; at most {MAX_LIST:,} are possible.")
    return found
