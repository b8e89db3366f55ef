"""Named places in the code at which tests make the process die, stop or fail: ``failpoint("claim.after_commit")``.

Off unless ``SEGUE_FAILPOINTS`` is in the environment when the process starts, and then refused where ``SECURE`` is on. Off,
a failpoint costs a look at one variable.

``SEGUE_FAILPOINTS`` holds rules, ``point=action``, divided by ``;`` (``#`` begins a remark)::

    claim.after_commit=kill@3; effect.after=pause:5

or names a folder, ``@/path``, whose file ``rules`` holds them and may change while processes run. ``@3`` means the third time
that a process comes by; without it, the next time. A rule holds once: in each process, or, with a folder, in all
processes together, and the folder's file ``<point>.fired`` says that it has.

===============  ==============================================================================================
``kill``         SIGKILL this process.
``kill_group``   SIGKILL its whole process group: a server with all its workers.
``pause:S``      Stop this thread for so many seconds.
``hold``         Stop this thread until the folder has a file ``<point>.go``, or for :data:`HOLD_SECONDS`.
``error``        Raise what a database raises that went away.
``disconnect``   Let PostgreSQL end this thread's connection: the next statement, or the commit, fails.
===============  ==============================================================================================
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import OperationalError, connection

logger = logging.getLogger(__name__)

VARIABLE = "SEGUE_FAILPOINTS"
HOLD_SECONDS = 120.0
LOOK_SECONDS = 0.02

_RULE = re.compile(r"(?P<point>[a-z_.]+)=(?P<action>[a-z_]+)(?::(?P<argument>[0-9.]+))?(?:@(?P<nth>[1-9]\d*))?")


def failpoint(point: str) -> None:
    """Do here what the environment says. Nothing, in production."""
    if _armed is not None:
        _armed.pass_by(point)


def arm(environment: Mapping[str, str], *, secure: bool) -> None:
    """Read the rules of this process. Called once, when it starts.

    :raises ImproperlyConfigured: if there are any although this is production, or if they can't be read.
    """
    global _armed
    value = environment.get(VARIABLE, "")
    if not value:
        _armed = None
        return
    if secure:
        raise ImproperlyConfigured(
            f"{VARIABLE} makes processes die on purpose; unset it, or SECURE, which it is not for."
        )
    _armed = _Armed(Path(value[1:])) if value.startswith("@") else _Armed(None, rules(value))
    logger.critical("Failpoints are armed: this process may die on purpose.", extra={"rules": value})


@dataclass(frozen=True)
class Rule:
    """What happens at a point, the nth time that a process comes by."""

    point: str
    action: str
    argument: float
    nth: int


def rules(text: str) -> tuple[Rule, ...]:
    """Read rules.

    :raises ImproperlyConfigured: if one makes no sense.
    """
    found = []
    for part in (part.strip() for part in re.split(r"[;\n]", text)):
        if not part or part.startswith("#"):
            continue
        match = _RULE.fullmatch(part)
        if match is None or match["action"] not in _ACTIONS:
            raise ImproperlyConfigured(
                f"{VARIABLE}: {part!r} is no rule. Write point=action, with one of {', '.join(sorted(_ACTIONS))}; "
                "for example claim.after_commit=kill@3."
            )
        found.append(Rule(match["point"], match["action"], float(match["argument"] or 0), int(match["nth"] or 1)))
    return tuple(found)


class _Armed:
    """The rules of this process, and how often it came by where."""

    def __init__(self, folder: Path | None, fixed: tuple[Rule, ...] = ()) -> None:
        self._folder = folder
        self._fixed = fixed
        self._text = ""
        self._read: tuple[Rule, ...] = ()
        self._passed: Counter[str] = Counter()
        self._done: set[Rule] = set()
        self._lock = threading.Lock()

    def pass_by(self, point: str) -> None:
        with self._lock:
            due = self._due(point)
        if due is not None:
            logger.warning("A failpoint acts.", extra={"point": point, "action": due.action})
            _ACTIONS[due.action](due, self._folder)

    def _due(self, point: str) -> Rule | None:
        known = self._rules()
        self._passed[point] += 1
        for rule in known:
            if rule.point == point and rule not in self._done and self._passed[point] >= rule.nth:
                self._done.add(rule)
                if self._is_first(rule):
                    return rule
        return None

    def _rules(self) -> tuple[Rule, ...]:
        if self._folder is None:
            return self._fixed
        try:
            text = (self._folder / "rules").read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
        if text != self._text:
            # A new set: it counts from here.
            self._text, self._read = text, rules(text)
            self._passed.clear()
            self._done.clear()
        return self._read

    def _is_first(self, rule: Rule) -> bool:
        if self._folder is None:
            return True
        try:
            os.close(os.open(self._folder / f"{rule.point}.fired", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True


def _kill(rule: Rule, folder: Path | None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_group(rule: Rule, folder: Path | None) -> None:
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _pause(rule: Rule, folder: Path | None) -> None:
    time.sleep(rule.argument)


def _hold(rule: Rule, folder: Path | None) -> None:
    go = (folder or Path()) / f"{rule.point}.go"
    until = time.monotonic() + HOLD_SECONDS
    while not go.exists() and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _error(rule: Rule, folder: Path | None) -> None:
    raise OperationalError(f"The failpoint {rule.point} says that the database went away.")


def _disconnect(rule: Rule, folder: Path | None) -> None:
    with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


_ACTIONS: Mapping[str, Callable[[Rule, Path | None], None]] = {
    "kill": _kill,
    "kill_group": _kill_group,
    "pause": _pause,
    "hold": _hold,
    "error": _error,
    "disconnect": _disconnect,
}
_armed: _Armed | None = None
