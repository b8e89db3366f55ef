"""The program of the child: started as a file by :mod:`workflows.isolated.process`.

Its arguments are what to run and its limits, and the question, as JSON. What is to be read comes on standard input, and the answer
goes to standard output.
"""

from __future__ import annotations

import contextlib
import json
import resource
import runpy
import sys


def limit(memory_bytes: int, cpu_seconds: int) -> None:
    """Have the system end this process before it does harm."""
    for name, most in (
        ("RLIMIT_AS", memory_bytes),
        ("RLIMIT_CPU", cpu_seconds),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NPROC", 0),
    ):
        with contextlib.suppress(AttributeError, OSError, ValueError):  # Not every system has each.
            resource.setrlimit(getattr(resource, name), (most, most))


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    sys.path += arguments["libraries"]
    answer = runpy.run_path(arguments["program"])["answer"]
    limit(arguments["limits"]["memory_bytes"], arguments["limits"]["cpu_seconds"])
    sys.stdout.write(json.dumps(answer(sys.stdin.buffer.read(), json.loads(sys.argv[2]))))
