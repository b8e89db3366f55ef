"""Which addresses and ports the door connects to: an explicit table, because Python's ``is_global`` changes by version.

Sources: IANA's IPv4 and IPv6 special-purpose address registries, RFC 6890; the clouds' metadata services; for ports the
"bad port" list of the WHATWG Fetch standard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from workflows.http.errors import AddressRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# What is refused, and what it is called. The first range that holds an address names it.
REFUSED: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(text), kind)
    for text, kind in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a provider"),  # And Alibaba's metadata service.
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "a cloud's metadata service"),  # Azure.
        ("169.254.0.0/16", "link-local"),  # And the metadata services of most clouds.
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),  # And 192.0.0.192, Oracle's metadata service.
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "a tunnel"),
        ("192.88.99.0/24", "a tunnel"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "an IPv4 address in disguise"),  # Mapped.
        ("::/96", "an IPv4 address in disguise"),  # Compatible, and the unspecified address.
        ("64:ff9b::/96", "an IPv4 address in disguise"),  # NAT64.
        ("64:ff9b:1::/48", "an IPv4 address in disguise"),  # Local NAT64.
        ("100::/64", "discarded"),
        ("fc00::/7", "private"),  # And the metadata services of AWS and Google Cloud.
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),  # Site-local.
        ("ff00::/8", "multicast"),
        ("2001::/32", "a tunnel"),  # Teredo.
        ("2001::/23", "reserved"),  # ORCHID, benchmarking, and more.
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "an IPv4 address in disguise"),  # 6to4.
        ("2620:4f:8000::/48", "reserved"),
        ("3ffe::/16", "reserved"),  # The former 6bone.
        ("3fff::/20", "documentation"),
        # Everything that is not global unicast, 2000::/3.
        ("::/3", "reserved"),
        ("4000::/2", "reserved"),
        ("8000::/1", "reserved"),
    )
)

# Where clouds tell a machine its own credentials, to whoever asks from there.
METADATA: tuple[Address, ...] = tuple(
    ip_address(text)
    for text in (
        "169.254.169.254",  # Nearly all of them.
        "169.254.170.2",  # AWS, for containers.
        "100.100.100.200",  # Alibaba.
        "168.63.129.16",  # Azure.
        "192.0.0.192",  # Oracle.
        "fd00:ec2::254",  # AWS.
        "fd20:ce::254",  # Google.
    )
)

# Below this only the web's own ports.
_FIRST_FREE_PORT = 1024
_WEB_PORTS = frozenset({80, 443})
_BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697, 10080}
)


def parse_ranges(texts: Iterable[str]) -> tuple[Network, ...]:
    """Return the ranges that an operator allows, from texts such as ``10.1.0.0/16``.

    :raises ValueError: naming the text that is none.
    """
    return tuple(ip_network(text) for text in texts)


def check_addresses(addresses: Sequence[str], port: int, *, allowed: Sequence[Network] = ()) -> None:
    """Let pass only a host whose every address is public or allowed.

    One bad address among good ones refuses them all: whoever answers like that is up to something. Where the operator
    allowed the range, any port will do.

    :raises AddressRefused: before anything was connected to, so that nobody learns whether something listens there.
    """
    strangers = [address for address in map(ip_address, addresses) if not _is_in(address, allowed)]
    for address in strangers:
        if kind := _refused_as(address):
            raise AddressRefused(
                f"The host leads to an address that is not public ({kind}). "
                "If it should be called, an operator must add its range to SEGUE_ALLOWED_PRIVATE_NETWORKS."
            )
    if strangers and not _is_web_port(port):
        raise AddressRefused(
            f"Port {port} is not one for web services. "
            "If it should be called, an operator must add the host's range to SEGUE_ALLOWED_PRIVATE_NETWORKS."
        )


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _refused_as(address: Address) -> str | None:
    return next((kind for network, kind in REFUSED if address in network), None)


def _is_web_port(port: int) -> bool:
    return port in _WEB_PORTS or (port >= _FIRST_FREE_PORT and port not in _BAD_PORTS)
