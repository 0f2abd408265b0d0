"""Where a webhook may lead, and that nothing else is ever connected to."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from schemas import limits
from streams.engine.clock import WallClock
from streams.webhooks import addresses
from streams.webhooks.addresses import AddressRefused, check_host, check_url, is_public
from streams.webhooks.posting import Attempt, Outcome, Poster
from tests.receivers import certificate, receiving

INSIDE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "0.0.0.0", "224.0.0.1", "255.255.255.255", "168.63.129.16", "192.0.0.192",
    "198.18.0.1", "240.0.0.1", "203.0.113.7", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
    "2002:c0a8:1::1", "::7f00:1", "2001:0:53aa:64c:0:0:80ff:fffe", "2001:db8::1", "64:ff9b:1::1",
)  # fmt: skip
OUTSIDE = ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public_however_it_is_written(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_outside_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://a.example/x", "https"), ("ftp://a.example", "https"), ("a.example/x", "https"),
        ("https://me:pw@a.example", "user or password"), ("https://me@a.example", "user"),
        ("https://a.example/#x", "behind #"), ("https:///x", "no host"), ("https://", "no host"),
        ("https://a.example:0/", "no port"), ("https://a.example:99999/", "no URL"),
        ("https://a b.example/", "spaces"), ("https://a.example/\n", "spaces"),
        ("https://å.example/", "ASCII"), ("https://a.example\\@b.example/", "spaces"),
        ("https://[::1/", "no URL"),
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(url: str, says: str) -> None:
    with pytest.raises(AddressRefused, match=says):
        check_url(url)


def test_an_address_has_so_many_characters_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://a.example/hook?key=x"
    monkeypatch.setattr(limits, "WEBHOOK_URL_CHARS_MAX", len(url))
    assert check_url(url).hostname == "a.example"
    monkeypatch.setattr(limits, "WEBHOOK_URL_CHARS_MAX", len(url) - 1)
    with pytest.raises(AddressRefused, match="characters"):
        check_url(url)


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "[::1]"])
def test_a_name_that_stands_for_an_address_inside_is_refused(host: str) -> None:
    parts = check_url(f"https://{host}/")
    with pytest.raises(AddressRefused, match="expected a public address"):
        check_host(parts, are_private_allowed=False)
    check_host(parts, are_private_allowed=True)


def post(url: str, ca_file: Path, *, are_private_allowed: bool) -> Attempt:
    async def live() -> Attempt:
        poster = Poster(
            WallClock().now, 5.0, ca_file=ca_file, are_private_allowed=are_private_allowed
        )
        try:
            return await poster.post(url, "msg_1", b"{}", [])
        finally:
            await poster.close()

    return asyncio.run(live())


def test_nothing_inside_is_connected_to_whatever_a_name_said_before(
    tls: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving(*tls) as receiver:
        assert post(receiver.url(), tls[1], are_private_allowed=True).outcome is Outcome.DELIVERED
        assert len(receiver.requests) == 1
        names = [receiver.url(), f"https://localhost:{receiver.port}/"]
        for url in names:
            refused = post(url, tls[1], are_private_allowed=False)
            assert refused.outcome is Outcome.FAILED
            assert "is no public address" in refused.says
            assert "/hook" not in refused.says
        # A name that was public when it was registered stands for something inside now.
        answers = [("93.184.216.34", 443), ("127.0.0.1", receiver.port)]

        def look_up(*_: object, **__: object) -> list[addresses.AddressInfo]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", answers.pop(0))]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        url = f"https://rebinds.example:{receiver.port}/"
        check_host(check_url(url), are_private_allowed=False)
        refused = post(url, tls[1], are_private_allowed=False)
        assert "127.0.0.1 is no public address" in refused.says
        assert len(receiver.requests) == 1


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(
    tls: tuple[Path, Path], tmp_path: Path
) -> None:
    _, other = certificate(tmp_path)
    with receiving(*tls) as receiver:
        refused = post(receiver.url(), other, are_private_allowed=True)
        assert refused.outcome is Outcome.FAILED
        assert "certificate is not one to trust" in refused.says
        assert receiver.requests == []
