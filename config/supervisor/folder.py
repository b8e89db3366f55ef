"""Where an installation that lives in one folder keeps its things."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from config.supervisor.exceptions import UpError

# A unix socket's address holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
SOCKET_PATH_BYTES = 103

# What stands in a broker URL as it is, so that no client has to agree with another about quoting.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True)
class Folder:
    """The paths of one installation. ``base`` is where ``manage.py`` stands."""

    base: Path

    @property
    def var(self) -> Path:
        """Everything that is made here and is not code: data, keys, logs."""
        return self.base / "var"

    @property
    def database(self) -> Path:
        return self.var / "segue.sqlite3"

    @property
    def keys(self) -> Path:
        return self.var / "keys.env"

    @property
    def lock(self) -> Path:
        return self.var / "up.lock"

    def log(self, name: str) -> Path:
        return self.var / "log" / f"{name}.log"

    @property
    def broker_socket(self) -> Path:
        """Return the same short path at every call, in ``var`` or else in a private folder for temporary files.

        :raises UpError: if every folder that could hold it has too long a path.
        """
        mark = hashlib.sha256(os.fsencode(self.base)).hexdigest()[:12]
        name = f"segue-{os.getuid()}-{mark}"
        for home in (self.var / "run", Path(tempfile.gettempdir()) / name, Path("/tmp") / name):  # noqa: S108 - see make_private
            path = home / "broker.sock"
            if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and PLAIN_PATH.fullmatch(str(path)):
                return path
        raise UpError(
            f"No folder is short enough for the broker's socket; {path} is too long. Set TMPDIR to a short path."
        )

    def make(self) -> None:
        """Create the folders that do not exist yet.

        :raises UpError: if they cannot be created, or the socket's folder belongs to somebody else.
        """
        try:
            self.var.mkdir(mode=0o700, exist_ok=True)  # Password hashes and what workflows handle are in there.
            (self.var / "log").mkdir(exist_ok=True)
        except OSError as error:
            raise UpError(f"{self.var} cannot be created: {error.strerror}. Segue keeps its data there.") from error
        make_private(self.broker_socket.parent)

    def leave(self) -> None:
        """Remove the socket's folder, which may stand among other people's temporary files."""
        with contextlib.suppress(OSError):
            self.broker_socket.parent.rmdir()


def make_private(path: Path) -> None:
    """Create a folder that only this user can enter, or make sure that it is one.

    In a folder for temporary files anybody may have been there first, perhaps with a link to elsewhere.

    :raises UpError: if it is not a folder of this user.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise UpError(f"{path} belongs to somebody else. Remove it, or set TMPDIR to a folder of your own.")
    path.chmod(0o700)
