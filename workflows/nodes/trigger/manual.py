"""Started by a person or a program, over the API, in the admin or on the command line."""

from __future__ import annotations

from typing import Literal

from workflows.nodes.base import Config


class ManualTrigger(Config):
    """A person or a program starts the workflow, with an input that the definition's ``inputs`` describes."""

    kind: Literal["manual"]
