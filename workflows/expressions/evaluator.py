"""What it means to evaluate expressions, wherever that is done."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from workflows.expressions.errors import CODES, ExpressionError, shown
from workflows.expressions.explain import Given, explain
from workflows.expressions.limits import Limits
from workflows.expressions.paths import MISSING, Sizes, shortcut
from workflows.expressions.payloads import decode, encode, is_deeper
from workflows.expressions.references import Finding, mentioned, references
from workflows.expressions.request import Request
from workflows.expressions.scripts import SCRIPT_LIMITS, is_script, script_fault, source_of

NOTHING_ABSENT: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Expression:
    """A JavaScript expression, without ``{{ }}``.

    :param as_text: the result is put into a longer text: numbers and booleans are written out, objects and lists become
        JSON, and ``null`` is an error.
    """

    source: str
    as_text: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one expression: a value of JSON, or an error. ``size`` is about how many bytes it has as JSON."""

    value: Any = None
    error: ExpressionError | None = None
    size: int = 0

    def unwrap(self) -> Any:
        """Return the value.

        :raises ExpressionError: if there is none.
        """
        if self.error is not None:
            raise self.error
        return self.value


# What an answer is taken for that JavaScript has tampered with: by replacing JSON.stringify, for example.
FORGED: dict[str, Any] = {
    "error": {"code": "threw", "message": "It changed functions of JavaScript itself, so that it has no result."}
}


def _believable(outcome: Any) -> dict[str, Any]:
    match outcome:
        case {"error": {"code": str(code), **rest}} if code in CODES:
            texts = {name: text for name in ("name", "message") if isinstance(text := rest.get(name, ""), str)}
            numbers = {
                name: number
                for name in ("line", "column", "index")
                if type(number := rest.get(name)) is int and 0 <= number < 1 << 31
            }
            return {"error": {"code": code, **texts, **numbers}}
        case {"value": value, **rest} if not rest:
            return {"value": value}
        case _:
            return FORGED


def _one_each(values: Any, items: Sequence[Any], source: str) -> list[Any]:
    if isinstance(values, list) and len(values) == len(items):
        return values
    raise ExpressionError("threw", FORGED["error"]["message"], expression=source)


class Evaluator(ABC):
    """Evaluates expressions within limits. Where it does so is up to the subclasses.

    Every value that an expression mentions is handed over as JSON, frozen; nothing else is. ``roots`` holds the values
    by name (``input``, ``trigger``, ``nodes``, ``vars``, ``item``, …); ``now`` is what now() answers, as text in UTC such
    as ``2026-11-23T14:33:00.000Z``; ``absent`` says why a node that is not in ``roots["nodes"]`` has no output, in half a
    sentence such as "was skipped"; ``secret_mark`` is the random mark of secret placeholders, or ``None`` where secret()
    is not allowed.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()

    def evaluate(
        self,
        expressions: Sequence[Expression],
        roots: Mapping[str, Any],
        *,
        now: datetime,
        absent: Mapping[str, str] = NOTHING_ABSENT,
        secret_mark: str | None = None,
    ) -> list[Result]:
        """Evaluate expressions in one round trip, and return one result for each. One that fails does not harm the others.

        Values in the results may be those in ``roots`` themselves: do not change them.
        """
        given = Given(roots, now, absent, secret_mark)
        sizes = Sizes()
        results = [self._at_once(expression, roots, sizes) for expression in expressions]
        asked = [expression for expression, result in zip(expressions, results, strict=True) if result is None]
        answered = iter(self._ask_for(asked, given) if asked else ())
        return list(self._bounded(expressions, (next(answered) if result is None else result for result in results)))

    def evaluate_each(
        self,
        expression: Expression,
        items: Sequence[Any],
        roots: Mapping[str, Any],
        *,
        now: datetime,
        absent: Mapping[str, str] = NOTHING_ABSENT,
        secret_mark: str | None = None,
    ) -> list[Any]:
        """Evaluate one expression for each item, as ``item`` and ``index``, in one round trip.

        :raises ExpressionError: for the first item that fails; its ``index`` says which.
        """
        if fault := self._fault_of(expression):
            raise fault
        if not items:
            return []
        if (values := self._each_at_once(expression, items, roots)) is not None:
            return values
        given = Given(roots, now, absent, secret_mark)
        (answer,) = self._ask(self._request("each", [expression], given, items))
        outcome = self._read(answer)
        if "error" not in outcome:
            return _one_each(outcome["value"], items, expression.source)
        index = outcome["error"].get("index")
        if index is not None and index < len(items):
            given = replace(given, roots={**roots, "item": items[index], "index": index})
        raise explain(outcome["error"], expression.source, given)

    def run_script(
        self,
        body: str,
        items: Sequence[Any],
        roots: Mapping[str, Any],
        *,
        now: datetime,
        absent: Mapping[str, str] = NOTHING_ABSENT,
    ) -> Any:
        """Run a script once, with a list as ``items``, and return what it gives back.

        :raises ExpressionError: if it fails.
        """
        given = Given({**roots, "items": items}, now, absent, None, is_script=True)
        return self._run("evaluate", body, given, None)

    def run_script_each(
        self,
        body: str,
        items: Sequence[Any],
        roots: Mapping[str, Any],
        *,
        now: datetime,
        absent: Mapping[str, str] = NOTHING_ABSENT,
    ) -> list[Any]:
        """Run a script for each item, as ``item`` and ``index``, in one round trip, and return what it gives back for each.

        :raises ExpressionError: for the first item for which it fails; its ``index`` says which.
        """
        given = Given(roots, now, absent, None, is_script=True)
        return _one_each(self._run("each", body, given, items), items, body)

    def _run(self, kind: Literal["evaluate", "each"], body: str, given: Given, items: Sequence[Any] | None) -> Any:
        source = source_of(body)
        finding = self._unfit(source)
        if finding is not None:
            raise ExpressionError(finding.code, f"The script cannot be run: {finding.message}", expression=body)
        if fault := script_fault(body):
            raise fault
        (answer,) = self._ask(self._request(kind, [Expression(source)], given, items))
        outcome = self._read(answer)
        if "error" not in outcome:
            return outcome["value"]
        index = outcome["error"].get("index")
        if index is not None and items is not None and index < len(items):
            given = replace(given, roots={**given.roots, "item": items[index], "index": index})
        raise explain(outcome["error"], source, given)

    def check(self, sources: Sequence[str]) -> list[Finding | None]:
        """Compile sources without running them, and return for each ``None``, or why it is not one expression.

        :raises ExpressionError: if the compiler itself broke down.
        """
        findings = [self._unfit(source) for source in sources]
        asked = [source for source, finding in zip(sources, findings, strict=True) if finding is None]
        answers = iter(self._ask(Request("check", [(source, False) for source in asked])) if asked else ())
        return [self._fault_in(next(answers)) if finding is None else finding for finding in findings]

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held. It can be used again all the same."""

    @abstractmethod
    def _ask(self, request: Request) -> list[bytes]:
        """Return one JSON answer for each expression: ``{"value": …}`` or ``{"error": {…}}``; for `check` a fault or null."""

    def _bounded(self, expressions: Sequence[Expression], results: Iterable[Result]) -> Iterator[Result]:
        """Yield results until they are too large together: a short definition can name one large value very often."""
        room = self.limits.total_output_bytes
        for expression, result in zip(expressions, results, strict=True):
            room -= result.size
            yield result if room >= 0 else Result(error=self._too_large_together(expression))

    def _too_large_together(self, expression: Expression) -> ExpressionError:
        message = (
            f"The result of {shown(expression.source)} is too large: together with the others, as JSON there are more "
            f"than the {self.limits.total_output_bytes:,} bytes allowed."
        )
        return ExpressionError("too_large", message, expression=expression.source)

    def _at_once(self, expression: Expression, roots: Mapping[str, Any], sizes: Sizes) -> Result | None:
        """Return the result that is known without asking, if there is one."""
        if fault := self._fault_of(expression):
            return Result(error=fault)
        value = shortcut(expression.source, expression.as_text, roots, self.limits, sizes)
        return None if value is MISSING else Result(value, size=sizes.of(value))

    def _each_at_once(self, expression: Expression, items: Sequence[Any], roots: Mapping[str, Any]) -> list[Any] | None:
        """Return the results for all items if each is known without asking, else None. It gives up at the first that is not."""
        values, sizes, room = [], Sizes(), self.limits.total_output_bytes
        for index, item in enumerate(items):
            own_roots = {**roots, "item": item, "index": index}
            value = shortcut(expression.source, expression.as_text, own_roots, self.limits, sizes)
            if value is MISSING:
                return None
            room -= sizes.of(value)
            if room < 0:
                raise self._too_large_together(expression)
            values.append(value)
        return values

    def _fault_of(self, expression: Expression) -> ExpressionError | None:
        """Return why an expression is not even tried."""
        source = expression.source
        finding = self._unfit(source) or references(source).fault
        if finding is None:
            return None
        return ExpressionError(
            finding.code, finding.message, expression=source, line=finding.line, column=finding.column
        )

    def _unfit(self, source: str) -> Finding | None:
        """Return why a source is not even looked at."""
        try:
            size, most = (
                len(source.encode()),
                SCRIPT_LIMITS.source_bytes if is_script(source) else self.limits.source_bytes,
            )
        except UnicodeEncodeError:
            return Finding("syntax", "It holds half of a character (a lone surrogate).")
        if "\0" in source:
            return Finding("syntax", "It holds the character U+0000.")
        return Finding("too_large", f"It has {size:,} bytes, and {most:,} are allowed.") if size > most else None

    def _ask_for(self, expressions: Sequence[Expression], given: Given) -> Iterator[Result]:
        try:
            request = self._request("evaluate", expressions, given)
        except ExpressionError as error:
            yield from (Result(error=error) for _ in expressions)
            return
        for expression, answer in zip(expressions, self._ask(request), strict=True):
            outcome = self._read(answer)
            if "error" in outcome:
                yield Result(error=explain(outcome["error"], expression.source, given))
            else:
                yield Result(outcome["value"], size=len(answer))

    def _request(
        self,
        kind: Literal["evaluate", "each"],
        expressions: Sequence[Expression],
        given: Given,
        items: Sequence[Any] | None = None,
    ) -> Request:
        """Put together what has to be sent: of the roots, only what is mentioned.

        :raises ExpressionError: if that is too large.
        """
        sources = [expression.source for expression in expressions]
        try:
            roots, has_long_roots = encode(mentioned(sources, given.roots))
            encoded_items, has_long_items = encode(items)
        except RecursionError:
            raise self._too_large_input(sources, "they are nested too deeply") from None
        size, most = len(roots) + len(encoded_items), self.limits.input_bytes
        if size > most:
            raise self._too_large_input(sources, f"as JSON they have {size:,} bytes, and {most:,} are allowed")
        return Request(
            kind,
            [(expression.source, expression.as_text) for expression in expressions],
            now=given.now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            secret_mark=given.secret_mark,
            has_long_integers=has_long_roots or has_long_items,
            roots=roots,
            items=encoded_items,
            is_script=given.is_script,
        )

    def _too_large_input(self, sources: Sequence[str], reason: str) -> ExpressionError:
        message = (
            f"The values that {shown(sources[0])} needs are too large: {reason}. Mention only the part that is needed."
        )
        return ExpressionError("too_large", message, expression=sources[0])

    def _read(self, answer: bytes) -> dict[str, Any]:
        """Return ``{"value": …}`` or ``{"error": {…}}``, whatever the answer is: who runs JavaScript is not to be believed."""
        try:
            outcome = decode(answer)
            if not is_deeper(answer, outcome, self.limits.depth + 1):
                return _believable(outcome)
        except RecursionError:
            pass
        except ValueError:
            return FORGED
        message = f"it is nested deeper than {self.limits.depth} levels"
        return {"error": {"code": "too_large", "message": message}}

    def _fault_in(self, answer: bytes) -> Finding | None:
        fault = decode(answer)
        if fault is None:
            return None
        if "error" in fault:
            raise ExpressionError(
                "crashed", f"The compiler of expressions broke down: {fault['error'].get('message')}."
            )
        message = f"{fault['message']}. This must be one JavaScript expression, not statements."
        return Finding("syntax", message, fault["line"], fault["column"])
