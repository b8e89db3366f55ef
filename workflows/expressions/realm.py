"""One fresh JavaScript world with hard limits. Lives in the child process, or in place for those who trust their authors.

Reads its scripts when it is imported, because the child can open no file later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from _quickjs import Context, JSException  # The package `quickjs` around it adds only a thread that nobody needs.

from workflows.expressions.limits import Limits
from workflows.expressions.request import Request
from workflows.expressions.syntax import syntax_checker

_SCRIPTS = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "javascript").glob("*.js")}

# Clocks, chance, and ways to compile code. The first two come back without their teeth when a source spells their names:
# a name that no source spells can only be reached through tricks, and those find nothing.
_CLOSED = ("Function", "performance", "Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry")
_TAMED = {"Date": "dates", "Math": "chance"}

# How much later than QuickJS itself the alarm ends what does not look at the clock.
ALARM_AFTER_SECONDS = 0.5

# Parsed values are larger than their JSON, by up to this much in data that people send.
_MEMORY_PER_INPUT_BYTE = 48

_TOO_LARGE_TOGETHER = orjson.dumps(
    {"error": {"code": "too_large", "message": "with those before it, there are too many bytes"}}
)

_TOO_MUCH = "it needs too much memory, or calls itself too often"


class Spent(Exception):
    """A world ran into a limit that leaves it in disorder. It must not be used again."""

    def __init__(self, code: str, message: str = "", index: int | None = None) -> None:
        super().__init__(message)
        self.answer = orjson.dumps({"error": {"code": code, "message": message, "index": index}})


class Realm:
    """A JavaScript world: opened once with the values of one request, then asked for one expression after another.

    :param alarm: called with the seconds of CPU after which something must end this process, if it can: a few functions
        of QuickJS, such as ``new Array(1e9).join()``, never look at the clock, and its own time limit is lost on them.
    """

    def __init__(self, limits: Limits, alarm: Callable[[float], None]) -> None:
        self._limits = limits
        self._alarm = alarm
        self._context = Context()
        self._context.set_memory_limit(limits.memory_bytes)
        self._context.set_max_stack_size(limits.stack_bytes)
        self._open = self._context.eval(_SCRIPTS["core"])
        self._progress: Any = None

    def open(self, request: Request, seconds: float) -> None:
        """Take away what no expression may have, and hand over the values.

        :raises Spent: if they do not fit.
        """
        size = len(request.roots) + len(request.items)
        self._context.set_memory_limit(self._limits.memory_bytes + _MEMORY_PER_INPUT_BYTE * size)
        self._allow(seconds)
        try:
            self._close_doors(request, "".join(source for source, _ in request.expressions))
            self._give_values(request)
        except (JSException, MemoryError) as error:
            raise self._spent(error, seconds, "its values take too much memory, or are nested too deeply") from error

    def _close_doors(self, request: Request, sources: str) -> None:
        context = self._context
        for name in _CLOSED:
            context.set(name, None)
        for name, script in _TAMED.items():
            if name in sources:
                context.eval(_SCRIPTS[script])
            else:
                context.set(name, None)
        if "toLocale" in sources:
            context.eval(_SCRIPTS["locales"])
        if "now" in sources:
            context.eval(_SCRIPTS["now"])(request.now)
        if "secret" in sources:
            context.eval(_SCRIPTS["secrets"])(request.secret_mark)

    def _give_values(self, request: Request) -> None:
        context = self._context
        parse = context.eval(_SCRIPTS["integers"]) if request.has_long_integers else context.parse_json
        is_each = request.kind == "each"
        if is_each:
            self._progress = context.parse_json('{"index":null}')
        self._evaluate = self._open(
            parse(request.roots.decode()),
            parse(request.items.decode()),
            self._progress,
            _SCRIPTS["results"],
            _SCRIPTS["errors"],
            _SCRIPTS["each"] if is_each else None,
            request.is_script,
        )
        # A script shares its world with nobody; frozen, it would refuse much that is honest: `this.name = …` in an Error's class.
        if not request.is_script and (is_each or len(request.expressions) > 1):
            context.eval(_SCRIPTS["isolation"])

    def evaluate(self, source: str, as_text: bool, seconds: float) -> bytes:
        """Return the answer as JSON: ``{"value": …}`` or ``{"error": {…}}``.

        :raises Spent: if the expression ran into the limit of time or memory.
        """
        self._allow(seconds)
        try:
            answer = self._evaluate(source, as_text)
        except (JSException, MemoryError) as error:
            raise self._spent(error, seconds, _TOO_MUCH) from error
        # JavaScript that changes its own functions may answer with anything; the parent looks at what it says.
        answer = answer.encode("utf-8", "surrogatepass") if isinstance(answer, str) else b"null"
        if answer.startswith(b'{"error":{"code":"memory_limit"'):
            raise Spent("memory_limit", _TOO_MUCH, self._index())
        most = self._limits.output_bytes if self._progress is None else self._limits.each_output_bytes
        if len(answer) > most:
            message = f"as JSON it has {len(answer):,} bytes, and {most:,} are allowed"
            return orjson.dumps({"error": {"code": "too_large", "message": message}})
        return answer

    def _allow(self, seconds: float) -> None:
        self._context.set_time_limit(seconds)
        self._alarm(seconds + ALARM_AFTER_SECONDS)

    def _spent(self, error: Exception, seconds: float, too_much: str) -> Spent:
        """Tell which limit stopped this world. Whatever else goes wrong is caught in JavaScript and comes as an answer."""
        if "interrupted" in str(error):
            return Spent("time_limit", f"it may compute for {seconds:.2g} seconds", self._index())
        return Spent("memory_limit", too_much, self._index())

    def _index(self) -> int | None:
        """Return which item was under way, if there are items."""
        if self._progress is None:
            return None
        try:
            index: int | None = orjson.loads(self._progress.json())["index"]
        except (JSException, MemoryError):
            return None
        return index


def answers(
    request: Request, limits: Limits, *, realm: Realm | None = None, alarm: Callable[[float], None] = lambda _: None
) -> Iterator[bytes]:
    """Yield one JSON answer for each expression of a request.

    :param realm: a world for the first of them, made ahead. One that ran into a limit is replaced for the next.
    """
    if request.kind == "check":
        yield from _checks(request, limits, alarm)
        return
    most = limits.batch_cpu_seconds if request.kind == "each" else limits.cpu_seconds
    end = time.thread_time() + limits.batch_cpu_seconds
    room = limits.total_output_bytes
    opened: Realm | None = None
    for source, as_text in request.expressions:
        left = end - time.thread_time()
        try:
            if left <= 0:
                raise Spent("time_limit", f"those before it took all {limits.batch_cpu_seconds:g} seconds")
            if opened is None:
                opened = realm or Realm(limits, alarm)
                realm = None
                opened.open(request, left)
            answer = opened.evaluate(source, as_text, min(most, left))
            room -= len(answer)
            yield answer if room >= 0 else _TOO_LARGE_TOGETHER
        except Spent as spent:
            yield spent.answer
            opened = None


def _checks(request: Request, limits: Limits, alarm: Callable[[float], None]) -> Iterator[bytes]:
    check = syntax_checker(limits)
    for source, _ in request.expressions:
        alarm(2 * limits.cpu_seconds + 0.25)
        yield orjson.dumps(check(source))
