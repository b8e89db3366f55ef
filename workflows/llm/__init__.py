"""Calls to large language models: in Segue's own words, through Segue's own door.

What speaks the providers' protocols is loaded with the first call, or with :func:`prepare`: it takes seconds and a good deal of
memory, which a process that never calls a model does without.
"""

from __future__ import annotations

from collections.abc import Callable

from workflows.llm.requests import ModelAnswer, ModelRequest, Tool, estimated_tokens

__all__ = ["ModelAnswer", "ModelRequest", "Tool", "call", "estimated_tokens", "prepare"]


def call(request: ModelRequest, *, seconds: float, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
    """Ask a model and return its answer. Nothing is tried twice: that is for whoever calls.

    The call stands under the same bounds as every call of the thread: its ``abandonable`` handle, its gate, the hosts of the
    secrets that were filled in.

    :param seconds: how long all of it may take; beyond the door's own limit that holds.
    :param on_text: is given the answer's text piece by piece while it comes, in this thread. Never what the model thinks.
    :raises NodeError: see :mod:`workflows.llm.errors`; ``details["was_sent"]`` says whether the provider may charge for it.
    :raises Cancelled: if the call was abandoned.
    :raises Postponed: if the gate of this thread says so.
    """
    from workflows.llm import calling

    return calling.call(request, seconds=seconds, on_text=on_text)


def prepare() -> None:
    """Load now what the first call would load."""
    from workflows.llm import calling

    calling.prepare()
