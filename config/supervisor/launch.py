"""Become a program that dies with the process that started it: ``launch.py PARENT_ID PROGRAM ARGUMENT…``.

A script of its own, because the kernel must be told between fork and exec, and Python code does not belong there.
macOS has no such call: there the children outlive a supervisor that was killed with SIGKILL, and only then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(1)  # It died before the kernel was told.
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
