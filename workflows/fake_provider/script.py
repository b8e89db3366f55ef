"""Which answer comes next: by a list, by rules, or by an echo."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Self

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from projects.exceptions import SegueError
from workflows.fake_provider.answers import Answer, Part
from workflows.fake_provider.conversation import Conversation
from workflows.fake_provider.echo import echo

MAX_SCRIPT_BYTES = 10 * 1024 * 1024


class BrokenScript(SegueError):
    """A script is not JSON, or says what scripts cannot say."""

    code = "broken_script"


class When(Part):
    """On what a rule applies: everything that is said here must hold. Texts are looked for whatever their case."""

    model: str | None = None
    system_contains: str | None = None
    user_contains: str | None = None
    ever_contains: str | None = None  # Any message of the user.
    result_contains: str | None = None  # The newest result of a tool.
    tool_results: NonNegativeInt | None = None  # How many since the user's last message.
    turn: NonNegativeInt | None = None  # How many answers since the user's last message.
    answers: NonNegativeInt | None = None  # How many answers in the whole conversation.
    has_tool: str | None = None

    def holds(self, conversation: Conversation) -> bool:
        """Test whether a conversation is meant."""
        newest = conversation.results[-1] if conversation.results else ""
        return (
            self.model in (None, conversation.model)
            and _contains(conversation.system, self.system_contains)
            and _contains(conversation.user, self.user_contains)
            and (self.ever_contains is None or any(_contains(text, self.ever_contains) for text in conversation.said))
            and _contains(newest, self.result_contains)
            and self.tool_results in (None, len(conversation.results))
            and self.turn in (None, conversation.turn)
            and self.answers in (None, conversation.answers)
            and (self.has_tool is None or any(tool.name == self.has_tool for tool in conversation.tools))
        )


class Rule(Part):
    """An answer, or one for each turn of the model, for conversations that fit.

    ``times`` is how often the very same request gets it: an error that goes away when the call is tried again.
    """

    when: When = When()
    times: PositiveInt | None = None
    answer: Answer | None = None
    turns: tuple[Answer, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _has_one_of_both(self) -> Self:
        if (self.answer is None) == (not self.turns):
            raise ValueError("a rule has either an answer or turns")
        return self

    def answer_to(self, conversation: Conversation) -> Answer | None:
        """Return the answer, if the conversation fits."""
        if not self.when.holds(conversation):
            return None
        if self.answer is not None:
            return self.answer
        return self.turns[conversation.turn] if conversation.turn < len(self.turns) else None


class Script(Part):
    """Everything that a provider says.

    ``answers`` are taken in order, each by one request; then the first rule that fits; then ``default``; without one, an echo.
    """

    models: tuple[str, ...] = Field(default=(), strict=False)  # The only ones that it knows; any without them.
    answers: tuple[Answer, ...] = Field(default=(), strict=False)
    rules: tuple[Rule, ...] = Field(default=(), strict=False)
    default: Answer | None = None


class Player:
    """A script under way. Any thread may ask it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self._lock = Lock()
        self._taken = 0
        self._given: Counter[tuple[int, str]] = Counter()

    def next(self, conversation: Conversation) -> Answer:
        """Return the answer to a request."""
        return self._chosen(conversation).filled(conversation)

    def _chosen(self, conversation: Conversation) -> Answer:
        with self._lock:
            if self._taken < len(self.script.answers):
                self._taken += 1
                return self.script.answers[self._taken - 1]
            for number, rule in enumerate(self.script.rules):
                answer = rule.answer_to(conversation)
                if answer is not None and self._is_left(number, rule, conversation):
                    return answer
        return self.script.default or echo(conversation)

    def _is_left(self, number: int, rule: Rule, conversation: Conversation) -> bool:
        if rule.times is None:
            return True
        key = (number, conversation.digest)
        self._given[key] += 1
        return self._given[key] <= rule.times


def parse_script(value: Script | Mapping[str, Any] | None) -> Script:
    """Return a script.

    :raises BrokenScript: if it says what scripts cannot say.
    """
    if isinstance(value, Script):
        return value
    try:
        return Script.model_validate(value or {})
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, problem['loc'])) or 'the script'}: {problem['msg']}" for problem in error.errors()
        ]
        raise BrokenScript("The script is not valid. " + "; ".join(problems)) from error


def read_script(path: Path) -> Script:
    """Return the script in a file.

    :raises BrokenScript: if there is none, or if it is not valid.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrokenScript(f"The script {path} cannot be read: {error.strerror}.") from error
    if len(data) > MAX_SCRIPT_BYTES:
        raise BrokenScript(f"The script {path} is larger than {MAX_SCRIPT_BYTES:,} bytes.")
    try:
        value = json.loads(data)
    except ValueError as error:
        raise BrokenScript(f"The script {path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BrokenScript(f"The script {path} is not a JSON object.")
    return parse_script(value)


def _contains(text: str, wanted: str | None) -> bool:
    return wanted is None or wanted.lower() in text.lower()
