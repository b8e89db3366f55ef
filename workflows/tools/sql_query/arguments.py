"""What ``sql.query`` takes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.http import MAX_TIMEOUT_SECONDS, TIMEOUT_SECONDS
from workflows.nodes.base import Config
from workflows.nodes.fields import Dynamic

MAX_SQL_CHARS = 100_000
MAX_PARAMETERS = 1_000
MAX_ROWS = 10_000


def _no_password_in_clear(text: str) -> str:
    # A placeholder of a secret has these brackets, before it is filled in at the door.
    if "⟦" in text:
        return text
    raise PydanticCustomError(
        "secret_needed",
        "The connection must come from a secret.",
        {"hint": "Keep the URL in a secret variable, and write {{ secret('DATABASE') }}."},
    )


ConnectionUrl = Annotated[str, AfterValidator(_no_password_in_clear)]


class SqlArguments(Config):
    """What ``sql.query`` takes. The text of the statement takes no expressions: values are parameters."""

    connection: Dynamic[ConnectionUrl] = Field(
        description=(
            "A secret with the database's URL: {{ secret('DATABASE') }} for "
            "postgresql://user:password@host:5432/name?sslmode=verify-full."
        )
    )
    sql: str = Field(
        min_length=1, max_length=MAX_SQL_CHARS, description="One statement, with $1, $2 … where its parameters belong."
    )
    parameters: Dynamic[Annotated[list[Any], Field(max_length=MAX_PARAMETERS)]] = Field(
        [],
        description=(
            "The values of $1, $2 …: an object becomes jsonb, a list an array. For a list as JSON write "
            "{{ JSON.stringify(input.list) }} and $1::jsonb."
        ),
    )
    read_only: bool = Field(True, description="Run in a transaction that may only read.")
    max_rows: Dynamic[Annotated[int, Field(ge=1, le=MAX_ROWS)]] = Field(
        1_000, description="Rows that may come at most; more fail the node."
    )
    timeout_seconds: Dynamic[Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]] = Field(
        TIMEOUT_SECONDS, description="How long everything together may take."
    )
    lock_timeout_seconds: Dynamic[Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]] = Field(
        5.0, description="How long the statement may wait for each lock that others hold."
    )
