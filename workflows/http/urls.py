"""Reading URLs: one parser, so that what is checked is what is called."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import unquote

import httpx2

from workflows.http.errors import BadUrl

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_NAME_MAX_CHARS = 253  # RFC 1035.
_PATH = re.compile(r"[^:/?#]*://[^/\\?#]*([^?#]*)")
# A server may decode once, and something in front of it once more.
_DECODINGS = 3

Origin = tuple[str, str, int]


def parse(text: str) -> httpx2.URL:
    """Return the URL of a request: http or https, a host in ASCII (IDNA), no user, a real port, no dot segments.

    :raises BadUrl: if it is anything else.
    """
    _refuse_dot_segments(text)
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL as error:
        # The parser's own words may quote the URL.
        raise BadUrl("The URL is malformed. Encode values with encodeURIComponent().") from error
    return check(url)


def check(url: httpx2.URL) -> httpx2.URL:
    """Return the URL with its host in the one form that is compared, looked up and sent.

    :raises BadUrl: if the door does not call such URLs.
    """
    if url.scheme not in _PORTS:
        raise BadUrl("The URL must start with http:// or https://.")
    if url.userinfo:
        raise BadUrl("The URL holds a user or a password. Use `auth` instead.")
    host = one_form(ascii_host(url))
    if not (_is_ipv6(host) or _is_name(host)):
        raise BadUrl("The URL has no valid host.")
    if url.port is not None and not 0 < url.port < 65536:
        raise BadUrl("The URL's port must be between 1 and 65535.")
    return url.copy_with(host=host, fragment=None)


def origin(url: httpx2.URL) -> Origin:
    """Return what must be the same for credentials to be sent again: scheme, host and port."""
    return url.scheme, ascii_host(url), url.port or _PORTS[url.scheme]


def joined(base: str, reference: str) -> httpx2.URL:
    """Return where a reference leads that stood in an answer from ``base`` (RFC 3986, 5), checked like any other URL.

    :raises BadUrl: if the door does not call such URLs.
    """
    try:
        url = check(httpx2.URL(base).join(reference))
    except httpx2.InvalidURL as error:
        raise BadUrl("It is no valid URL.") from error
    _refuse_dot_segments(str(url))
    return url


def ascii_host(url: httpx2.URL) -> str:
    """Return the host as it is sent; ``url.host`` would be what people read."""
    return url.raw_host.decode("ascii")


def one_form(host: str) -> str:
    """Return a host in ASCII as it is compared: in small letters, without the last dot, an IPv6 address as short as it can be."""
    host = host.lower().removesuffix(".")
    return IPv6Address(host).compressed if _is_ipv6(host) else host


def host_pattern(text: str) -> str:
    """Return a name or ``*.name``, as somebody writes it, in the form in which hosts are compared.

    :raises BadUrl: if it is neither.
    """
    name = text.strip()
    below = "*." if name.startswith("*.") else ""
    name = name.removeprefix(below)
    address = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    url = parse(f"http://[{address}]/" if ":" in address else f"http://{name}/")
    if url.raw_path != b"/" or {"*", "#"} & set(name) or (below and ":" in name):
        raise BadUrl("It is more than a host.")
    return below + ascii_host(url)


def host_matches(host: str, pattern: str) -> bool:
    """Test a host against a name, or against ``*.name`` for everything below it."""
    pattern = one_form(pattern)
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host  # No zone: it would be one of this machine.


def _is_name(host: str) -> bool:
    return len(host) <= _NAME_MAX_CHARS and _NAME.fullmatch(host) is not None


def _refuse_dot_segments(text: str) -> None:
    """Refuse ``..`` in a path, however it is spelled: nobody writes it, but a value put into a URL may bring it along."""
    match = _PATH.match(text)
    path = match.group(1) if match else ""
    for _ in range(_DECODINGS):
        segments = (segment.partition(";")[0] for segment in re.split(r"[/\\]", path))
        if any(segment in {".", ".."} for segment in segments):
            raise BadUrl("The URL's path holds a dot segment (`.` or `..`), perhaps from a value that was put into it.")
        path = unquote(path)
