"""One request as the server took it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from workflows.fake_provider import protocols
from workflows.fake_provider.delivery import Delivery


@dataclass(frozen=True)
class Asking:
    """One request. The names of its headers are in lower case."""

    protocol: protocols.Protocol
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes
    body: Any  # ``content`` as JSON; none of a GET.

    @property
    def is_listing(self) -> bool:
        """Whether it asks which models there are."""
        return self.method == "GET"


class Source(Protocol):
    """Where answers come from: a script, a recording, or a real provider."""

    def answer(self, asking: Asking) -> Delivery:
        """Return what is sent back."""

    def close(self) -> None:
        """End what is under way."""
