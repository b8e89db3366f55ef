"""Fills the catalogues: our own node types and tools, and those that installed packages add."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import walk_packages
from types import ModuleType

import workflows.nodes
import workflows.tools


def load() -> None:
    """Import every module that registers a node type or a tool. Asked twice, it does nothing more.

    A package adds its own through the entry point groups ``segue.node_types`` and ``segue.tools``: each names a module.

    :raises ImportError: if one of them cannot be imported.
    """
    for package in (workflows.nodes, workflows.tools):
        _import_all(package)
    for group in ("segue.node_types", "segue.tools"):
        for entry in entry_points(group=group):
            entry.load()


def _import_all(package: ModuleType) -> None:
    for module in walk_packages(package.__path__, f"{package.__name__}."):
        import_module(module.name)
