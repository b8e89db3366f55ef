"""What a template needs of the installation that it is installed into. Pure Python."""

from __future__ import annotations

from collections.abc import Container

from workflows.definition.schema import Definition


def tools_of(definition: Definition) -> list[str]:
    """Return the names of the tools that a definition's nodes call, each once, in order of the alphabet."""
    return sorted({str(node.config.get("tool", "")) for node in definition.nodes if node.type == "tool"})


def unmet(definition: Definition, *, node_types: Container[str], tools: Container[str]) -> list[str]:
    """Return what a definition needs and these catalogues do not have, in words: ``node type agent``."""
    types = sorted({node.type for node in definition.nodes})
    return [
        *(f"node type {key}" for key in types if key not in node_types),
        *(f"tool {name}" for name in tools_of(definition) if name not in tools),
    ]
