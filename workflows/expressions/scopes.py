"""Which names JavaScript itself binds: parameters, declarations, caught errors. What is left over is free."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from workflows.expressions.syntax_tree import text_of

_FUNCTIONS = frozenset(
    {
        "arrow_function",
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "method_definition",
    }
)
_DECLARED_IN_BLOCK = frozenset(
    {"class_declaration", "function_declaration", "generator_function_declaration", "lexical_declaration"}
)


def names_bound_by(node: Node) -> frozenset[str]:
    """Return the names that a node makes known within itself."""
    return frozenset(_bound_by(node))


def _bound_by(node: Node) -> Iterator[str]:
    match node.type:
        case kind if kind in _FUNCTIONS:
            yield from _bound_by_function(node)
        case "class" | "class_declaration":
            yield from _names_in(node.child_by_field_name("name"))
        case "catch_clause":
            yield from _names_in(node.child_by_field_name("parameter"))
        case "for_in_statement" if node.child_by_field_name("kind") is not None:
            yield from _names_in(node.child_by_field_name("left"))
        case "statement_block" | "for_statement" | "switch_case" | "switch_default":
            for child in node.named_children:
                if child.type in _DECLARED_IN_BLOCK:
                    yield from _declared_by(child)


def _bound_by_function(node: Node) -> Iterator[str]:
    if node.type == "function_expression":
        yield from _names_in(node.child_by_field_name("name"))
    if node.type != "arrow_function":
        yield "arguments"
    yield from _names_in(node.child_by_field_name("parameter"))
    yield from _names_in(node.child_by_field_name("parameters"))
    yield from _hoisted_in(node.child_by_field_name("body"))


def _hoisted_in(body: Node | None) -> Iterator[str]:
    """Yield what ``var`` declares anywhere in a function, but not in the functions within."""
    pending = [body] if body is not None else []
    while pending:
        node = pending.pop()
        if node.type in _FUNCTIONS:
            continue
        if node.type == "variable_declaration":
            yield from _declared_by(node)
        elif node.type == "for_in_statement" and node.child_by_field_name("kind") is not None:
            yield from _names_in(node.child_by_field_name("left"))
        pending.extend(node.named_children)


def _declared_by(declaration: Node) -> Iterator[str]:
    if "declaration" in declaration.type and declaration.child_by_field_name("name") is not None:
        yield from _names_in(declaration.child_by_field_name("name"))
    for declarator in declaration.named_children:
        if declarator.type == "variable_declarator":
            yield from _names_in(declarator.child_by_field_name("name"))


def _names_in(pattern: Node | None) -> Iterator[str]:
    """Yield the names that a pattern binds; defaults and computed keys within it bind nothing."""
    pending = [pattern] if pattern is not None else []
    while pending:
        node = pending.pop()
        match node.type:
            case "identifier" | "shorthand_property_identifier_pattern":
                yield text_of(node)
            case "assignment_pattern" | "object_assignment_pattern":
                pending.append(_field(node, "left"))
            case "pair_pattern":
                pending.append(_field(node, "value"))
            case "array_pattern" | "object_pattern" | "rest_pattern" | "formal_parameters":
                pending.extend(node.named_children)


def _field(node: Node, name: str) -> Node:
    child = node.child_by_field_name(name)
    return child if child is not None else node.named_children[0]
