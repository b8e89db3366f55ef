"""Secrets are filled in at the door, go only where they may, and do not come back through it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from projects.masking import Masker
from workflows.http import urls
from workflows.http.errors import HostNotAllowed, SecretNotAllowed


@dataclass(frozen=True)
class Secret:
    """A secret in clear.

    :param allowed_hosts: the only hosts that it may be sent to, names or ``*.name``; none means any.
    :param problem: why its value is not known, if it is not.
    """

    name: str
    value: str = field(repr=False)
    allowed_hosts: tuple[str, ...] = ()
    problem: str = ""


class FilledIn:
    """What secrets one node run has filled in, and so where it may still call. Any of its threads may use it."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._values: set[str] = set()
        self._restricted: dict[str, tuple[str, ...]] = {}
        self._only: list[tuple[str, ...]] = []

    def allow_only(self, hosts: Iterable[str]) -> None:
        """Have no call go elsewhere, whatever it holds: an agent's tools may call these alone."""
        self._only.append(tuple(hosts))

    def note(self, secret: Secret) -> None:
        """Note that a secret is part of what will be sent from now on."""
        self.names.add(secret.name)
        self._values.add(secret.value)
        if secret.allowed_hosts:
            self._restricted[secret.name] = secret.allowed_hosts

    def is_in(self, content: bytes) -> bool:
        """Test whether one of them can be read in a body, in any of its spellings."""
        text = content.decode(errors="replace")
        return Masker(self._values).mask_text(text) != text

    def check_host(self, host: str) -> None:
        """Do nothing if every secret that was filled in may go to a host.

        :param host: in ASCII and lower case, as it is looked up.
        :raises SecretNotAllowed: if one may not.
        :raises HostNotAllowed: if no call may go there.
        """
        for hosts in self._only:
            if not any(pattern == "*" or urls.host_matches(host, pattern) for pattern in hosts):
                raise HostNotAllowed(
                    f"An agent's tools may only call {', '.join(hosts) or 'no host at all'}, and this call goes elsewhere. If it "
                    "should, add the host to the agent's `allowed_hosts`."
                )
        for name, allowed in list(self._restricted.items()):
            if not any(urls.host_matches(host, pattern) for pattern in allowed):
                raise SecretNotAllowed(
                    f"The secret `{name}` may only be sent to {', '.join(allowed)}, and this call goes elsewhere. "
                    "If it should, set the secret again with that host among its `allowed_hosts`."
                )


_nothing = FilledIn()
_current: ContextVar[FilledIn] = ContextVar("filled_in", default=_nothing)


@contextlib.contextmanager
def bound_by(filled_in: FilledIn) -> Iterator[None]:
    """Hold every call that this thread makes in the block to the hosts of the secrets filled in, whoever wrote the call."""
    token = _current.set(filled_in)
    try:
        yield
    finally:
        _current.reset(token)


def check_host(host: str) -> None:
    """Refuse a host that a secret of this node run may not go to. The door asks this of every hop.

    And of every host that a client of another protocol, such as a database's, wants to dial.

    :raises SecretNotAllowed: if so.
    """
    _current.get().check_host(host)


def is_in(content: bytes) -> bool:
    """Test whether a body holds a secret that this node run has filled in."""
    return _current.get().is_in(content)


class FillsIn(Protocol):
    """The part of a node's context that knows its secrets."""

    @property
    def masker(self) -> Masker:
        """Knows the secrets of the execution."""

    def fill_secrets(self, text: str) -> str:
        """Replace secret placeholders by their values."""


class Secrets:
    """Fills placeholders in JSON data for a call, and masks the answer."""

    def __init__(self, context: FillsIn) -> None:
        self._context = context

    def fill(self, value: Any) -> Any:
        """Return JSON data with the placeholders in all its texts filled in. The result is for the door alone."""
        match value:
            case str():
                return self._context.fill_secrets(value)
            case dict():
                return {self.fill(key): self.fill(item) for key, item in value.items()}
            case list():
                return [self.fill(item) for item in value]
        return value

    def remember(self, value: str) -> None:
        """Mask this too, here and in all that this execution records: something that was got for a secret, such as a token."""
        self._context.masker.add(value)

    def mask(self, value: Any) -> Any:
        """Return JSON data without secrets. Before anything is cut: half a secret would no longer be recognised."""
        return self._context.masker.mask(value)
