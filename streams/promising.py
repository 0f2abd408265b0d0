"""Answers for orders that do not exist yet, handed to the view: the core's `offer`, and the network
that a tick names, decoded once for all who ask."""

from __future__ import annotations

from collections.abc import Sequence

from alerts.promise_offer import dated, offer
from schemas.promise_records import (
    NetworkUnread,
    PromiseAsked,
    PromiseGround,
    PromiseOffer,
    PromiseRefusal,
)
from streams.publishing import Assembler, PublicationError
from topology import network as networks
from topology.network import Network, NetworkFormatError


class Promiser:
    """A `schemas.promise_records.Promising` that remembers the last network it was asked about.

    Threads may share it: what it remembers is replaced whole.
    """

    def __init__(self) -> None:
        self._last: tuple[str, Network] = ("", networks.EMPTY)

    def __call__(self, asked: PromiseAsked, ground: PromiseGround) -> PromiseOffer | PromiseRefusal:
        """The answer as of the tick of `ground`; raises NetworkUnread."""
        network = self._network(ground)
        found = offer(asked, network, ground.stock, ground.tick)
        if isinstance(found, PromiseRefusal) or found.taking is None:
            return found
        lines = ground.lines([each.line_id for each in found.taking.pushed])
        return dated(found, network, lines)

    def _network(self, ground: PromiseGround) -> Network:
        version = ground.tick.network
        known, network = self._last
        if known != version:
            try:
                network = networks.decode(_content(version, ground.network()))
            except NetworkFormatError as error:
                raise NetworkUnread(str(error)) from error
            self._last = (version, network)
        return network


def _content(version: str, chunks: Sequence[bytes]) -> bytes:
    """The content of a version from its records; raises NetworkUnread where it is not whole."""
    assembler = Assembler()
    try:
        for chunk in chunks:
            whole = assembler.add(chunk)
            if whole is not None and whole.version == version:
                return whole.data
    except PublicationError as error:
        raise NetworkUnread(str(error)) from error
    raise NetworkUnread(f"the view has not read all of network {version} yet")
