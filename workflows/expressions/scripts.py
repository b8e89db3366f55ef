"""Scripts: the body of a JavaScript function, which says with ``return`` what comes of it.

To the engine a script is one expression, a function that is called at once; so that everything that holds for expressions
holds for it. Only its limits are wider, and its items are its own to change.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from workflows.expressions.errors import ExpressionError
from workflows.expressions.limits import LARGEST_SOURCE, MIB, Limits
from workflows.expressions.references import Finding, NodeReference, References, references
from workflows.expressions.syntax_tree import expression_of, parse

# The comment tells it from an expression that somebody wrote in the same form.
_HEAD, _TAIL = "(() => { // script\n", "\n})()"
LINES_BEFORE = 1  # Of the head. What the engine calls line 2 is the author's line 1.

SCRIPT_LIMITS = Limits(
    source_bytes=LARGEST_SOURCE,
    output_bytes=5 * MIB,
    cpu_seconds=5.0,
    batch_cpu_seconds=5.0,
    wall_seconds=30.0,
    memory_bytes=128 * MIB,
    process_memory_bytes=768 * MIB,
    evaluations_per_process=1_000,
)
MAX_BODY_BYTES = LARGEST_SOURCE - len(_HEAD) - len(_TAIL)


def source_of(body: str) -> str:
    """Return the expression that runs a script."""
    return _HEAD + body + _TAIL


def is_script(source: str) -> bool:
    """Tell whether this is what :func:`source_of` made."""
    return source.startswith(_HEAD) and source.endswith(_TAIL)


def body_of(source: str) -> str:
    """Return what :func:`source_of` was called with."""
    return source.removeprefix(_HEAD).removesuffix(_TAIL)


@lru_cache(maxsize=256)
def script_references(body: str) -> References:
    """Return what a script mentions, and what is wrong with it. Lines are counted from its own first one."""
    found = references(source_of(body))
    findings = tuple(in_body(finding, body) for finding in found.findings)
    if found.fault is None and not _is_one_function(body):
        findings = (Finding("syntax", "It closes a `}` that it has not opened."), *findings)
    return replace(found, findings=findings, nodes=tuple(_moved(mention) for mention in found.nodes))


def script_fault(body: str) -> ExpressionError | None:
    """Return why a script is not even tried, if it is not."""
    fault = script_references(body).fault
    if fault is None:
        return None
    where = f"Line {fault.line}, column {fault.column}: " if fault.line is not None else ""
    message = f"{where}{fault.message}"
    return ExpressionError(fault.code, message, expression=body, line=fault.line, column=fault.column)


def in_body(finding: Finding, body: str) -> Finding:
    """Return a finding about :func:`source_of` as one about the script."""
    message = finding.message.replace(
        "This must be one JavaScript expression, not statements.", "This must be the body of a JavaScript function."
    )
    line = None if finding.line is None else finding.line - LINES_BEFORE
    if line is not None and not 1 <= line <= body.count("\n") + 1:
        line = None  # It lies in what was put around it.
    return Finding(finding.code, message, line, None if line is None else finding.column)


def _moved(mention: NodeReference) -> NodeReference:
    return replace(mention, line=mention.line - LINES_BEFORE)


def _is_one_function(body: str) -> bool:
    """Tell whether a body stays within the function that is put around it: `})(), (() => {` does not."""
    source = source_of(body)
    expression = expression_of(parse(source))
    callee = expression.child_by_field_name("function") if expression is not None else None
    if expression is None or callee is None or callee.type != "parenthesized_expression":
        return False
    size = len(source.encode("utf-8", "surrogatepass"))
    return (
        callee.named_children[0].type == "arrow_function"
        and expression.end_byte - expression.start_byte == size
        and callee.end_byte == expression.end_byte - len("()")
    )
