"""What can go wrong at the door.

No message names the URL or the host: the caller may know them only with secrets filled in, and a redirect's target comes
from a stranger. Who calls the door adds what may be shown. No message names the address that a name led to either, or the
door would tell strangers about the network that it stands in.
"""

from __future__ import annotations

from projects.exceptions import SegueError


class DoorError(SegueError):
    """A call to the outside could not be made or finished."""

    code = "door"
    retryable = False  # Whether the same call may succeed later.

    def __init__(self, message: str, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable


class BadUrl(DoorError):
    """The URL is none that the door can call."""

    code = "bad_url"


class BadRequest(DoorError):
    """The method or a header is none that may be sent."""

    code = "bad_request"


class HostNotAllowed(DoorError):
    """The caller restricted this call to some hosts, and this is not one of them."""

    code = "host_not_allowed"


class SecretNotAllowed(DoorError):
    """A secret that is part of the call may not be sent to this host."""

    code = "secret_not_allowed"


class AddressRefused(DoorError):
    """The host leads to an address or a port that is not public."""

    code = "address_refused"


class DnsFailed(DoorError):
    """The host's name has no address, or nobody could tell."""

    code = "dns"


class ConnectFailed(DoorError):
    """No connection came about."""

    code = "connect"
    retryable = True


class TlsFailed(DoorError):
    """The connection could not be made safe."""

    code = "tls"


class TimedOut(DoorError):
    """The call took longer than it was allowed to."""

    code = "timeout"
    retryable = True


class ConnectionLost(DoorError):
    """The other side closed the connection before its answer was complete."""

    code = "connection_lost"
    retryable = True


class ProtocolBroken(DoorError):
    """The answer is not HTTP, or its body is not what its headers say."""

    code = "protocol"


class TooLarge(DoorError):
    """The answer is larger than the door lets in."""

    code = "too_large"


class BadRedirect(DoorError):
    """The answer sends the caller somewhere that the door does not go."""

    code = "bad_redirect"


class TooManyRedirects(DoorError):
    """The answers keep sending the caller elsewhere."""

    code = "too_many_redirects"


class Cancelled(Exception):
    """The caller abandoned the call.

    Not a :class:`DoorError`: a tool that turns those into errors of its node must not turn this into one.
    """
