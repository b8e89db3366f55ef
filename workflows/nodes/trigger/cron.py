"""Cron text: five fields, six with seconds first, or a name such as ``@daily``. Read by cronsim (Debian's cron, with ``L`` and ``#``)."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def fields_of(text: str) -> str:
    """Return the fields that a name stands for; other text as it is."""
    return NAMES.get(text.strip().lower(), text)


@lru_cache(maxsize=4096)
def hours_of(text: str) -> frozenset[int]:
    """Return the hours that an expression names.

    :raises ValueError: if the expression means nothing; the message ends a sentence.
    """
    if text.strip().startswith("@") and fields_of(text) == text:
        raise ValueError(f"known names are {', '.join(NAMES)}")
    try:
        return frozenset(CronSim(fields_of(text), datetime(2000, 1, 1)).hours)  # noqa: DTZ001 - wall-clock time
    except CronSimError as error:
        reason = str(error)
        raise ValueError(reason[:1].lower() + reason[1:]) from error
    except (ValueError, TypeError, AssertionError, RecursionError) as error:
        # Cronsim's answers to combinations that it does not foresee, such as 5#3/2.
        raise ValueError("this combination means nothing") from error


def checked_cron(text: str) -> str:
    """Return cron text as it is, if it means something.

    :raises PydanticCustomError: if it does not.
    """
    try:
        hours_of(text)
    except ValueError as error:
        raise PydanticCustomError(
            "invalid_cron",
            "{text} is no cron expression: {reason}.",
            {
                "text": repr(text[:60]),
                "reason": str(error),
                "hint": "Minute, hour, day of month, month, day of week: `30 6 * * mon-fri`.",
            },
        ) from error
    return text


CronText = Annotated[str, Field(max_length=200, json_schema_extra={"x-input": "cron"}), AfterValidator(checked_cron)]
