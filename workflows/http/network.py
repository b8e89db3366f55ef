"""Connections: a name is looked up once, all its addresses are checked, and a checked one is dialled."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import httpcore2

from workflows.http.addresses import Network, check_addresses
from workflows.http.calls import Call, current_call
from workflows.http.errors import ConnectFailed, DnsFailed, DoorError, TlsFailed

CONNECT_SECONDS = 5.0
# A host with more addresses than this is not worth the wait.
MAX_ADDRESSES = 4
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH; their message would name the host.
_NAME_MISMATCHES = frozenset({62, 64})

Resolver = Callable[[str], Sequence[str]]


def system_resolver(host: str) -> list[str]:
    """Return the addresses of a host as the machine knows them, IPv4 and IPv6, best first.

    :raises OSError: if there are none.
    """
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


class CheckedBackend(httpcore2.NetworkBackend):
    """Opens the pool's connections. A connection that exists has been checked, so reusing it is safe."""

    def __init__(self, resolver: Resolver, allowed: Sequence[Network]) -> None:
        self._resolver = resolver
        self._allowed = allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Return a connection to the host. The time allowed is the current call's.

        :raises DoorError: if there is none to be had.
        """
        call = current_call()
        call.has_connected = True
        return _Stream(_dial(self.addresses(host, port, call), port, call))

    def addresses(self, host: str, port: int, call: Call) -> Sequence[str]:
        """Return the addresses at which a host may be dialled, best first: each has been checked.

        :raises DoorError: if there is none, or if one of them is refused.
        """
        addresses = _look_up(self._resolver, host, call)
        check_addresses(addresses, port, allowed=self._allowed)
        return addresses[:MAX_ADDRESSES]


def _look_up(resolver: Resolver, host: str, call: Call) -> Sequence[str]:
    if _is_address(host):
        return [host]
    # In a thread of its own, because the system's look-up knows no time limit and cannot be interrupted.
    answers: SimpleQueue[Sequence[str] | Exception | None] = SimpleQueue()
    Thread(target=_resolve, args=(resolver, host, answers), name="look-up", daemon=True).start()
    with call.cancel.waking(lambda: answers.put(None)):
        try:
            answer = answers.get(timeout=call.remaining(CONNECT_SECONDS))
        except Empty:
            call.remaining()
            raise DnsFailed("The host's name could not be looked up in time.", retryable=True) from None
    call.cancel.check()
    if isinstance(answer, Exception):
        raise _dns_error(answer) from answer
    if not answer:
        raise DnsFailed("The host's name has no address. Check its spelling.")
    return answer


def _resolve(resolver: Resolver, host: str, answers: SimpleQueue[Sequence[str] | Exception | None]) -> None:
    try:
        answers.put(resolver(host))
    except Exception as error:
        answers.put(error)


def _dns_error(error: Exception) -> DnsFailed:
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
        return DnsFailed("The host's name could not be looked up just now.", retryable=True)
    return DnsFailed("The host's name has no address. Check its spelling.")


def _tls_error(error: OSError) -> DoorError:
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in _NAME_MISMATCHES:
            return TlsFailed("The host's certificate is for another name.")
        case ssl.SSLCertVerificationError(verify_message=reason):
            return TlsFailed(f"The host's certificate cannot be trusted: {reason}.")
        case ssl.SSLEOFError():
            return ConnectFailed("The host closed the connection before it was secure.")
        case ssl.SSLError():
            return TlsFailed("The host and the door found no secure way to talk.")
        case _:
            return ConnectFailed("The connection broke, or took too long, before it was secure.")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_readable(connection: socket.socket) -> bool:
    """Test whether something came while the connection was idle: its end, or what nobody asked for."""
    if connection.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _dial(addresses: Sequence[str], port: int, call: Call) -> socket.socket:
    """Connect to the first address that answers; together they get the seconds that one connection may take."""
    failure: OSError | None = None
    for address in addresses:
        try:
            return _connect(address, port, CONNECT_SECONDS / len(addresses), call)
        except OSError as error:
            failure = error
    call.remaining()
    raise ConnectFailed("The host did not accept a connection.") from failure


def _connect(address: str, port: int, seconds: float, call: Call) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(call.remaining(seconds))
        with call.waiting_for(connection):
            connection.connect((address, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


class _Stream(httpcore2.NetworkStream):
    """A connection whose every wait is bounded by the call that is using it at the time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        call = current_call()
        self._connection.settimeout(call.remaining())
        try:
            with call.waiting_for(self._connection):
                data = self._connection.recv(max_bytes)
        except TimeoutError as error:
            raise call.timed_out() from error
        except OSError as error:
            call.was_closed = True
            raise httpcore2.ReadError(str(error)) from error
        call.has_received = call.has_received or bool(data)
        call.was_closed = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        call = current_call()
        unsent = memoryview(buffer)
        while unsent:
            self._connection.settimeout(call.remaining())
            try:
                with call.waiting_for(self._connection):
                    sent = self._connection.send(unsent)
            except TimeoutError as error:
                raise call.timed_out() from error
            except OSError as error:
                # The HTTP layer goes on to read: a server may answer and close before it has read everything.
                raise httpcore2.WriteError(str(error)) from error
            unsent = unsent[sent:]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        call = current_call()
        # Two steps: wrapping takes the socket's number away from the object that a cancel would shut down.
        secured = ssl_context.wrap_socket(
            self._connection, server_hostname=server_hostname, do_handshake_on_connect=False
        )
        try:
            secured.settimeout(call.remaining(CONNECT_SECONDS))
            with call.waiting_for(secured):
                secured.do_handshake()
        except BaseException as error:
            secured.close()
            if isinstance(error, OSError):
                call.remaining()
                raise _tls_error(error) from error
            raise
        return _Stream(secured)

    def close(self) -> None:
        self._connection.close()

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "is_readable":
                return _is_readable(self._connection)
            case "ssl_object" if isinstance(self._connection, ssl.SSLSocket):
                return self._connection
            case "socket":
                return self._connection
        return None
