"""Where a webhook may lead: over HTTPS to a public address, and nowhere inside.

Whoever registers an address could otherwise have our own network, or the metadata of the machine's
host, asked by us. Names are not trusted: what one stands for may change between two looks, so each
address is looked at when a connection is opened to it.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, urlsplit

from schemas import limits

AddressInfo = tuple[Any, ...]
"""As `socket.getaddrinfo` gives them: family, type, protocol, name, address."""

_TEXT = re.compile(r"[!-~]+")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(each)
    for each in (
        "168.63.129.16/32",  # the host of machines at Azure: public by its number
        "192.0.0.0/24",  # of protocols; the metadata of machines at Oracle among them
        "192.88.99.0/24",  # relays of 6to4, that nobody runs any more
        "fec0::/10",  # once private
        "64:ff9b:1::/48",  # translated inside
        "100::/64",  # thrown away
        "3fff::/20",  # for examples
        "5f00::/16",  # inside a network that routes by segments
    )
)
"""What Python's own list takes for public, or took in some of its releases."""
_CARRIES_IPV4 = (
    # What the network is for, and how many bits follow the IPv4 address in it.
    (ipaddress.ip_network("64:ff9b::/96"), 0),  # NAT64
    (ipaddress.ip_network("2002::/16"), 80),  # 6to4
    (ipaddress.ip_network("::/96"), 0),  # once IPv4-compatible
)
_TEREDO = ipaddress.ip_network("2001::/32")


class AddressRefused(ValueError):
    """No webhook may lead there; the text says why."""


def check_url(text: str) -> SplitResult:
    """The parts of an address that a webhook may have. Raises AddressRefused."""
    if len(text) > limits.WEBHOOK_URL_CHARS_MAX:
        raise AddressRefused(
            f"the address has {len(text)} characters, expected at most "
            f"{limits.WEBHOOK_URL_CHARS_MAX}"
        )
    try:
        found = urlsplit(text)
        port = found.port
    except ValueError as error:
        raise AddressRefused(f"the address is no URL: {error}") from error
    if not _TEXT.fullmatch(text) or "\\" in text:
        raise AddressRefused(
            "the address has spaces or characters beyond ASCII; expected it as a browser sends it"
        )
    if found.scheme != "https":
        raise AddressRefused(f"the address begins with {found.scheme!r}, expected https://")
    if found.username is not None or found.password is not None:
        raise AddressRefused("the address holds a user or password; it is stored readable")
    if found.fragment:
        raise AddressRefused("the address has a part behind #, that nobody would be sent")
    if not found.hostname or port == 0:
        raise AddressRefused("the address names no host, or no port that there is")
    return found


def is_public(address: str) -> bool:
    """Whether the IP address is one of the public internet, whatever it is written in."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        for network, bits in _CARRIES_IPV4:
            if ip in network:
                return is_public(str(ipaddress.IPv4Address(int(ip) >> bits & 0xFFFFFFFF)))
        if ip in _TEREDO:
            return False
    if any(ip in each for each in _NOT_PUBLIC):
        return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_host(parts: SplitResult, *, are_private_allowed: bool) -> None:
    """Looks the name up now, and refuses it if any of its addresses is not public.

    Raises AddressRefused. It is looked at again for each connection.
    """
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"{host} cannot be looked up: {error}") from error
    if are_private_allowed:
        return
    for *_, address in found:
        if not is_public(str(address[0])):
            raise AddressRefused(f"{host} is {address[0]}, expected a public address")


def socket_opener(*, are_private_allowed: bool) -> Callable[[AddressInfo], socket.socket]:
    """What opens each socket of the sender: nothing is connected to but by it.

    It raises PermissionError for an address that is not public.
    """

    def open_socket(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not are_private_allowed and not is_public(str(address[0])):
            raise PermissionError(f"{address[0]} is no public address")
        return socket.socket(family, kind, protocol)

    return open_socket
