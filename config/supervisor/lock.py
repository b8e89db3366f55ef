"""One supervisor in a folder, not two."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder


@contextmanager
def only_one(folder: Folder) -> Iterator[None]:
    """Hold the folder's lock. It ends with this process, however it ends; the file stays.

    :raises UpError: if another supervisor holds it.
    """
    with folder.lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise UpError(
                f"Segue is running in this folder already: process {holder}. "
                f"Stop it with Ctrl-C where it was started, or `kill {holder}`."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
