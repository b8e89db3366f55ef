"""Access tokens by OAuth 2.0 (RFC 6749), kept in this process's memory until shortly before they expire."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from projects.exceptions import Invalid
from projects.payloads import parse_json
from workflows.http.replies import Reply

# For a server that does not say how long a token is good for: if it is for less, a 401 says so.
UNTOLD_SECONDS = 300.0
# A token is not used in the last part of its life, so that it does not expire on its way.
MARGIN_SECONDS = 30.0
MARGIN_SHARE = 0.1
# No token is believed for longer than this.
LONGEST_SECONDS = 24 * 3600.0
MAX_TOKENS = 1_000
MAX_REPLY_BYTES = 64 * 1024


class TokenRefused(Exception):
    """There is no token to be had.

    :param message: a sentence about why, such as what the endpoint said. It may have repeated a credential: to be masked, and
        then cut.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class Token:
    """An access token, and until when of the monotonic clock it is used.

    :param refresh_token: one that came with it.
    """

    value: str = field(repr=False)
    good_until: float
    refresh_token: str = field(default="", repr=False)


def read_token(reply: Reply, *, asked_at: float) -> Token:
    """Return the token in a token endpoint's answer (5.1).

    :param asked_at: of the monotonic clock: the token's life is counted from before it was made.
    :raises TokenRefused: if there is none; with what the endpoint said (5.2).
    """
    said = _object_in(reply)
    if not 200 <= reply.status < 300:
        raise TokenRefused(_refusal(reply.status, said))
    value, kind = said.get("access_token"), said.get("token_type", "Bearer")
    if not isinstance(value, str) or not value:
        raise TokenRefused("The token endpoint's answer has no access_token.")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenRefused("The token endpoint gave a token of another type than Bearer, which cannot be used.")
    seconds = _lifetime(said.get("expires_in"))
    another = said.get("refresh_token")
    return Token(
        value,
        asked_at + seconds - min(MARGIN_SECONDS, seconds * MARGIN_SHARE),
        another if isinstance(another, str) else "",
    )


def _object_in(reply: Reply) -> Mapping[str, Any]:
    try:
        said = parse_json(reply.body, max_bytes=MAX_REPLY_BYTES, max_keys=1_000, max_string_bytes=MAX_REPLY_BYTES)
    except Invalid:
        return {}
    return said if isinstance(said, dict) else {}


def _refusal(status: int, said: Mapping[str, Any]) -> str:
    error, description = said.get("error"), said.get("error_description")
    told = ", ".join(text for text in (error, description) if isinstance(text, str) and text)
    return f"The token endpoint answered with status {status}{f': {told}' if told else ''}."


def _lifetime(expires_in: Any) -> float:
    # Some servers write the number as text.
    if isinstance(expires_in, str) and expires_in.isascii() and expires_in.isdigit():
        expires_in = float(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return UNTOLD_SECONDS
    return min(max(float(expires_in), 0.0), LONGEST_SECONDS)


@dataclass
class _Place:
    lock: threading.Lock = field(default_factory=threading.Lock)
    token: Token | None = None


class TokenCache:
    """The tokens that a process has. Threads share it; those who need the same new token wait for the one who gets it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child: its parent's locks may be held by threads that are not here."""
        self._guard = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()

    def get(self, key: str, fetch: Callable[[], Token], *, instead_of: str = "", timeout: float) -> tuple[str, bool]:
        """Return a token, and whether it was there already.

        :param fetch: asks for one.
        :param instead_of: a token that was refused, and is not good any more.
        :param timeout: seconds to wait for another thread that is asking.
        :raises TimeoutError: if that took longer.
        """
        place = self._place(key)
        if not place.lock.acquire(timeout=max(timeout, 0.0)):
            raise TimeoutError
        try:
            known = place.token
            if known is not None and known.value != instead_of and self._clock() < known.good_until:
                return known.value, True
            place.token = None
            place.token = fetch()
            return place.token.value, False
        finally:
            place.lock.release()

    def _place(self, key: str) -> _Place:
        with self._guard:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > MAX_TOKENS:
                self._places.popitem(last=False)
            return place


_cache = TokenCache()


def shared_cache() -> TokenCache:
    """Return this process's tokens."""
    return _cache


os.register_at_fork(after_in_child=_cache.forget)
