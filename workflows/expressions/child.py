"""The program of the child process that evaluates expressions: started as a file by :mod:`workflows.expressions.process`.

Its arguments are the limits, as JSON, and the directories that hold the packages it needs.
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path


def make_importable(here: Path, site_directories: list[str]) -> None:
    """Let ``workflows.expressions.…`` be imported without what the packages' own ``__init__`` files pull in."""
    sys.path += site_directories
    for name, directory in (("workflows", here.parent), ("workflows.expressions", here)):
        package = types.ModuleType(name)
        package.__path__ = [str(directory)]
        sys.modules[name] = package


if __name__ == "__main__":
    make_importable(Path(__file__).resolve().parent, sys.argv[2:])

    from workflows.expressions.limits import Limits
    from workflows.expressions.serving import run

    run(Limits(**json.loads(sys.argv[1])))
