"""The program of the child: started as a file by :mod:`workflows.isolated.process`.

Its argument is what to run and its limits, as JSON. On standard input comes the question, a line of JSON, and after it what is to be
read, one thing after the other. The answer goes to standard output.
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
    asked = json.loads(sys.stdin.buffer.readline())
    parts = [sys.stdin.buffer.read(size) for size in asked["sizes"]]
    # Half a character (a lone surrogate) becomes a question mark; as an escape, it would be no JSON that the parent reads.
    sys.stdout.buffer.write(json.dumps(answer(parts, asked["question"]), ensure_ascii=False).encode(errors="replace"))
