"""What the child process does: it gives up its rights, and then answers requests until its parent is gone.

It talks over its standard input and output. A request is three lengths of four bytes (big-endian), then the three texts
of :meth:`Request.to_frames`. Each of its expressions is answered by a length and a text. An empty answer at the start says
that the child is ready.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import struct
import sys

from workflows.expressions.limits import Limits
from workflows.expressions.realm import Realm, answers
from workflows.expressions.request import Request

_PR_SET_NO_NEW_PRIVS = 38
_LENGTH = struct.Struct(">I")
_LENGTHS = struct.Struct(">III")


def give_up_rights(limits: Limits) -> None:
    """Set every limit that the system has: no files, no processes, no more memory than it needs, no core dumps."""
    for number in (signal.SIGPROF, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)  # It ends the process, whatever the parent does about it.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for name, most in (
        ("RLIMIT_AS", limits.process_memory_bytes),
        ("RLIMIT_NOFILE", 3),  # Those that it has.
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
    ):
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, OSError, ValueError):
            continue  # macOS lacks some of them. The limits of QuickJS hold all the same.


def allow_cpu(seconds: float) -> None:
    """End this process when it uses more CPU time than this from now on."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    # The same in whole seconds, in case that the timer's signal is lost.
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + seconds) + 1, hard))


def serve(limits: Limits) -> None:
    """Answer requests until the parent closes the pipe, or is gone."""
    while True:
        allow_cpu(limits.batch_cpu_seconds)
        realm = Realm(limits, allow_cpu)  # Made before it is needed, so that nobody waits for it.
        request = _read_request()
        if request is None:
            return
        for answer in answers(request, limits, realm=realm, alarm=allow_cpu):
            _write(_LENGTH.pack(len(answer)) + answer)


def _read_request() -> Request | None:
    """Return the next request, or ``None`` if the parent has closed the pipe or is gone."""
    prefix = _read(_LENGTHS.size)
    if len(prefix) < _LENGTHS.size:
        return None
    sizes = _LENGTHS.unpack(prefix)
    frames = _read(sum(sizes))
    if len(frames) < sum(sizes):
        return None
    roots, items = sizes[0], sizes[0] + sizes[1]
    return Request.from_frames(frames[:roots], frames[roots:items], frames[items:])


def _read(size: int) -> bytes:
    """Return that many bytes, or fewer if the parent is gone."""
    parts = []
    while size and (part := os.read(0, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def run(limits: Limits) -> None:
    """Be the child process."""
    give_up_rights(limits)
    try:
        _write(_LENGTH.pack(0))  # Ready.
        serve(limits)
    except BrokenPipeError:
        return  # The parent is gone.
