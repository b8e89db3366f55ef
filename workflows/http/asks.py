"""What is sent through the door, and what is sent after a redirect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import httpcore2
import httpx2

from workflows.http import secrets, urls
from workflows.http.decoding import ACCEPT_ENCODING
from workflows.http.errors import BadRedirect, BadRequest, BadUrl

METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
# May be sent once more when a kept connection turns out to be dead (RFC 9110, 9.2.2).
IDEMPOTENT = METHODS - {"POST", "PATCH"}

_DEFAULTS = {"Accept": "*/*", "Accept-Encoding": ACCEPT_ENCODING, "User-Agent": "Segue"}
# They say where a message ends and whom it is for; only the door does.
_OWN = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"}
)
# Everything else may be a credential, so it does not go along to another origin.
_HARMLESS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent"})
_OF_A_BODY = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Ask:
    """One request to one place."""

    method: str
    url: httpx2.URL
    headers: tuple[tuple[str, str], ...]
    content: bytes

    def to_httpcore(self) -> httpcore2.Request:
        """Return it as the connection pool takes it."""
        host = self.url.netloc
        headers = [(b"Host", host), *((name.encode("ascii"), value.encode()) for name, value in self.headers)]
        if self.content or self.method in {"POST", "PUT", "PATCH"}:
            headers.append((b"Content-Length", str(len(self.content)).encode("ascii")))
        url = httpcore2.URL(
            scheme=self.url.raw_scheme, host=self.url.raw_host, port=self.url.port, target=self.url.raw_path
        )
        return httpcore2.Request(self.method, url, headers=headers, content=self.content)


def build(method: str, url: str, headers: Mapping[str, str], content: bytes) -> Ask:
    """Return the first request of a call.

    :raises BadUrl: if the URL is none that may be called.
    :raises BadRequest: if the method or a header may not be sent.
    """
    if method not in METHODS:
        raise BadRequest(f"The method must be one of {', '.join(sorted(METHODS))}.")
    given = {name.lower() for name in headers}
    defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in given}
    sent = tuple((name, _checked(name, value)) for name, value in {**defaults, **headers}.items())
    return Ask(method, urls.parse(url), sent, content)


def is_redirect(status: int, headers: Mapping[str, str]) -> bool:
    """Test whether an answer sends the caller elsewhere."""
    return status in _REDIRECTS and "location" in headers


def redirected(ask: Ask, status: int, location: str) -> Ask:
    """Return what to ask next (RFC 9110, 15.4): at another origin without anything that could be a credential.

    :raises BadRedirect: if that cannot be asked, or would send over http what was meant for https, or a secret elsewhere.
    """
    try:
        url = urls.check(ask.url.join(location))
    except (httpx2.InvalidURL, BadUrl) as error:
        raise BadRedirect(f"The answer ({status}) redirects to a place that is no valid http or https URL.") from error
    asked = replace(ask, url=url)
    if (status == 303 and ask.method != "HEAD") or (status in {301, 302} and ask.method == "POST"):
        asked = replace(asked, method="GET", content=b"", headers=_without(_OF_A_BODY, asked.headers))
    if urls.origin(url) == urls.origin(ask.url):
        return asked
    if asked.content and ask.url.scheme == "https" and url.scheme == "http":
        raise BadRedirect(f"The answer ({status}) redirects from https to http, where others could read the body.")
    if asked.content and not _is_made_secure(ask.url, url) and secrets.is_in(asked.content):
        raise BadRedirect(
            f"The answer ({status}) redirects to another place, and the body that would go along holds a secret. "
            "If it should go there, call that place itself."
        )
    return replace(asked, headers=tuple(pair for pair in asked.headers if pair[0].lower() in _HARMLESS))


def _is_made_secure(before: httpx2.URL, after: httpx2.URL) -> bool:
    """Test whether a redirect leads to the same place over https."""
    return urls.origin(before) == ("http", urls.ascii_host(after), 80) and urls.origin(after)[::2] == ("https", 443)


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers that may go to another origin: none of them could be a credential."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def _without(names: frozenset[str], headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in headers if pair[0].lower() not in names)


def _checked(name: str, value: str) -> str:
    """Return a header's value as it may be sent.

    :raises BadRequest: if it could end the header and begin something else, or if the header is the door's own.
    """
    if not _NAME.fullmatch(name):
        raise BadRequest("A header's name holds characters that header names cannot have.")
    if name.lower() in _OWN or name.lower().startswith("proxy-"):
        raise BadRequest(f"The header {name} is set by Segue itself.")
    if _CONTROL.search(value):
        raise BadRequest(f"The value of the header {name} holds a line end or another control character.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"The value of the header {name} holds half a character (a lone surrogate).") from error
    return value.strip()
