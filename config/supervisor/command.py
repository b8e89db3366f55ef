"""The command line of the supervisor: ``manage.py up``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from config.supervisor.exceptions import UpError
from config.supervisor.folder import Folder
from config.supervisor.options import Options, add_arguments
from config.supervisor.supervisor import Supervisor

BASE_DIR = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Run ``manage.py up`` with these options. Return the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py up", description="Start Segue in this folder.")
    add_arguments(parser)
    options = Options(**vars(parser.parse_args(arguments)))
    try:
        return Supervisor(options, folder=Folder(BASE_DIR)).run()
    except UpError as error:
        sys.stderr.write(f"Segue did not start. {error}\n")
        return 1
