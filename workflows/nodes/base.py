"""What a node type is. Pure Python: a node sees the world only through its context."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from projects.masking import Masker
from workflows.definition.problems import Problem
from workflows.definition.schema import AsTool

ERROR_PORT = "error"
MAIN_PORT = "main"


class Effect(StrEnum):
    """What running a node does to the outside."""

    NONE = "none"  # Pure: runs in place, is journaled with the next commit.
    READ = "read"  # Asks the outside: runs in the thread pool, may be repeated freely.
    WRITE = "write"  # Changes the outside: journaled as running before it starts, with an idempotency key.


class Config(BaseModel):
    """Base of every config model: strict, frozen, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True)
class Done:
    """The node has finished: its output, and the ports that it leaves through."""

    output: Any = None
    ports: tuple[str, ...] = (MAIN_PORT,)


@dataclass(frozen=True)
class Wait:
    """The node waits, without a worker, until a moment; then it is done with this output."""

    until: datetime
    output: Any = None


@dataclass(frozen=True)
class Script:
    """The body of a JavaScript function in a config.

    :param path: JSON Pointer below the config. What lies there is never taken for a template.
    :param roots: what it may mention beside what every expression of the node may, other than ``item`` and ``index``.
    """

    path: str
    body: str
    roots: frozenset[str]


@dataclass(frozen=True)
class StartWorkflow:
    """The node starts another workflow of its project, in the commit that records it.

    :param workflow: its id or its name.
    :param input: must fit the other workflow's ``inputs``.
    :param wait: be done when that execution has ended, with its result; else at once.
    :param trigger: the trigger node to begin at, where there are several.
    """

    workflow: str
    input: Any
    wait: bool = True
    trigger: str | None = None


@dataclass(frozen=True)
class Answer:
    """The node answers the caller who waits for the execution, which goes on. Only the first one in an execution does.

    :param encoded: how bytes are written in ``value``, if that is what it is.
    """

    value: Any
    status: int
    headers: Mapping[str, str]
    encoded: Literal["base64"] | None = None


@dataclass(frozen=True)
class EmitEvent:
    """The node emits an event of its project, in the commit that records it: exactly once.

    :param id: the author's own id of it; the same one again emits nothing.
    """

    name: str
    data: Any
    id: str | None = None


class NodeError(Exception):
    """A node could not do its work.

    :param code: stable, snake_case; part of the API.
    :param retryable: whether trying again can help.
    :param retry_after: seconds that the outside asked to wait, if it did.
    :param details: JSON data that a reader of the execution can act on; never a secret.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = dict(details or {})


class EndpointGone(NodeError):
    """The other side says that there is nobody any more (410): nothing is sent there until somebody switches it on again."""


@dataclass(frozen=True)
class Deciders:
    """Who may decide: members with a role (or a higher one), members by name, or anybody who has the link."""

    role: str | None
    users: tuple[str, ...] = ()
    anyone: bool = False


@dataclass(frozen=True)
class ApprovalRequest:
    """What people are asked to approve.

    :param details: JSON data that is shown beside the message.
    :param form: a JSON Schema of fields to fill in with a decision, if there are any.
    :param needed: how many different persons must approve. One who rejects is enough.
    """

    title: str
    message: str
    details: Any
    form: Mapping[str, Any] | None
    deciders: Deciders
    needed: int


@dataclass(frozen=True)
class Await:
    """The node waits, without a worker, for what comes over its one-time link.

    :param until: by when; None: as long as its execution may live.
    :param otherwise: what comes of it when nothing has come by then.
    :param approval: what people decide on; None: the first call of its link is the answer.
    """

    until: datetime | None
    otherwise: Done | NodeError
    approval: ApprovalRequest | None = None
    # What is to be approved is that more is spent.
    is_about_budget: bool = False


@dataclass(frozen=True)
class PlannedCall:
    """A call of a model that is about to be made, for the budgets.

    :param base_url: where it goes, if not to the provider's own address.
    :param input_tokens: how many there are at most.
    :param output_tokens: how many there may be.
    """

    provider: str
    model: str
    base_url: str | None
    input_tokens: int
    output_tokens: int


Outcome = Done | Wait | StartWorkflow | Answer | EmitEvent | Await


class Context(Protocol):
    """What a node sees of the world while it runs."""

    @property
    def input(self) -> Any:
        """What came over the edges."""

    @property
    def now(self) -> datetime:
        """The moment at which this node run started; recorded, so that a replay sees the same."""

    @property
    def seconds_left(self) -> float:
        """For how long the node may still run; negative, if its time is over. No clock that somebody sets changes it."""

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this node in this iteration of this execution."""

    @property
    def hops(self) -> int:
        """Through how many workflows the request came that started the execution."""

    @property
    def project_id(self) -> str:
        """The project that the execution belongs to. What a node reaches of this installation lies within it."""

    @property
    def kept(self) -> Any:
        """What :meth:`keep` was given before this attempt was put off; ``None`` at its beginning."""

    def keep(self, state: Any) -> None:
        """Note how far the node run has come, as JSON data, in case the call that it makes next is put off.

        Then the node run sleeps, without a thread, and the same attempt runs again later and finds this in :attr:`kept`.
        """

    def reserve(self, call: PlannedCall) -> None:
        """Reserve what a call of a model may cost at most.

        :raises NodeError: ``budget_exceeded``, if a limit or a budget does not allow it; ``price_unknown``, if that cannot be said.
        """

    def saying(self) -> AbstractContextManager[Callable[[str], None]]:
        """Show the pieces of an answer that is coming in to those who watch the execution. They are not recorded.

        The block is given what takes the pieces; its end is the end of the answer.
        """

    @property
    def default_timezone(self) -> str:
        """The workflow's time zone (``settings.timezone``), an IANA name."""

    def evaluate_each(self, expression: str, items: Sequence[Any]) -> list[Any]:
        """Evaluate one expression for each item (roots ``item`` and ``index`` beside the usual ones).

        :raises NodeError: naming the field, the expression and the index that failed.
        """

    def run_script(self, body: str, items: Sequence[Any]) -> Any:
        """Run the body of a JavaScript function once (root ``items`` beside the usual ones), and return what it gives back.

        :raises NodeError: naming the line that failed, if it can be told.
        """

    def run_script_each(self, body: str, items: Sequence[Any]) -> list[Any]:
        """Run the body of a JavaScript function for each item (roots ``item`` and ``index`` beside the usual ones).

        :raises NodeError: naming the index and the line that failed.
        """

    @property
    def masker(self) -> Masker:
        """Knows the secrets of this execution, in all their spellings. Whatever is cut is masked first."""

    def fill_secrets(self, text: str) -> str:
        """Replace secret placeholders by their values. Only for the door to the outside.

        From then on this node run can call no host that one of them may not go to.
        """

    def fill_links(self, text: str) -> str:
        """Replace placeholders of links by their values, and leave those of secrets. Only for what goes to the outside."""


# A Config, or a root model over several of them where a key such as ``kind`` tells which.
C = TypeVar("C", bound=BaseModel)


class NodeType(Generic[C]):
    """One kind of node. A subclass is one small class in one file, registered with :func:`register`.

    The docstring's first line is its description in the catalogue.
    """

    key: ClassVar[str]
    Config: ClassVar[type[BaseModel]]
    icon: ClassVar[str] = "box"
    accepts_secrets: ClassVar[bool] = False
    # Config paths (dotted, ``*`` for any index) at which secret() is allowed, if it is not everywhere.
    secret_fields: ClassVar[tuple[str, ...]] = ()
    # Config paths (dotted, ``*`` for any index) whose expressions see ``vars`` and nothing else.
    variable_fields: ClassVar[tuple[str, ...]] = ()
    starts_workflow: ClassVar[bool] = False  # A trigger node: nothing leads into it.
    is_scope: ClassVar[bool] = False  # Nodes may have it as their ``parent``: see workflows.nodes.scopes.
    # If its nodes may not lie in a scope: what to do instead, a sentence.
    instead_of_in_scopes: ClassVar[str] = ""
    # Config paths (dotted) whose expressions the node evaluates itself, per item, through ``evaluate_each``.
    deferred: ClassVar[tuple[str, ...]] = ()
    # Config paths (dotted, ``*`` for any index) at which an expression may fail without harm, because the node may never get
    # to it. It then finds an ``Unevaluated`` there.
    lazy: ClassVar[tuple[str, ...]] = ()
    # Config paths (dotted) whose expressions are evaluated before there is an execution, never when the node runs, and the
    # roots that they may mention.
    beforehand: ClassVar[Mapping[str, frozenset[str]]] = {}
    example: ClassVar[dict[str, Any]]

    def ports(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the ports that a node with this raw config has, ``error`` aside. Never raises."""
        return (MAIN_PORT,)

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """Return what running a node with this raw config does to the outside. Never raises."""
        return Effect.NONE

    def effect_as_tool(self, config: Mapping[str, Any], as_tool: AsTool | None) -> Effect:
        """Return :meth:`effect` as it is for a node that is attached to an agent. Never raises."""
        return self.effect(config)

    def deferred_in(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return :attr:`deferred` as it is for a node with this raw config. Never raises."""
        return self.deferred

    def takes_secrets(self, config: Mapping[str, Any]) -> bool:
        """Return whether a node with this raw config may mention secrets and links. Never raises."""
        return self.accepts_secrets

    def link_path(self, config: Mapping[str, Any]) -> str:
        """Return below which path the one-time link lies of a node with this raw config; "" if it has none. Never raises."""
        return ""

    def retry_delays(self, config: Mapping[str, Any]) -> tuple[float, ...]:
        """Return the seconds before each further attempt, if the type has a table of its own for this raw config.

        A node's own ``retry`` comes first. Never raises.
        """
        return ()

    def endpoint(self, config: C) -> str | None:
        """Return the URL that a node run with this config calls, if nothing may be sent there once it said that it is gone."""
        return None

    def check(self, config: C) -> list[Problem]:
        """Return what the config model cannot say. Paths are below the config; templates are still in place."""
        return []

    def check_as_tool(self, config: C, as_tool: Mapping[str, Any]) -> list[Problem]:
        """Return what the config model cannot say of a node that is attached to an agent. Paths are below the node.

        :param as_tool: what the node says of itself as a tool, raw.
        """
        return [replace(problem, path=f"/config{problem.path}") for problem in self.check(config)]

    def chooses_host(self, config: Mapping[str, Any], as_tool: Mapping[str, Any]) -> bool:
        """Return whether the model of an agent can choose which host an attached node calls. Never raises."""
        return False

    def with_given(self, config: dict[str, Any], as_tool: AsTool | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the evaluated config of an attached node with what the model gave, where no expression takes it up."""
        return config

    def scripts(self, config: Mapping[str, Any]) -> list[Script]:
        """Return the scripts of a node with this raw config. Never raises."""
        return []

    def workflows(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the workflows that a node with this config speaks of: the path below the config, and a name or an id.

        A name that is still an expression is left out. Never raises.
        """
        return []

    def check_together(self, configs: Mapping[str, C], *, execution_timeout_seconds: int) -> list[tuple[str, Problem]]:
        """Return what is wrong with a definition's nodes of this type beside each other, or for its settings.

        ``configs`` are the valid ones by node id; each problem comes with the node's id, its path is below the config.
        """
        return []

    def run(self, config: C, context: Context) -> Outcome:
        """Do the work. ``config`` is evaluated and validated.

        :raises NodeError: if it can't be done; anything else that is raised counts as a fault that no retry mends.
        """
        raise NotImplementedError(f"Node type {self.key} does not run.")


def lies_at(path: Sequence[str], dotted: Iterable[str]) -> bool:
    """Return whether a place of a config, as the keys that lead to it, is at or below one of these dotted paths.

    ``*`` in them stands for any key or index.
    """
    ways = (each.split(".") for each in dotted)
    return any(
        len(path) >= len(way) and all(step in ("*", key) for step, key in zip(way, path, strict=False)) for way in ways
    )


OWN_KEY = r"[a-z][a-z0-9_]*"
FOREIGN_KEY = r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+"
MAX_KEY_CHARS = 64
_registry: dict[str, NodeType[Any]] = {}


def register(key: str) -> Callable[[type[NodeType[Any]]], type[NodeType[Any]]]:
    """Add a node type to the catalogue under its key; a second one with the same key is refused.

    Those of other packages have a prefix of their maker's and a dot in their keys (``greetings.mood``), so that no version of
    Segue will ever have one of the same name.

    :raises ValueError: if the key is taken, or none that the class may have.
    """

    def add(cls: type[NodeType[Any]]) -> type[NodeType[Any]]:
        is_own = cls.__module__.startswith("workflows.")
        if not re.fullmatch(OWN_KEY if is_own else FOREIGN_KEY, key) or len(key) > MAX_KEY_CHARS:
            raise ValueError(
                f"{key!r} cannot be the key of {cls.__name__}: small letters, digits and _, after a prefix of yours and a dot, "
                "at most 64 characters: greetings.mood."
            )
        if key in _registry:
            raise ValueError(f"Two node types are called {key!r}: {type(_registry[key]).__name__}, {cls.__name__}.")
        cls.key = key
        _registry[key] = cls()
        return cls

    return add


def withdraw(key: str) -> None:
    """Take a node type out of the catalogue again."""
    del _registry[key]


def catalogue() -> Mapping[str, NodeType[Any]]:
    """Return every registered node type by its key."""
    return _registry
