"""What a tool is: something with a name and typed arguments that tool nodes and agents call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from workflows.nodes.base import Config, Context, Effect

A = TypeVar("A", bound=Config)


@dataclass(frozen=True)
class Freshness:
    """What an HTTP service said about how new its answer is (RFC 9110, validators).

    :param is_unchanged: nothing is new since the answer that the validators came with.
    """

    etag: str = ""
    last_modified: str = ""
    is_unchanged: bool = False


class Tool(Generic[A]):
    """One tool. The docstring's first line is its description in the catalogue."""

    name: ClassVar[str]
    Arguments: ClassVar[type[Config]]
    icon: ClassVar[str] = "wrench"
    example: ClassVar[dict[str, Any]]
    # For polls: the JSON Pointer to the list in the output, and a template that tells its items apart, if there is one for all.
    items_at: ClassVar[str] = ""
    item_key: ClassVar[str] = ""
    # Paths (dotted) of arguments whose expressions the tool evaluates itself, through ``evaluate_each``, where they mention
    # ``item`` or ``index``.
    deferred: ClassVar[tuple[str, ...]] = ()
    # The argument that is a URL, and so chooses which host is called, if there is one.
    url_argument: ClassVar[str] = ""
    # Arguments that are an author's alone to give, where an agent has the tool: they say who calls whom with which credentials,
    # or hold expressions, and a model's are never evaluated.
    authors_alone: ClassVar[tuple[str, ...]] = ()

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Return what a call with these raw arguments does to the outside. Never raises."""
        return Effect.WRITE

    def workflows(self, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the workflows that these arguments speak of: the path below them, and a name or an id. Never raises."""
        return []

    def conditional(self, arguments: Mapping[str, Any], known: Freshness) -> Mapping[str, Any]:
        """Return evaluated arguments that ask only for what is new since an earlier answer, where the service can tell."""
        return arguments

    def freshness(self, output: Any) -> Freshness:
        """Return what an output says about how new it is."""
        return Freshness()

    def open_schema(self, fixed: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON Schema of what a caller still has to give where the raw arguments ``fixed`` are given. Never raises."""
        schema: dict[str, Any] = _without_marks(self.Arguments.model_json_schema())
        closed = {*fixed, *self.authors_alone}
        schema["properties"] = {key: each for key, each in schema.get("properties", {}).items() if key not in closed}
        schema["required"] = [key for key in schema.get("required", []) if key not in closed]
        return schema

    def with_given(self, fixed: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        """Return evaluated arguments together with what a caller gave of them. What is fixed stays, and what is the author's alone."""
        return {**{key: each for key, each in given.items() if key not in self.authors_alone}, **fixed}

    def call(self, arguments: A, context: Context) -> Any:
        """Do it and return JSON data, or an :data:`~workflows.nodes.base.Outcome` where the engine has to do something.

        :raises NodeError: if it can't be done.
        """
        raise NotImplementedError(f"Tool {self.name} does nothing.")


_registry: dict[str, Tool[Any]] = {}


def register(name: str) -> Callable[[type[Tool[Any]]], type[Tool[Any]]]:
    """Add a tool to the catalogue under its name; a second one with the same name is refused."""

    def add(cls: type[Tool[Any]]) -> type[Tool[Any]]:
        if name in _registry:
            raise ValueError(f"Two tools are called {name!r}: {type(_registry[name]).__name__}, {cls.__name__}.")
        cls.name = name
        _registry[name] = cls()
        return cls

    return add


def withdraw(name: str) -> None:
    """Take a tool out of the catalogue again."""
    del _registry[name]


def catalogue() -> Mapping[str, Tool[Any]]:
    """Return every registered tool by its name."""
    return _registry


def _without_marks(schema: Any) -> Any:
    """Return a JSON Schema without what only forms read."""
    match schema:
        case dict():
            kept = {key: value for key, value in schema.items() if key not in ("x-expression", "x-input", "title")}
            return {
                key: {name: _without_marks(each) for name, each in value.items()}
                if key in ("properties", "$defs")
                else _without_marks(value)
                for key, value in kept.items()
            }
        case list():
            return [_without_marks(each) for each in schema]
        case _:
            return schema
