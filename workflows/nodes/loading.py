"""Fills the catalogues: our own node types and tools, and those that installed packages add."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import walk_packages
from types import ModuleType

import orjson

import workflows.nodes
import workflows.tools
from workflows import catalogue
from workflows.nodes import base as nodes
from workflows.tools import base as tools

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Broken:
    """An entry point of an installed package of which nothing could be taken in.

    :param package: its name and version.
    :param entry: the group and the module that is named there.
    """

    package: str
    entry: str
    reason: str


_broken: dict[EntryPoint, Broken] = {}


def load() -> None:
    """Import every module that registers a node type or a tool. Asked twice, it does nothing more.

    A package adds its own through the entry point groups ``segue.node_types`` and ``segue.tools``: each names a module. One that is
    broken adds nothing and keeps nobody from starting; :func:`broken` tells of it.

    :raises ImportError: if one of our own cannot be imported.
    """
    for package in (workflows.nodes, workflows.tools):
        _import_all(package)
    for group in ("segue.node_types", "segue.tools"):
        for entry in entry_points(group=group):
            if entry not in _broken:
                _take_in(entry)


def broken() -> list[Broken]:
    """Return the entry points that were of no use."""
    return list(_broken.values())


def _import_all(package: ModuleType) -> None:
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)


def _take_in(entry: EntryPoint) -> None:
    """Add what an entry point brings: all of it, or nothing."""
    known_nodes, known_tools = set(nodes.catalogue()), set(tools.catalogue())
    try:
        entry.load()
        for key in nodes.catalogue().keys() - known_nodes:
            orjson.dumps(asdict(catalogue.node_type_entry(nodes.catalogue()[key])))
        for name in tools.catalogue().keys() - known_tools:
            orjson.dumps(asdict(catalogue.tool_entry(tools.catalogue()[name])))
    except (Exception, SystemExit) as error:
        for key in nodes.catalogue().keys() - known_nodes:
            nodes.withdraw(key)
        for name in tools.catalogue().keys() - known_tools:
            tools.withdraw(name)
        distribution = entry.dist
        package = f"{distribution.name} {distribution.version}" if distribution is not None else "a package"
        reason = f"{type(error).__name__}: {error}"[:300]
        _broken[entry] = Broken(package, f"{entry.group}: {entry.value}", reason)
        logger.exception("An installed package adds no node types and tools.", extra={"package": package})
